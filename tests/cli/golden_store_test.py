#!/usr/bin/env python3
"""Stores that earlier versions made (tests/golden/store): they open, are whole and hold what they held."""

import hashlib
import json
import os
import struct
import unittest

import golden_store
from harness import ROOT, ChimeraTest
from journal_reader import JournalReader
from store_reader import BLOCK, SUPERBLOCKS, StoreReader, crc32c

WAITING_RECORDS = {"1.0": 0, "1.1": 2, "1.2": 4, "1.3": golden_store.WAITING_RECORDS}
STORES = sorted((ROOT / "tests" / "golden" / "store").glob("*.xz"))
# The sanitizers are slow; they see what the newest holds.
USED_STORES = STORES[-1:] if "ASAN_OPTIONS" in os.environ else STORES


def version_of(packed):
    return tuple(map(int, packed.stem.split(".")))


class GoldenStore(ChimeraTest):
    maxDiff = None

    def unpack(self, packed):
        """The store; returns what it has to hold."""
        golden_store.unpack(packed, self.store)
        self.attached = golden_store.make_files(self.store)
        return json.loads(packed.with_suffix(".json").read_text())

    def run_program(self, text):
        return golden_store.results(
            self.chimera("run", self.store, "-", "--json", "--attach", self.attached, text=text))

    def devices(self):
        return json.loads(self.chimera("devices", self.store, "--json"))

    def contents(self):
        return golden_store.contents(self.run_program, self.devices())

    def digest(self):
        with open(self.store, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def test_there_is_one_of_every_version(self):
        self.assertEqual(["1.0", "1.1", "1.2", "1.3"], [packed.stem for packed in STORES])

    def test_it_is_of_its_version_and_still_being_freed(self):
        for packed in STORES:
            with self.subTest(packed.stem):
                self.unpack(packed)
                reader = StoreReader(self.store)
                self.addCleanup(reader.close)
                reader.load()
                self.assertEqual(reader.superblock.version[:2], version_of(packed))
                self.assertTrue(any(device.flags & 8 for device in reader.devices))
                self.assertEqual(any(device.cut for device in reader.devices), version_of(packed) >= (1, 3))
                self.assertGreater(reader.group_count, 2)
                self.assertEqual(len(JournalReader(reader).records), WAITING_RECORDS[packed.stem])
                said = json.loads(self.chimera("journal", self.store, "--json", "--summary"))
                self.assertEqual(said["record_count"], WAITING_RECORDS[packed.stem])

    def test_it_opens_and_holds_what_it_held(self):
        for packed in USED_STORES:
            with self.subTest(packed.stem):
                expected = self.unpack(packed)
                before = self.digest()
                self.assertEqual(json.loads(self.chimera("info", self.store, "--json"))["uuid"], expected["uuid"])
                self.assertIn("No problem", self.chimera("check", self.store))
                self.assertEqual(self.digest(), before)
                self.assertEqual(self.contents(), expected["devices"])
                self.assertIn("No problem", self.chimera("check", self.store))

    def test_its_files_get_what_was_committed_to_them(self):
        for packed in USED_STORES:
            with self.subTest(packed.stem):
                expected = self.unpack(packed)
                self.run_program("sync\n")
                if "files" in expected:
                    self.assertEqual(golden_store.digests_of_files(self.store), expected["files"])
                # Nothing is to be cut any more, so programs of before cuts can open it.
                reader = StoreReader(self.store)
                self.addCleanup(reader.close)
                reader.load()
                self.assertEqual(reader.superblock.version[:2], min(version_of(packed), (1, 2)))

    def test_its_tables_are_read_and_written(self):
        for packed in USED_STORES:
            for table, digest in self.unpack(packed).get("tables", {}).items():
                with self.subTest(packed.stem, table=table):
                    rows = self.chimera("table", "scan", self.store, table, "--index", "key")
                    self.assertEqual(hashlib.sha256(rows.encode()).hexdigest(), digest)
                    self.chimera("table", "delete", self.store, table, "--where", "gift")
                    self.assertIn("No problem", self.chimera("check", self.store))
                    self.chimera("table", "truncate", self.store, table)
                    self.chimera("table", "insert", self.store, table, self.write_file("rows.csv", rows))
                    self.assertEqual(self.chimera("table", "scan", self.store, table, "--index", "key"), rows)
                    self.assertIn("No problem", self.chimera("check", self.store))

    def test_it_is_written_to_and_stays_whole(self):
        for packed in USED_STORES:
            with self.subTest(packed.stem):
                expected = self.unpack(packed)
                self.run_program("""
                    open device "table"
                    write bytes @0 "changed"
                    clear extents @500000 #100000
                    write metadata @0 9
                    append bytes "longer"
                    clone device "one more clone"
                    open device "far away"
                    write bytes @8T "in the middle"
                    open device "disk before"
                    delete device
                    create device "new" "columns"
                    write bytes @1M "new"
                    sync
                """)
                self.assertIn("No problem", self.chimera("check", self.store))
                changed = {"table", "far away", "disk before"}
                after = {device["name"]: device for device in self.contents()}
                for device in expected["devices"]:
                    if device["name"] not in changed:
                        self.assertEqual(after[device["name"]], device)
                self.assertEqual(set(after), {device["name"] for device in expected["devices"]} - {"disk before"} |
                                 {"one more clone", "new"})
                program = "".join(f".device d{n} {device['uuid']}\nprotect device d{n} 0\ndelete device d{n}\n"
                                  for n, device in enumerate(self.devices()))
                self.run_program(program + "sync\n")
                self.assertIn("No problem", self.chimera("check", self.store))
                self.assertEqual(self.devices(), [])

    def change_version(self, place, number):
        with open(self.store, "r+b") as file:
            file.seek(place * BLOCK)
            block = bytearray(file.read(BLOCK))
            block[8 + number] += 100  # far beyond what there is
            block[-4:] = struct.pack("<I", crc32c(block[:-4]))
            file.seek(place * BLOCK)
            file.write(block)

    def test_a_newer_version_is_refused_and_left_alone(self):
        commands = [["info"], ["devices"], ["check"], ["run", "-"], ["grow", "1G"], ["format"],
                    ["serve", "--listen", f"unix:{self.folder}/socket"],
                    ["export", "out", "table"], ["import", "begin", "table"]]
        self.write_file("begin", "anything")
        for place in SUPERBLOCKS:
            for number in (0, 1):
                self.unpack(max(STORES, key=version_of))
                self.change_version(place, number)
                before = self.digest()
                for command, *arguments in commands:
                    with self.subTest(command, place=place, number=number):
                        said = self.fails(command, self.store, *arguments, text='create device "d" ""\n')
                        self.assertIn("newer version", said)
                self.assertEqual(self.digest(), before)

    def test_the_third_number_does_not_matter(self):
        for packed in USED_STORES:
            with self.subTest(packed.stem):
                expected = self.unpack(packed)
                for place in SUPERBLOCKS:
                    self.change_version(place, 2)
                self.assertEqual(self.contents(), expected["devices"])


if __name__ == "__main__":
    unittest.main()
