#!/usr/bin/env python3
"""chimera format, grow, info and devices; stores that are full."""

import json
import os
import unittest

from harness import ChimeraTest
from store_reader import BLOCK

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
        self.assertIn("at least 16M: 1M is too small", self.fails("format", self.store, "--size", "1M"))
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

    def test_something_anywhere_in_a_file_stays(self):
        for place in (10 * MIB + 5, 20 * MIB - 1):
            for name, is_sparse in (("sparse", True), ("full", False)):
                with self.subTest(f"{name} {place}"):
                    path = self.write_file(name, b"" if is_sparse else bytes(20 * MIB))
                    with open(path, "r+b") as file:
                        file.truncate(20 * MIB)
                        file.seek(place)
                        file.write(b"x")
                    said = self.fails("format", path)
                    self.assertIn(f"holds something at offset {place // BLOCK * BLOCK:,}:", said)
                    self.assertIn("--force", said)
                    self.assertEqual(os.stat(path).st_size, 20 * MIB)

    def test_a_vast_file_with_a_little_in_it_stays(self):
        path = self.write_file("vast", b"")
        with open(path, "r+b") as file:
            file.truncate(1 << 40)
            file.seek(777 << 30)
            file.write(b"x")
        self.assertIn("holds something at offset", self.fails("format", path))

    def test_json(self):
        made = json.loads(self.chimera("format", self.store, "--size", "20M", "--json"))
        grown = json.loads(self.chimera("grow", self.store, "32M", "--json"))
        self.assertEqual(list(made), ["store", "uuid", "size", "used", "free", "kept_back"])
        self.assertEqual(list(grown), list(made))
        self.assertEqual((made["size"], grown["size"], grown["uuid"]), (20 * MIB, 32 * MIB, made["uuid"]))
        for store in (made, grown):
            self.assertEqual(store["used"] + store["free"] + store["kept_back"], store["size"])

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

    def test_what_does_not_grow(self):
        self.assertIn("nothing to grow", self.fails("grow", ":memory:", "1G"))
        self.assertIn("stop the server", self.fails("grow", "unix:socket", "1G"))

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
                table = self.chimera("devices", target)
                self.assertRegex(table, r"^NAME +LENGTH +UUID +KIND +FLAGS\n")
                self.assertRegex(table, r'(?m)^"one" +5,120  [-0-9a-f]{36}  pool  fixed$')
                self.assertRegex(table, r'(?m)^"two" +3  [-0-9a-f]{36}  pool$')

    def test_how_much_of_a_device_is_data(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.chimera("create", target, "disk", "--size", "1T")
                self.chimera("create", target, "log")
                for name, program in (("disk", 'write bytes @0 "a"\nwrite bytes @1G "b"\nclear extents @0 #4K\n'
                                               ".repeat 100\nwrite bytes @(2G + $i * 8K) \"c\"\n.end\n"),
                                      ("log", 'write bytes @0 "abc"\n')):
                    self.chimera("run" if label == "store" else "send", target, "-",
                                 text=f'open device "{name}"\n{program}')
                self.chimera("snapshot", target, "disk=disk@1")
                devices = json.loads(self.chimera("devices", target, "--data", "--json"))
                self.assertEqual({device["name"]: device["data"] for device in devices},
                                 {"disk": 101 * 4096, "disk@1": 101 * 4096, "log": 3})
                table = self.chimera("devices", target, "--data")
                self.assertRegex(table, r"^NAME +LENGTH +DATA +UUID +KIND +FLAGS\n")
                self.assertRegex(table, r'(?m)^"log" +3 +3  [-0-9a-f]{36}  pool$')
                self.assertNotIn("data", self.chimera("devices", target, "--json"))

    def test_sizes_add_up_and_counts_are_no_sizes(self):
        self.format()
        self.chimera("import", self.store, self.write_file("image", os.urandom(9 * MIB)), "disk")
        info = json.loads(self.chimera("info", self.store, "--json"))
        self.assertEqual(info["used"] + info["free"] + info["kept_back"], info["size"])
        server = self.serve()
        self.chimera("send", server.addresses[0], "-",
                     text='open device "disk"\n.repeat 2000\nread byte @($i * 4K)\n.end\n')
        text = self.chimera("info", server.addresses[0])
        self.assertRegex(text, r"(?m)^cache misses +\d,\d{3}$")
        self.assertRegex(text, r"(?m)^kept back +[\d,]+ \([\d.]+M\)$")
        self.assertRegex(text, r"(?m)^devices +1$")

    def test_many_devices(self):
        server = self.serve(":memory:")
        program = "".join(f'create device "d{i:04}" ""\nclose device\n' for i in range(2500))
        self.chimera("send", server.addresses[0], "-", text=program)
        names = [device["name"] for device in json.loads(self.chimera("devices", server.addresses[0], "--json"))]
        self.assertEqual(names, [f"d{i:04}" for i in range(2500)])


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
