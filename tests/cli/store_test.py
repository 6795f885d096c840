#!/usr/bin/env python3
"""chimera format, grow, info, devices and check; stores that are full, damaged, foreign or too new."""

import json
import os
import struct
import unittest

from harness import ChimeraTest
from store_reader import SUPERBLOCKS, BLOCK, crc32c

MIB = 1 << 20


class Format(ChimeraTest):
    def test_default_size_and_mode(self):
        self.chimera("format", self.store)
        status = os.stat(self.store)
        self.assertEqual(status.st_size, 1 << 30)
        self.assertEqual(status.st_mode & 0o077, 0)
        self.assertLess(status.st_blocks * 512, MIB)

    def test_sizes(self):
        self.chimera("format", self.store, "--size", "20M")
        self.assertEqual(os.stat(self.store).st_size, 20 * MIB)
        self.chimera("format", self.store)  # as large as it is
        self.assertEqual(os.stat(self.store).st_size, 20 * MIB)
        self.assertIn("remove it first", self.fails("format", self.store, "--size", "17M"))
        self.chimera("format", self.store, "--size", "30M")
        self.assertEqual(os.stat(self.store).st_size, 30 * MIB)

    def test_too_small_leaves_no_file(self):
        self.fails("format", self.store, "--size", "1M")
        self.assertFalse(self.store.exists())

    def test_what_is_not_blank_stays(self):
        for name, content in (("short", b"precious"), ("long", b"precious" * 10 * MIB)):
            with self.subTest(name):
                path = self.write_file(name, content)
                self.assertIn("--force", self.fails("format", path))
                self.assertIn("--force", self.fails("format", path, "--size", "100M"))
                self.assertEqual(path.read_bytes(), content)
                self.chimera("format", path, "--force", "--size", "100M")
                self.assertIn("No problem", self.chimera("check", path))

    def test_blank_is_fine(self):
        self.chimera("format", self.write_file("blank", bytes(20 * MIB)))
        self.chimera("format", self.write_file("empty", b""), "--size", "20M")

    def test_a_store_with_devices_is_emptied_only_by_force(self):
        self.format()
        self.chimera("format", self.store)
        self.chimera("run", self.store, "-", text='create device "d" ""\n')
        self.assertIn("holds a store with devices", self.fails("format", self.store))
        self.assertEqual(len(json.loads(self.chimera("devices", self.store, "--json"))), 1)
        self.chimera("format", self.store, "--force")
        self.assertEqual(json.loads(self.chimera("devices", self.store, "--json")), [])

    def test_what_cannot_be_a_store(self):
        self.fails("format", self.folder)
        self.fails("format", ":memory:")
        self.fails("format", "unix:socket")
        self.fails("format", "no/such/folder/store.img")


class Grow(ChimeraTest):
    def test_grow_and_use_it(self):
        self.format("16M")
        image = self.write_file("image", os.urandom(24 * MIB))
        self.fails("import", self.store, image, "disk")
        self.chimera("grow", self.store, "64M")
        self.assertEqual(json.loads(self.chimera("info", self.store, "--json"))["size"], 64 * MIB)
        self.chimera("import", self.store, image, "disk")
        self.assertIn("No problem", self.chimera("check", self.store))

    def test_a_store_never_shrinks(self):
        self.format("32M")
        self.assertIn("cannot be made smaller", self.fails("grow", self.store, "16M"))
        self.chimera("grow", self.store, "32M")


class Look(ChimeraTest):
    def test_info_and_devices_of_a_store_and_of_a_server(self):
        self.format()
        self.chimera("run", self.store, "-", text="""
            create device "one" "a" "size=5K"
            create device "two" ""
            write bytes @0 "abc"
        """)
        server_store = self.folder / "other.img"
        server_store.write_bytes(self.store.read_bytes())
        server = self.serve(server_store)
        for target in (self.store, server.addresses[0]):
            with self.subTest(str(target)):
                info = json.loads(self.chimera("info", target, "--json"))
                self.assertEqual((info["size"], info["devices"], info["kind"]), (64 * MIB, 2, "pool"))
                self.assertRegex(self.chimera("info", target), r"(?m)^size +67,108,864 \(64M\)$")
                devices = json.loads(self.chimera("devices", target, "--json"))
                self.assertEqual([(d["name"], d["length"], d["fixed_length"]) for d in devices],
                                 [("one", 5120, True), ("two", 3, False)])
                self.assertRegex(self.chimera("devices", target), r'(?m)^"one" +5,120 .*fixed$')

    def test_many_devices(self):
        server = self.serve(":memory:")
        program = "".join(f'create device "d{i:04}" ""\nclose device\n' for i in range(2500))
        self.chimera("send", server.addresses[0], "-", text=program)
        names = [device["name"] for device in json.loads(self.chimera("devices", server.addresses[0], "--json"))]
        self.assertEqual(names, [f"d{i:04}" for i in range(2500)])


class Damage(ChimeraTest):
    MARK = b"the text that will be damaged"

    def change_file(self, offset, data):
        with open(self.store, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def make_damaged(self):
        self.format()
        self.chimera("run", self.store, "-", text=f"""
            create device "good" ""
            write bytes @0 "still fine"
            create device "bad" ""
            write bytes @8192 "{self.MARK.decode()}"
        """)
        self.change_file(self.store.read_bytes().index(self.MARK), b"T")

    def test_a_flipped_byte_is_found_and_never_read(self):
        self.make_damaged()
        said = self.fails("check", self.store)
        self.assertRegex(said, r"bad checksums +1\b")
        self.assertIn('"bad"', said)
        self.assertEqual(json.loads(self.run_command("check", self.store, "--json").stdout)["bad_checksums"], 1)
        said = self.fails("run", self.store, "-", text='open device "bad"\nread bytes @8192 #5\nread bytes @0 #5\n')
        self.assertRegex(said, r"read bytes @8192 #5 +corrupt")
        self.assertIn('ok', said.splitlines()[-1])
        self.assertIn('"still', self.chimera("run", self.store, "-", text='open device "good"\nread bytes @0 #5\n'))

    def test_a_server_finds_it_too(self):
        self.make_damaged()
        server = self.serve()
        said = self.fails("check", server.addresses[0])
        self.assertIn("orrupt", said)
        self.assertIn('"bad"', said)
        self.assertIn("1 problem was found", said)

    def test_export_of_damaged_data_fails_and_leaves_no_file(self):
        self.make_damaged()
        self.assertIn("orrupt", self.fails("export", self.store, "back", "bad"))
        self.assertFalse((self.folder / "back").exists())

    def test_one_damaged_superblock_is_survived_and_two_are_not(self):
        self.format()
        self.chimera("run", self.store, "-", text='create device "d" ""\n')
        self.change_file(SUPERBLOCKS[0] * BLOCK + 100, b"\xff" * 16)
        self.chimera("devices", self.store)
        self.change_file(SUPERBLOCKS[1] * BLOCK + 100, b"\xff" * 16)
        for command in (["run", self.store, "-"], ["check", self.store], ["info", self.store]):
            self.assertRegex(self.fails(*command, text="sync\n"), r"damaged|checksum")
        self.assertIn("--force", self.fails("format", self.store))

    def test_a_newer_version_is_refused(self):
        self.format()
        for place in SUPERBLOCKS:
            block = bytearray(self.store.read_bytes()[place * BLOCK:(place + 1) * BLOCK])
            block[8] += 1
            block[-4:] = struct.pack("<I", crc32c(block[:-4]))
            self.change_file(place * BLOCK, block)
        self.assertRegex(self.fails("info", self.store), r"newer|version 2")
        self.assertIn("newer", self.fails("format", self.store))

    def test_what_is_no_store(self):
        self.write_file("text", b"not a store\n" * 1000)
        self.write_file("blank", bytes(MIB))
        for name in ("text", "blank", "nothing", "."):
            with self.subTest(name):
                said = self.fails("info", name)
                self.assertTrue(said.startswith("chimera: ") and said.rstrip().endswith("."), said)

    def test_a_store_that_was_cut_off(self):
        self.format("64M")
        self.chimera("import", self.store, self.write_file("image", os.urandom(40 * MIB)), "disk")
        with open(self.store, "r+b") as file:
            file.truncate(20 * MIB)
        self.fails("check", self.store)


class Full(ChimeraTest):
    def test_a_full_store_goes_on_reading_and_deleting(self):
        self.format("16M")
        server = self.serve()
        address = server.addresses[0]
        said = self.fails("send", address, "-", text="""
            create device "d" ""
            .repeat 32
            append bytes hex"aa" file"data"
            .end
        """.replace('file"data"', f'file"{self.write_file("data", os.urandom(MIB))}"'))
        self.assertIn("no space", said)
        text = self.chimera("send", address, "-", text='open device "d"\nread bytes @1 #4\nflush device\n')
        self.assertRegex(text, r"flush device +ok")
        self.chimera("send", address, "-", text='open device "d"\ndelete device\nsync\n')
        self.chimera("import", address, self.folder / "data", "after")
        self.assertEqual(server.stop(), (0, ""))
        self.assertIn("No problem", self.chimera("check", self.store))


if __name__ == "__main__":
    unittest.main()
