#!/usr/bin/env python3
"""chimera blob: long values on a store and against a server, cut short, as texts, and explained."""

import hashlib
import json
import os
import random
import subprocess
import unittest

from harness import CHIMERA, wait_for_lock
from table_test import Tables


class Blobs(Tables):
    def test_put_get_append_and_ranges(self):
        content = random.Random(1).randbytes(9 << 20)
        path = self.write_file("content", content)
        for label, target in self.targets():
            with self.subTest(label):
                blob = lambda *arguments, **options: self.chimera("blob", *arguments, **options)  # noqa: E731
                self.assertEqual(blob("put", target, "m/m/b", "one", path), "one: 9,437,184 bytes put.\n")
                self.run_command("blob", "put", target, "m/m/b", "two", "-", data=b"xyz")
                blob("append", target, "m/m/b", "two", path)
                blob("append", target, "m/m/b", "two", "-", data=b"end")
                whole = b"xyz" + content + b"end"
                self.assertEqual(blob("digest", target, "m/m/b", "two"), hashlib.sha256(whole).hexdigest() + "  two\n")
                self.assertEqual(blob("digest", target, "m/m/b", "two", "--offset", "1", "--count", "5000000"),
                                 hashlib.sha256(whole[1:5000001]).hexdigest() + "  two\n")
                blob("get", target, "m/m/b", "two", "back", "--force")
                self.assertEqual((self.folder / "back").read_bytes(), whole)
                part = self.run_command("blob", "get", target, "m/m/b", "one", "-", "--offset", "5M", "--count", "3")
                self.assertEqual(part.stdout, content[5 << 20:(5 << 20) + 3])
                self.assertEqual(json.loads(blob("list", target, "m/m/b", "--json")), {"blobs": [
                    {"name": "one", "size": len(content)}, {"name": "two", "size": len(whole)}]})
                self.run_command("blob", "put", target, "m/m/b", "one", "-", data=b"short")
                self.assertEqual(blob("get", target, "m/m/b", "one", "-"), "short")
                blob("rm", target, "m/m/b", "two")
                for what, *files in (("get", "-"), ("append", path), ("digest",), ("rm",)):
                    self.assertEqual(self.fails("blob", what, target, "m/m/b", "two", *files),
                                     'chimera: m/m/b has no blob "two".\n')
                self.assertEqual(blob("list", target, "m/m/b"), "               5  one\n")
                self.sound(target)

    def kill_amid(self, target, data, *words):
        """A command that is killed when it has taken all of this but what a pipe holds, and that nobody waits for any
        more."""
        process = subprocess.Popen([CHIMERA, "blob", words[0], target, *words[1:], "-"], stdin=subprocess.PIPE)
        process.stdin.write(data)
        process.stdin.flush()
        process.kill()
        process.wait()
        process.stdin.close()
        if target == self.store:
            wait_for_lock(self.store)
        else:
            self.wait_for_other_sessions(target)

    def test_a_put_that_is_cut_short_leaves_what_was_there_and_nothing_behind_the_next(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.chimera("blob", "put", target, "m/m/b", "one", "-", data=b"first")
                for name in ("one", "two"):
                    self.kill_amid(target, bytes(18 << 20), "put", "m/m/b", name)
                    self.sound(target)
                    self.assertEqual(self.chimera("blob", "list", target, "m/m/b"), "               5  one\n")
                    self.assertEqual(self.chimera("blob", "get", target, "m/m/b", "one", "-"), "first")
                self.chimera("blob", "put", target, "m/m/b", "two", "-", data=b"second")
                self.assertNotIn(":stage/", self.chimera("devices", target))
                self.sound(target)

    def test_an_append_that_is_cut_short_leaves_whole_pieces_from_its_front(self):
        piece, under_way = 4 << 20, 4
        # Whoever has taken all but a pipe's fill of these waits for more behind one piece above those that may be under
        # way, so the first is there for certain.
        content = random.Random(2).randbytes((under_way + 2) * piece + 5)
        for label, target in self.targets():
            with self.subTest(label):
                self.chimera("blob", "put", target, "m/m/b", "one", "-", data=b"first")
                self.kill_amid(target, content, "append", "m/m/b", "one")
                self.sound(target)
                there = self.run_command("blob", "get", target, "m/m/b", "one", "-").stdout
                pieces, rest = divmod(len(there) - len(b"first"), piece)
                self.assertGreaterEqual(pieces, 1)
                self.assertEqual(rest, 0)
                self.assertEqual(there, b"first" + content[:pieces * piece])

    def test_long_values_in_a_store_with_the_smallest_journal(self):
        self.chimera("format", self.store, "--size", "128M", "--journal", "2M")
        path = self.write_file("content", random.Random(3).randbytes(17 << 20))
        for name in ("one", "two"):
            self.chimera("blob", "put", self.store, "m/m/b", name, path)
        self.chimera("blob", "rm", self.store, "m/m/b", "one")
        self.chimera("blob", "append", self.store, "m/m/b", "two", path)
        self.chimera("blob", "get", self.store, "m/m/b", "two", "back")
        self.assertEqual((self.folder / "back").read_bytes(), 2 * path.read_bytes())
        self.sound(self.store)

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "the address sanitizer takes memory of its own")
    def test_a_put_through_a_server_takes_bounded_memory(self):
        self.format("1G")
        address = self.serve(self.store).addresses[0]
        process = subprocess.Popen([CHIMERA, "blob", "put", address, "m/m/b", "one", "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        piece = random.Random(3).randbytes(4 << 20)
        for _ in range(100):
            process.stdin.write(piece)
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        self.assertEqual(status, 0)
        self.assertLess(usage.ru_maxrss, 200 << 10)

    def test_texts_are_cut_between_characters(self):
        self.format()
        self.write_file("t.schema", "relation t = struct { name: string, words: string, code: function } key (name)")
        self.table("create", self.store, "m/m/t", "t.schema")
        self.table("insert", self.store, "m/m/t", self.write_file("t.csv", "name,words,code\na,,fb\n"))
        words = "x" + "\u20ac" * 3_000_000
        self.write_file("words", words.encode())
        columns = ["m/m/t", "a", "words", "--column", "words"]
        for command, wanted in (("append", words), ("append", words * 2), ("put", words)):
            self.chimera("blob", command, self.store, *columns)
            got = self.run_command("blob", "get", self.store, "m/m/t", "a", "-", "--column", "words")
            self.assertEqual(hashlib.sha256(got.stdout).hexdigest(), hashlib.sha256(wanted.encode()).hexdigest())
        self.write_file("words", words.encode()[:-1])
        for command in ("append", "put"):
            self.assertIn("UTF-8", self.fails("blob", command, self.store, *columns))
        # A function is whole instructions, whatever its length: many `sync`; half a `read bytes`.
        code = ["m/m/t", "a", "code", "--column", "code"]
        self.write_file("code", b"\xfb" * (5 << 20))
        self.chimera("blob", "put", self.store, *code)
        self.chimera("blob", "append", self.store, *code)
        self.write_file("code", b"\x13\x00")
        for command in ("append", "put"):
            self.assertIn("whole instruction", self.fails("blob", command, self.store, *code))
        self.assertEqual(self.chimera("blob", "digest", self.store, "m/m/t", "a", "--column", "code"),
                         hashlib.sha256(b"\xfb" * (10 << 20)).hexdigest() + "  a\n")
        self.sound(self.store)

    def test_every_command_is_explained_and_changes_nothing(self):
        large = self.write_file("large", random.Random(2).randbytes(6 << 20))
        small = self.write_file("small", b"a few words of a blob")
        for label, target in self.targets():
            self.chimera("blob", "put", target, "m/m/b", "one", large)
            before = self.chimera("blob", "list", target, "m/m/b"), self.chimera("devices", target)
            for arguments, said in (
                    (["put", "m/m/new", "one", small], "m/m/new"),
                    (["put", "m/m/b", "one", small], "a few words of a blob"),
                    (["put", "m/m/b", "two", small], "m/m/b:key"),
                    (["put", "m/m/b", "one", large], "tells others that this value is being put"),
                    (["append", "m/m/b", "one", large], "values at granule"),
                    (["get", "m/m/b", "one", "-"], ":external/content\": a value"),
                    (["digest", "m/m/b", "one", "--count", "4M"], "read digest"),
                    (["list", "m/m/b"], "column content"),
                    (["rm", "m/m/b", "one"], "commit")):
                with self.subTest(f"{label} {arguments}"):
                    text = self.run_command("blob", arguments[0], target, *arguments[1:], "--explain").stdout.decode()
                    self.assertIn(said, text[:100000])
                    self.assertIn("; program 1 of ", text)
                    self.write_file("program.asm", text)
                    self.chimera("asm", "program.asm", "-o", "program.bin")
            self.assertEqual((self.chimera("blob", "list", target, "m/m/b"), self.chimera("devices", target)), before)



if __name__ == "__main__":
    unittest.main()
