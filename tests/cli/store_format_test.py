#!/usr/bin/env python3
"""Holds docs/store-format.md to what the program writes.

The tests make stores with the program, walk all of them from the superblock on by the document's rules, and compare
with `chimera check --json`; the document's worked example is compared byte by byte.
"""

import collections
import json
import re
import struct
import unittest

from harness import ROOT, ChimeraTest
from journal_reader import JournalReader
from store_reader import GROUP, StoreReader, crc32c


class StoreFormatTest(ChimeraTest):
    def run_program(self, text):
        self.chimera("run", self.store, "-", text=text)

    def open(self, superblock=None):
        reader = StoreReader(self.store)
        self.addCleanup(reader.close)
        reader.load(superblock)
        return reader

    def verify_books(self, reader):
        """What the trees hold is what the bitmaps, the summary and the reference counts say."""
        self.assertEqual(reader.booked_references, dict(reader.references))
        self.assertEqual(reader.superblock.shared, sum(reader.references.values()))
        used = collections.defaultdict(set)
        for address in reader.used:
            used[address // GROUP].add(address)
        for group, entry in enumerate(reader.groups):
            self.assertEqual(reader.booked_as_used(group), used[group], f"group {group}")
            size = min(GROUP, reader.superblock.block_count - group * GROUP)
            self.assertEqual(entry.free, size - len(used[group]), f"group {group}")

    def verify(self):
        """Both states on the disk by the document's rules; the newer one against the program's own check."""
        reader = self.open()
        self.verify_books(reader)
        self.assertEqual(len(reader.superblocks), 2)
        self.verify_books(self.open(reader.superblocks[0]))
        report = json.loads(self.chimera("check", self.store, "--json"))
        living = [device for device in reader.devices if not device.flags & 8]
        expected = {
            "devices": len(living),
            "data_blocks": reader.counts["data_blocks"],
            "map_blocks": reader.counts["map_blocks"],
            "other_blocks": reader.counts["other_blocks"],
            "shared_blocks": len(reader.references),
            "free_blocks": reader.superblock.block_count - len(reader.used),
            "journal_records": len(JournalReader(reader).records),
            "problem_count": 0,
        }
        self.assertEqual({key: report[key] for key in expected}, expected)
        return reader

    def device(self, reader, name):
        return next(device for device in reader.devices if device.name == name and not device.flags & 8)

    def test_checksum_is_the_castagnoli_one(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)

    def test_empty_store(self):
        self.format("16M")
        reader = self.verify()
        first, second = reader.superblocks
        self.assertEqual((first.generation, second.generation), (1, 2))
        self.assertEqual((second.version, second.block_count, second.journal), ((1, 1, 0), 4096, (40, 512)))
        self.assertIsNone(second.manifest)
        self.assertIsNone(second.references)
        self.assertEqual(len(reader.used), 40 + 512)

    def test_store_without_a_journal(self):
        self.chimera("format", self.store, "--size", "16M", "--journal", "0")
        self.run_program('create device "one" ""\nwrite bytes @0 "x"\n')
        reader = self.verify()
        self.assertEqual((reader.superblock.version, reader.superblock.journal), ((1, 0, 0), (0, 0)))

    def test_devices_of_every_kind(self):
        self.format("64M")
        self.run_program("""
            create device "grows" "id u64, name text"
            write bytes @4094 "abcd"
            write bytes @1T "far"
            write metadata @0xFFFFFFFFFFFFFFFF 7
            create device "fixed" "" "size=5000"
            write bytes @4990 "0123456789"
            create device "locked" ""
            write byte @0 1
        """)
        reader = self.verify()
        grows, fixed = self.device(reader, "grows"), self.device(reader, "fixed")
        self.assertEqual((grows.flags, grows.length, grows.columns_length), (1, (1 << 40) + 3, 17))
        self.assertEqual(grows.heights, (4, 7, 0))
        self.assertEqual(grows.uuid, grows.family)
        self.assertEqual(reader.read_plane(grows, 0, 4094, 6), b"abcd\0\0")
        self.assertEqual(reader.read_plane(grows, 0, 1 << 40, 4), b"far\0")
        self.assertEqual(reader.read_plane(grows, 1, 0xFFFFFFFFFFFFFFFF, 1), b"\7")
        self.assertEqual(reader.read_plane(grows, 2, 0, 17), b"id u64, name text")
        self.assertEqual((fixed.flags, fixed.length, fixed.heights), (3, 5000, (1, 0, 0)))
        self.assertEqual(reader.read_plane(fixed, 0, 4990, 10), b"0123456789")

    def test_clones_share_and_diverge(self):
        self.format("64M")
        writes = "".join(f"write bytes @{n * 4096} \"block {n}\"\n" for n in range(300))
        self.run_program(f"""
            create device "origin" "shape"
            {writes}
            clone device "first"
            clone device "second"
            open device "first"
            write bytes @4096 "BLOCK"
        """)
        reader = self.verify()
        origin, first, second = (self.device(reader, name) for name in ("origin", "first", "second"))
        self.assertEqual(origin.roots[0], second.roots[0])
        self.assertNotEqual(origin.roots[0], first.roots[0])
        self.assertEqual({origin.family, first.family, second.family}, {origin.uuid})
        self.assertGreater(origin.share_generation, 0)
        self.assertEqual(reader.booked_references[origin.roots[0].address], 1)
        self.assertEqual(reader.booked_references[origin.roots[2].address], 2)
        self.assertEqual(reader.read_plane(origin, 0, 4096, 7), b"block 1")
        self.assertEqual(reader.read_plane(first, 0, 4096, 7), b"BLOCK 1")

        self.run_program('open device "origin"\ndelete device\nopen device "second"\nclear extents @0 #1M\n')
        reader = self.verify()
        self.assertEqual(reader.read_plane(self.device(reader, "first"), 0, 8192, 7), b"block 2")

    def test_summary_of_three_levels(self):
        self.format("40G")
        self.run_program('create device "one" ""\nwrite bytes @1G "x"\n')
        reader = self.verify()
        self.assertEqual(reader.group_count, 320)
        self.assertTrue(all(entry.fresh for entry in reader.groups[257:]))

    def test_grown_store(self):
        self.format("20M")
        self.run_program('create device "one" ""\nwrite bytes @0 "x"\n')
        self.chimera("grow", self.store, "300M")
        reader = self.verify()
        self.assertEqual((reader.superblock.block_count, reader.group_count), (76800, 3))

    def test_last_group_too_small_for_use(self):
        self.format(str((GROUP + 63) * 4096))
        self.assertEqual(self.verify().superblock.block_count, GROUP)

    def change_superblock(self, place, at, data, repair=False):
        with open(self.store, "r+b") as file:
            file.seek(place * 4096)
            block = bytearray(file.read(4096))
            block[at:at + len(data)] = data
            if repair:
                block[4092:] = struct.pack("<I", crc32c(block[:4092]))
            file.seek(place * 4096)
            file.write(block)

    def test_a_torn_superblock_leaves_the_state_before_and_the_journal(self):
        for journal, expected in (("0", ["one"]), ("2M", ["one", "two"])):
            with self.subTest(journal=journal):
                self.chimera("format", self.store, "--size", "16M", "--force", "--journal", journal)
                self.run_program('create device "one" ""\nsync\n')
                self.run_program('create device "two" ""\nsync\n')
                newest = self.open().places[-1]
                self.change_superblock(newest, 512, bytes(range(1, 256)))
                names = [device["name"] for device in json.loads(self.chimera("devices", self.store, "--json"))]
                self.assertEqual(names, expected)
                self.change_superblock(16 - newest, 512, bytes(range(1, 256)))
                self.assertIn("damaged", self.fails("check", self.store))

    def test_newer_versions_are_refused(self):
        for version, is_refused in (((1, 3, 9), False), ((1, 4, 0), True), ((2, 0, 0), True)):
            for place in (0, 16):
                with self.subTest(version=version, place=place):
                    self.chimera("format", self.store, "--size", "16M", "--force")
                    self.change_superblock(place, 8, bytes(version), repair=True)
                    if is_refused:
                        self.assertIn("newer version", self.fails("check", self.store))
                    else:
                        self.chimera("check", self.store)

    def test_worked_example(self):
        text = (ROOT / "docs" / "store-format.md").read_text()
        self.format("16M")
        self.run_program(re.search(r"```asm\n(.*?)```", text, re.DOTALL).group(1))
        self.verify()
        image = self.store.read_bytes()
        lines = re.findall(r"^ {4}([0-9a-f]{6}): ((?:[0-9a-f]{2} |\.\. ){16})", text, re.MULTILINE)
        self.assertGreater(len(lines), 20)
        for place, shown in lines:
            actual = image[int(place, 16):int(place, 16) + 16]
            masked = [".." if byte == ".." else f"{actual[n]:02x}" for n, byte in enumerate(shown.split())]
            self.assertEqual(shown.split(), masked, f"at {place}")

    def test_the_tests_would_see_damage(self):
        self.format("16M")
        self.run_program('create device "one" ""\nwrite bytes @0 "some text to be found"\n')
        place = self.store.read_bytes().rindex(b"some text to be found")  # behind the journal
        with open(self.store, "r+b") as file:
            file.seek(place)
            file.write(b"S")
        with self.assertRaisesRegex(AssertionError, "bad checksum"):
            self.open()


if __name__ == "__main__":
    unittest.main()
