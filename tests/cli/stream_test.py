#!/usr/bin/env python3
"""Copies of snapshots kept elsewhere: chimera export --stream and --since, and chimera import of what they write."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import unittest
import uuid

from harness import CHIMERA, ROOT, ChimeraTest, wait_for_lock

sys.path.insert(0, str(ROOT / "clients" / "python"))
import chimera  # noqa: E402

BLOCK = 4096
MIB = 1 << 20
LAST = (1 << 64) - 1
MARK = bytes.fromhex("7f6110000000") + b"Chimera stream 1"


def contents(address):
    """All that can be seen of every device, but UUIDs of what is no snapshot."""
    found = {}
    with chimera.connect(address) as client:
        for device, name in client.list_devices():
            length = client.read_length(device=device)
            data = b"".join(client.read_bytes(min(MIB, length - at), device=device, offset=at)
                            for at in range(0, length, MIB))
            metadata = {}
            for start, count in ((0, LAST), (LAST, 1)):
                at = start
                while at < start + count:
                    for extent in client.read_metadata_extents(device, at, start + count - at):
                        if extent.flags == 0:
                            piece = client.read_metadata_bytes(at, extent.length, device=device)
                            metadata.update((at + n, value) for n, value in enumerate(piece) if value)
                        at += extent.length
            about = client.describe_device(device=device)
            found[name] = {"length": length, "data": data, "metadata": metadata,
                           "columns": client.read_columns(device=device), "fixed": about["fixed_length"],
                           "read_only": about["read_only"], "uuid": about["uuid"] if "@" in name else ""}
    return found


def change(client, device, chance, fixed):
    """A few changes of all kinds."""
    length = client.read_length(device=device)
    for _ in range(chance.randrange(1, 12)):
        offset = chance.randrange(2 * MIB) if chance.random() < 0.5 else chance.randrange(64) * BLOCK
        size = chance.choice((1, 100, BLOCK, 3 * BLOCK, 50_000, 300_000))
        kind = chance.randrange(8)
        if fixed and kind < 5:
            offset = min(offset, length - 1)
            size = min(size, length - offset)
        if kind < 4:
            client.write_bytes(chance.randbytes(size) if kind else bytes(size), device=device, offset=offset)
        elif kind == 4:
            client.clear_extents(size * 5, device=device, offset=offset)
        elif kind == 5 and not fixed:
            client.write_length(chance.randrange(3 * MIB), device=device)
        elif kind == 6:
            place = chance.choice((chance.randrange(10_000), chance.getrandbits(64) // 2, LAST, LAST - 5 * BLOCK))
            client.write_metadata_bytes(place, chance.randbytes(min(300, LAST - place + 1)), device=device)
        elif chance.random() < 0.5:
            client.clear_metadata(device, chance.randrange(20_000), 5_000)
        else:
            client.write_columns(f"columns {chance.random()}", device=device)


class Streams(ChimeraTest):
    def make(self, name, size="64M"):
        store = self.folder / name
        self.chimera("format", store, "--size", size)
        return store

    def serve_store(self, store):
        return self.serve(store, [f"unix:{self.folder}/{store.name}.socket"])

    def contents_of(self, store):
        server = self.serve_store(store)
        try:
            return contents(server.addresses[0])
        finally:
            server.stop()
            wait_for_lock(store)

    def make_source(self):
        """A store with disk@1, disk@2, which differ, and their streams."""
        store = self.make("source.img")
        program = ('create device "disk" "columns"\nwrite bytes @0 "first"\nwrite bytes @1M "more"\n'
                   'write metadata @5 7\n')
        self.chimera("run", store, "-", text=program)
        self.chimera("snapshot", store, "disk=disk@1")
        self.chimera("export", store, "1.stream", "disk@1", "--stream")
        self.chimera("run", store, "-", text='open device "disk"\nwrite bytes @0 "second"\nclear extents @1M #4\n')
        self.chimera("snapshot", store, "disk=disk@2")
        self.chimera("export", store, "2.stream", "disk@2", "--since", "disk@1")
        return store

    def stream(self, name):
        return (self.folder / name).read_bytes()

    def test_random_changes_over_many_snapshots(self):
        """To a store and to a server; from a store and from a server; in files and pipes."""
        for seed in range(6):
            chance = random.Random(seed)
            fixed = seed % 3 == 2
            with self.subTest(seed=seed):
                source, copy, served = (self.make(f"{name}{seed}.img") for name in ("source", "copy", "served"))
                server = self.serve_store(source)
                replica = self.serve_store(served)
                address = server.addresses[0]
                with chimera.connect(address) as client:
                    device = client.create_device("disk", "first", "size=2500000" if fixed else "")
                    last = None
                    for number in range(8):
                        change(client, device, chance, fixed)
                        snapshot = f"disk@{number}"
                        self.chimera("snapshot", address, f"disk={snapshot}")
                        since = ["--since", last] if last else ["--stream"]
                        stream = self.run_command("export", address, "-", snapshot, *since).stdout
                        self.chimera("import", copy, "-", "disk", data=stream)
                        self.chimera("export", address, f"{number}.stream", snapshot, *since, "--force")
                        self.assertEqual(self.stream(f"{number}.stream"), stream)
                        self.chimera("import", replica.addresses[0], f"{number}.stream", "disk")
                        last = snapshot
                        if chance.random() < 0.2:  # another way to the next one
                            client.roll_back_device(device, client.open_device(f"disk@{chance.randrange(number + 1)}"))
                expected = contents(address)
                expected["disk"] = {**expected[last], "read_only": False, "uuid": ""}
                self.assertEqual(contents(replica.addresses[0]), expected)
                self.assertEqual(self.contents_of(copy), expected)
                check = json.loads(self.chimera("check", copy, "--json"))
                self.assertEqual(check["problem_count"], 0)
                server.stop()
                replica.stop()

    def test_only_what_differs_is_in_the_stream_and_it_is_shared_in_the_copy(self):
        source = self.make("source.img", "256M")
        image = self.folder / "image"
        image.write_bytes(random.Random(1).randbytes(20 * MIB))
        self.chimera("import", source, image, "disk")
        self.chimera("snapshot", source, "disk=disk@1")
        self.chimera("run", source, "-", text='open device "disk"\nwrite bytes @7M "x"\n')
        self.chimera("snapshot", source, "disk=disk@2")
        self.chimera("export", source, "1.stream", "disk@1", "--stream")
        report = json.loads(self.chimera("export", source, "2.stream", "disk@2", "--since", "disk@1", "--json"))
        self.assertEqual((report["snapshot"], report["data_bytes"]), ("disk@2", BLOCK))
        self.assertLess(len(self.stream("2.stream")), BLOCK + 1000)
        copy = self.make("copy.img", "256M")
        self.chimera("import", copy, "1.stream", "disk")
        used = json.loads(self.chimera("info", copy, "--json"))["used"]
        self.chimera("import", copy, "2.stream", "disk")
        self.assertLess(json.loads(self.chimera("info", copy, "--json"))["used"] - used, 20 * BLOCK)
        difference = json.loads(self.chimera("diff", copy, "disk@1", "disk@2", "--json"))
        self.assertEqual(difference["extents"], [{"offset": 7 * MIB, "length": BLOCK}])

    def test_it_is_a_program(self):
        """It prints, assembles to the same bytes, and makes the same snapshot when it is run as it is."""
        source = self.make_source()
        self.assertTrue(self.stream("1.stream").startswith(MARK))
        for name in ("1.stream", "2.stream"):
            text = self.chimera("disasm", name)
            self.assertIn("create device", text)
            (self.folder / "again.asm").write_text(text)
            self.chimera("asm", "again.asm", "-o", "again")
            self.assertEqual(self.stream("again"), self.stream(name))
        copy = self.make("copy.img")
        for name in ("1.stream", "2.stream"):
            self.chimera("run", copy, name)
        expected = self.contents_of(source)
        del expected["disk"]
        self.assertEqual(self.contents_of(copy), expected)
        # The wrong store, or half of it: nothing gets the snapshot's name.
        wrong = self.make("wrong.img")
        self.fails("run", wrong, "2.stream")
        self.assertEqual(self.contents_of(wrong), {})
        (self.folder / "half").write_bytes(self.stream("1.stream")[:-1])
        self.run_command("run", wrong, "half")
        self.assertEqual(list(self.contents_of(wrong)), ["disk@1.importing"])

    def test_what_is_cut_off_or_damaged_changes_nothing(self):
        self.make_source()
        copy = self.make("copy.img")
        self.chimera("import", copy, "1.stream", "disk")
        before = self.contents_of(copy)
        server = self.serve_store(copy)
        address = server.addresses[0]
        stream = self.stream("2.stream")
        chance = random.Random(3)
        bad = [stream[:size] for size in {len(MARK), len(stream) - 1, *chance.sample(range(len(MARK), len(stream)), 25)}]
        for place in {len(stream) - 1, *chance.sample(range(len(MARK), len(stream)), 60)}:
            damaged = bytearray(stream)
            damaged[place] ^= 1 << chance.randrange(8)
            bad.append(bytes(damaged))
        bad.append(stream + b"\xfb")
        for data in bad:
            with self.subTest(length=len(data)):
                said = self.fails("import", address, "-", "disk", data=data)
                self.assertNotIn("assert", said.lower())
                self.assertEqual(contents(address), before)
        self.chimera("import", address, "-", "disk", data=stream)
        self.assertIn("disk@2", contents(address))

    def test_only_on_its_own_base(self):
        self.make_source()
        other = self.make("other.img")
        self.chimera("run", other, "-", text='create device "disk"\nwrite bytes @0 "first"\n')
        self.chimera("snapshot", other, "disk=disk@1")  # the same name, and another snapshot
        before = self.contents_of(other)
        self.assertIn("does not have", self.fails("import", other, "2.stream", "disk"))
        self.assertIn("already", self.fails("import", other, "1.stream", "disk"))
        self.assertEqual(self.contents_of(other), before)

        copy = self.make("copy.img")
        self.assertIn("does not have", self.fails("import", copy, "2.stream", "disk"))
        self.chimera("import", copy, "1.stream", "disk")
        self.chimera("run", copy, "-", text='create device "stranger"\n')
        self.assertIn("nothing to do with", self.fails("import", copy, "2.stream", "stranger"))
        self.assertIn("has this snapshot already", self.fails("import", copy, "1.stream", "disk"))
        # A snapshot that can be written to may have been.
        self.chimera("run", copy, "-", text='open device "disk@1"\n.device d ' + self.uuid_of(copy, "disk@1") +
                     "\nprotect device d 0\n")
        self.assertIn("can be written to", self.fails("import", copy, "2.stream", "disk"))
        self.chimera("run", copy, "-", text=".device d " + self.uuid_of(copy, "disk@1") + "\nprotect device d 1\n")
        # So has the device, whichever part of it.
        for changing in ('write bytes @0 "FIRST"', "write metadata @9 1", 'write columns "others"', "write length @3M"):
            with self.subTest(changing):
                self.chimera("run", copy, "-", text=f'open device "disk"\n{changing}\n')
                before = self.contents_of(copy)
                self.assertIn("--replace", self.fails("import", copy, "2.stream", "disk"))
                self.assertEqual(self.contents_of(copy), before)
                self.chimera("rollback", copy, "disk", "disk@1")
        self.chimera("run", copy, "-", text='open device "disk"\nwrite bytes @0 "FIRST"\n')
        self.chimera("import", copy, "2.stream", "disk", "--replace")
        found = self.contents_of(copy)
        self.assertEqual(found["disk"]["data"], found["disk@2"]["data"])
        self.assertTrue(found["disk"]["data"].startswith(b"second"))

    def uuid_of(self, store, name):
        return next(device["uuid"] for device in json.loads(self.chimera("devices", store, "--json"))
                    if device["name"] == name)

    def test_a_protected_copy_and_one_that_is_gone(self):
        self.make_source()
        copy = self.make("copy.img")
        self.chimera("import", copy, "1.stream", "disk")
        self.chimera("run", copy, "-", text=".device d " + self.uuid_of(copy, "disk") + "\nprotect device d 1\n")
        self.chimera("import", copy, "2.stream", "disk")
        found = self.contents_of(copy)
        self.assertTrue(found["disk"]["read_only"])
        self.assertEqual(found["disk"]["data"], found["disk@2"]["data"])
        again = self.make("again.img")
        self.chimera("import", again, "1.stream", "other")
        self.chimera("run", again, "-", text='open device "other"\ndelete device\n')
        self.chimera("import", again, "2.stream", "other")
        self.assertEqual(sorted(self.contents_of(again)), ["other", "other@1", "other@2"])

    def test_what_is_exported(self):
        store = self.make_source()
        self.assertIn("no snapshot", self.fails("export", store, "x", "disk@2", "--since", "disk"))
        self.chimera("run", store, "-", text='create device "else"\n')
        self.chimera("snapshot", store, "else=else@1")
        self.assertIn("no earlier snapshot", self.fails("export", store, "x", "disk@2", "--since", "else@1"))
        self.assertFalse((self.folder / "x").exists())
        # What can be written to gets a snapshot, in a store and through a server.
        first = json.loads(self.chimera("export", store, "3.stream", "disk", "--since", "disk@2", "--json"))["snapshot"]
        self.assertRegex(first, r"^disk@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        copy = self.make("copy.img")
        for number in (1, 2, 3):
            self.chimera("import", copy, f"{number}.stream", "disk")
        self.assertEqual(sorted(self.contents_of(copy)), ["disk", "disk@1", "disk@2", first])
        server = self.serve_store(store)
        self.chimera("run", copy, "-", text='create device "unused"\n')
        second = json.loads(self.chimera("export", server.addresses[0], "e.stream", "else", "--since", "else@1",
                                         "--json"))["snapshot"]
        self.assertIn(second, contents(server.addresses[0]))

    def test_killed_amid_an_import(self):
        source = self.make("source.img", "256M")
        image = self.folder / "image"
        image.write_bytes(random.Random(1).randbytes(24 * MIB))
        self.chimera("import", source, image, "disk")
        self.chimera("snapshot", source, "disk=disk@1")
        self.chimera("export", source, "1.stream", "disk@1", "--stream")
        image.write_bytes(random.Random(2).randbytes(24 * MIB))
        self.chimera("import", source, image, "new")
        self.chimera("run", source, "-", text='.device n ' + self.uuid_of(source, "new") + "\n.device d " +
                     self.uuid_of(source, "disk") + "\ncopy bytes n @0 d @0 #24M\n")
        self.chimera("snapshot", source, "disk=disk@2")
        self.chimera("export", source, "2.stream", "disk@2", "--since", "disk@1")
        stream = self.stream("2.stream")
        copy = self.make("copy.img", "256M")
        self.chimera("import", copy, "1.stream", "disk")
        before = self.contents_of(copy)
        chance = random.Random(5)
        done = False
        for turn in range(12):
            process = subprocess.Popen([CHIMERA, "import", copy, "-", "disk"], stdin=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                # So far that it is amid its work, or has just been given its end.
                process.stdin.write(stream[:chance.randrange(len(stream))] if turn % 3 else stream)
                process.stdin.flush()
                if turn % 3 == 0:
                    process.stdin.close()
                    time.sleep(chance.random() * 0.05)
            except BrokenPipeError:
                pass
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_for_lock(copy)
            found = self.contents_of(copy)
            found.pop("disk@2.importing", None)
            done = "disk@2" in found
            if done:
                break
            self.assertEqual(found, before)
        if not done:
            self.chimera("import", copy, "2.stream", "disk")
        found = self.contents_of(copy)
        self.assertEqual(sorted(found), ["disk", "disk@1", "disk@2"])
        self.assertEqual(found["disk"]["data"], image.read_bytes())
        self.assertEqual(found["disk@2"]["data"], image.read_bytes())
        self.assertEqual(json.loads(self.chimera("check", copy, "--json"))["problem_count"], 0)


if __name__ == "__main__":
    unittest.main()
