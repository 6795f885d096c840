#!/usr/bin/env python3
"""Stores that are damaged, foreign, too new or cut off: what is found, who is named, and what can still be read."""

import json
import os
import re
import struct
import unittest

from harness import ChimeraTest
from store_reader import BLOCK, SUPERBLOCKS, StoreReader, crc32c, parse_slots

MIB = 1 << 20


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
        # The first is in the journal, where nothing needs it any more.
        self.change_file(self.store.read_bytes().rindex(self.MARK), b"T")

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
        self.assertIn('data of "bad", at offset 8192: 4096 bytes do not match their checksum\n', said)
        self.assertIn("1 problem was found", said)
        # Whoever looks after the server is told once.
        status, errors = server.stop()
        self.assertEqual((status, errors.count("\n")), (0, 1), errors)
        self.assertRegex(errors, '^chimera: "bad": block 2 of the device, .*does not match its checksum; `chimera check`')

    def make_shared_damage(self):
        """Two blocks of a device that has a clone, and one that is a copy's too, all damaged."""
        self.format()
        blocks = [os.urandom(BLOCK) for _ in range(1024)]
        self.chimera("import", self.store, self.write_file("image", b"".join(blocks)), "zebra")
        self.chimera("run", self.store, "-", text="""
            open device "zebra"
            clone device "ant"
            open device "ant"
            write bytes @0 "its own"
        """)
        uuids = {d["name"]: d["uuid"] for d in json.loads(self.chimera("devices", self.store, "--json"))}
        self.chimera("run", self.store, "-", text=f"""
            create device "mole" ""
            .device zebra {uuids["zebra"]}
            open device "mole"
        """)
        mole = {d["name"]: d["uuid"] for d in json.loads(self.chimera("devices", self.store, "--json"))}["mole"]
        self.chimera("run", self.store, "-", text=f"copy bytes {uuids['zebra']} @(700 * 4K) {mole} @(20 * 4K) #40K\n")
        content = self.store.read_bytes()
        for number in (3, 9, 702):
            self.change_file(content.index(blocks[number]), b"\0" * 100)
        return [(name, number * BLOCK) for name, numbers in
                (("ant", (3, 9, 702)), ("mole", (22,)), ("zebra", (3, 9, 702))) for number in numbers]

    def lines_of(self, said):
        return re.findall(r'(?m)^data of "(\w+)", at offset (\d+): 4096 bytes do not match their checksum', said)

    def test_every_holder_of_every_damaged_block_is_named_in_order(self):
        expected = [(name, str(offset)) for name, offset in self.make_shared_damage()]
        offline = self.fails("check", self.store)
        self.assertEqual(self.lines_of(offline), expected)
        self.assertRegex(offline, r"bad checksums +3\n")
        self.assertIn("7 problems were found.", offline)
        server = self.serve()
        through = self.fails("check", server.addresses[0])
        self.assertEqual(self.lines_of(through), expected)
        self.assertIn("7 problems were found.", through)
        # The same lines, but for the addresses that only the store itself knows.
        said = [re.sub(r" \(block \d+ of the store\)", "", line) for line in offline.splitlines() if "offset" in line]
        self.assertEqual(said, [line for line in through.splitlines() if "offset" in line])

    def test_much_damage_is_told_in_few_lines(self):
        self.format()
        content = os.urandom(8 * MIB)
        self.chimera("import", self.store, self.write_file("image", content), "disk")
        stored = self.store.read_bytes()
        for number in range(0, 2048, 4):
            self.change_file(stored.index(content[number * BLOCK:][:64]), b"damage")
        server = self.serve()
        for target in (server.addresses[0], self.store):
            said = self.fails("check", target)
            self.assertEqual(len(self.lines_of(said)), 100)
            self.assertIn("… and 412 more\n512 problems were found.", said)
            server.stop()

    def test_damage_side_by_side_is_one_line_of_a_server(self):
        self.format()
        content = os.urandom(MIB)
        self.chimera("import", self.store, self.write_file("image", content), "disk")
        stored = self.store.read_bytes()
        for number in (100, 101, 102, 104):
            self.change_file(stored.index(content[number * BLOCK:][:64]), b"damage")
        server = self.serve()
        said = json.loads(self.run_command("check", server.addresses[0], "--json").stdout)
        self.assertEqual(said["problems"], [
            f'data of "disk", at offset {100 * BLOCK}: {3 * BLOCK} bytes do not match their checksum',
            f'data of "disk", at offset {104 * BLOCK}: {BLOCK} bytes do not match their checksum',
        ])
        self.assertEqual(said["data_bytes"], MIB - 4 * BLOCK)

    def test_a_damaged_map_hides_what_it_leads_to(self):
        self.format()
        self.chimera("import", self.store, self.write_file("image", os.urandom(4 * MIB)), "disk")
        reader = StoreReader(self.store)
        self.addCleanup(reader.close)
        reader.load()
        self.assertEqual(reader.devices[0].heights[0], 2)
        maps = parse_slots(reader.read_slot(reader.devices[0].roots[0]))
        self.change_file(maps[2].address * BLOCK, b"\xff" * 64)
        line = r'data of "disk", at offset 2097152: the map of 1048576 bytes does not match its checksum'
        offline = self.fails("check", self.store)
        self.assertRegex(offline, line)
        server = self.serve()
        through = self.fails("check", server.addresses[0])
        self.assertRegex(through, line)
        self.assertIn("1 problem was found", through)
        # What other maps lead to was verified.
        self.assertEqual(json.loads(self.run_command("check", server.addresses[0], "--json").stdout)["data_bytes"],
                         3 * MIB)

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


if __name__ == "__main__":
    unittest.main()
