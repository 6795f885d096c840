#!/usr/bin/env python3
"""`chimera check --salvage`: what it lists, what it leaves, and that it leaves a store which opens and passes its check."""

import json
import os
import re
import struct
import unittest

from harness import ChimeraTest
from journal_reader import JournalReader
from store_reader import BLOCK, SUPERBLOCKS, StoreReader, crc32c, parse_slots

MIB = 1 << 20


class Salvage(ChimeraTest):
    maxDiff = None

    def reader(self):
        reader = StoreReader(self.store)
        self.addCleanup(reader.close)
        reader.load()
        return reader

    def device(self, name):
        return next(device for device in self.reader().devices if device.name == name)

    def slots(self, slot):
        return parse_slots(self.reader().read_slot(slot))

    def damage(self, block, offset=100):
        with open(self.store, "r+b") as file:
            file.seek(block * BLOCK + offset)
            data = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([data[0] ^ 0x10]))

    def list_losses(self, status=1):
        """By a dry run, which changes nothing."""
        before = self.store.read_bytes()
        done = self.run_command("check", self.store, "--salvage", "--dry-run", "--json")
        self.assertEqual(done.returncode, status, done.stderr.decode())
        self.assertEqual(self.store.read_bytes(), before)
        said = json.loads(done.stdout)
        self.assertTrue(said["dry_run"])
        return said["salvage"]

    def salvage(self):
        """The same list, and a store that is in order."""
        listed = self.list_losses()
        said = json.loads(self.chimera("check", self.store, "--salvage", "--json"))
        self.assertEqual(said["salvage"], listed)
        self.assertEqual(said["check"]["problem_count"], 0)
        self.assertRegex(self.chimera("check", self.store), r"damaged superblocks +0\n(.*\n)*No problem was found.\n")
        self.assertEqual(self.list_losses(status=0)["repairs"], [])
        name = "afterwards" + "!" * self.names().count("afterwards")
        self.chimera("run", self.store, "-", text=f'create device "{name}" ""\nwrite bytes @0 "works"\nsync\n')
        return listed

    def read(self, name, offset, size):
        text = f'open device "{name}"\nread bytes @{offset} #{size}\n'
        said = self.chimera("run", self.store, "-", "--json", text=text)
        return bytes.fromhex(json.loads(said.splitlines()[-1])["result"])

    def names(self):
        return [device["name"] for device in json.loads(self.chimera("devices", self.store, "--json"))]

    def import_disk(self, size):
        content = os.urandom(size)
        self.chimera("import", self.store, self.write_file("image", content), "disk")
        return content

    def send_and_kill(self, programs):
        server = self.serve()
        for program in programs:
            self.chimera("send", server.addresses[0], "-", text=program + "sync\n")
        server.kill_and_let_go(self.store)

    # A sound store.

    def test_of_a_sound_store_nothing_is_lost_and_nothing_changed(self):
        self.format()
        self.send_and_kill(['create device "d" ""\n'])
        self.assertEqual(self.list_losses(status=0)["waiting_records"], 1)
        self.assertIn("Nothing is damaged.", self.chimera("check", self.store, "--salvage", "--dry-run"))
        before = self.store.read_bytes()
        self.assertIn("No problem was found.", self.chimera("check", self.store, "--salvage"))
        self.assertEqual(self.store.read_bytes(), before)

    # What devices hold.

    def test_damaged_data_becomes_a_hole(self):
        self.format()
        content = self.import_disk(4 * MIB)
        slot = self.slots(self.slots(self.device("disk").roots[0])[1])[7]
        self.damage(slot.address)
        offset = MIB + 7 * BLOCK
        listed = self.salvage()
        self.assertEqual(listed["lost_ranges"], [{"device": "disk", "plane": "data", "offset": offset, "size": BLOCK,
                                                  "is_map": False, "is_readable": True, "block": slot.address}])
        self.assertEqual(self.read("disk", 0, 4 * MIB),
                         content[:offset] + bytes(BLOCK) + content[offset + BLOCK:])

    def test_the_verdict_says_that_something_is_lost(self):
        self.format()
        self.import_disk(4 * MIB)
        self.damage(self.slots(self.slots(self.device("disk").roots[0])[1])[7].address)
        self.assertRegex(self.chimera("check", self.store, "--salvage"),
                         r"(?m)^lost ranges +1$(\n.*)*\nSalvaged: what is listed is lost, and no other problem was found.$")
        self.assertIn("No problem was found.", self.chimera("check", self.store, "--salvage"))

    def test_a_damaged_map_becomes_a_hole(self):
        self.format()
        content = self.import_disk(4 * MIB)
        self.damage(self.slots(self.device("disk").roots[0])[2].address)
        [lost] = self.salvage()["lost_ranges"]
        self.assertEqual((lost["offset"], lost["size"], lost["is_map"]), (2 * MIB, MIB, True))
        self.assertEqual(self.read("disk", 0, 4 * MIB), content[:2 * MIB] + bytes(MIB) + content[3 * MIB:])

    def test_what_is_shared_is_lost_to_all_its_holders_and_stays_shared(self):
        self.format()
        content = self.import_disk(4 * MIB)
        self.chimera("run", self.store, "-", text='open device "disk"\nclone device "clone"\n'
                                                  'open device "clone"\nwrite bytes @0 "its own"\n')
        self.damage(self.slots(self.slots(self.device("disk").roots[0])[3])[0].address)
        listed = self.salvage()
        self.assertEqual([(lost["device"], lost["offset"]) for lost in listed["lost_ranges"]],
                         [("clone", 3 * MIB), ("disk", 3 * MIB)])
        for name, head in (("disk", content[:7]), ("clone", b"its own")):
            self.assertEqual(self.read(name, 0, 4 * MIB),
                             head + content[7:3 * MIB] + bytes(BLOCK) + content[3 * MIB + BLOCK:])
        # Deleting both needs each reference to be counted.
        self.chimera("run", self.store, "-", text='open device "clone"\ndelete device\nopen device "disk"\n'
                                                  'delete device\nopen device "afterwards"\ndelete device\nsync\n')
        self.import_disk(8 * MIB)
        self.assertIn("No problem was found.", self.chimera("check", self.store))

    # Tables.

    def test_tables_are_checked_and_an_index_is_made_anew(self):
        self.format()
        schema = self.write_file("t.schema", "relation t = struct { id: u32, name: string indexed } key (id)")
        rows = self.write_file("t.csv", "id,name\n" + "".join(f"{i},name {i}\n" for i in range(2000)))
        self.chimera("table", "create", self.store, "lab/main/t", schema)
        self.chimera("table", "insert", self.store, "lab/main/t", rows)
        self.damage(self.slots(self.device("lab/main/t:index/name").roots[0])[1].address)
        self.assertEqual([lost["device"] for lost in self.list_losses()["lost_ranges"]], ["lab/main/t:index/name"])
        said = self.fails("check", self.store, "--salvage")
        self.assertRegex(said, r'\n"lab/main/t, index name" is damaged: ')
        self.assertRegex(said, r"made anew by `chimera table index drop`(.*\n)*\d+ problems? w\w+ found\.\n$")
        self.assertIn("index drop", self.fails("check", self.store))
        said = json.loads(self.run_command("check", self.store, "--salvage", "--json").stdout)
        self.assertEqual((said["check"]["tables"], said["check"]["rows"]), (4, 2008))
        self.assertTrue(said["check"]["problems"])
        self.assertEqual(self.chimera("table", "export", self.store, "lab/main/t", "-"), rows.read_text())
        self.chimera("table", "index", "drop", self.store, "lab/main/t", "name")
        self.chimera("table", "index", "add", self.store, "lab/main/t", "name", "name")
        self.assertIn("No problem was found.", self.chimera("check", self.store))

    # The books.

    def test_reference_counts_are_counted_again(self):
        self.format()
        content = self.import_disk(4 * MIB)
        self.chimera("run", self.store, "-", text='open device "disk"\nclone device "clone"\n'
                                                  'open device "clone"\nwrite bytes @0 "its own"\n')
        for what in ("root", "leaf"):
            with self.subTest(what):
                root = self.reader().superblock.references
                leaf = next(slot for slot in self.slots(root) if slot is not None)
                self.damage((root if what == "root" else leaf).address)
                self.fails("check", self.store)
                listed = self.salvage()
                self.assertEqual(listed["lost_ranges"], [])
                self.assertEqual(listed["repairs"], ["the reference counts are damaged: they are counted again"])
                self.assertEqual(self.read("disk", 0, 4 * MIB), content)

    def test_the_free_space_map_is_made_again(self):
        self.format()
        content = self.import_disk(4 * MIB)
        reader = self.reader()
        self.damage(reader.home(0, 0, reader.groups[0].home))
        self.assertIn("the free-space map of group 0 is damaged", self.fails("check", self.store))
        self.assertIn("the free-space map of group 0 is damaged: it is made again", self.salvage()["repairs"])
        reader = self.reader()
        self.damage(reader.home(1, 0, reader.superblock.space.home))
        self.assertIn("the map of free space is damaged", self.fails("check", self.store))
        self.salvage()
        self.assertEqual(self.read("disk", 0, 4 * MIB), content)

    # The list of devices.

    def test_devices_of_a_damaged_page_are_lost(self):
        self.format()
        self.chimera("run", self.store, "-", text="".join(
            f'create device "d{n}" ""\nwrite bytes @0 "{n}"\n' for n in range(10)))
        reader = self.reader()
        index = next(slot for slot in self.slots(reader.superblock.manifest) if slot is not None)
        self.damage(self.slots(index)[0].address)
        self.assertIn("the list of devices is damaged", self.fails("check", self.store))
        listed = self.salvage()
        self.assertEqual((listed["devices"], listed["lost_devices_at_most"]), (2, 8))
        self.assertEqual(self.names(), ["afterwards", "d8", "d9"])

    def test_where_the_newest_list_is_gone_the_one_before_counts(self):
        self.format()
        self.chimera("run", self.store, "-", text='create device "first" ""\nwrite bytes @0 "one"\n')
        self.chimera("run", self.store, "-", text='create device "second" ""\nwrite bytes @0 "two"\n')
        self.damage(self.reader().superblock.manifest.address)
        self.fails("info", self.store)
        listed = self.salvage()
        self.assertTrue(any("the newest checkpoint has no list of devices" in line for line in listed["repairs"]))
        self.assertIn("first", self.names())
        self.assertEqual(self.read("first", 0, 3), b"one")

    # Superblocks.

    def test_superblocks(self):
        self.format()
        content = self.import_disk(MIB)
        for damaged in ([0], [1], [0, 1]):
            with self.subTest(damaged=damaged):
                newest = SUPERBLOCKS.index(self.reader().places[-1])
                for n in damaged:
                    self.damage(SUPERBLOCKS[n], offset=2000)
                if damaged == [0, 1]:
                    self.fails("check", self.store)
                else:
                    report = json.loads(self.run_command("check", self.store, "--json").stdout)
                    self.assertEqual(report["damaged_superblocks"], 1)
                listed = self.salvage()
                self.assertEqual(len([line for line in listed["repairs"] if "superblock" in line]), len(damaged))
                if newest not in damaged or damaged == [0, 1]:
                    self.assertEqual(self.read("disk", 0, MIB), content)
                self.store.unlink()
                self.format()
                self.chimera("import", self.store, self.folder / "image", "disk")

    def test_a_store_that_was_cut_off_keeps_what_is_there(self):
        self.format("64M")
        content = self.import_disk(40 * MIB)
        self.chimera("run", self.store, "-", text='create device "small" ""\nwrite bytes @0 "kept"\n')
        with open(self.store, "r+b") as file:
            file.truncate(32 * MIB)
        self.assertIn("cut short", self.fails("check", self.store))
        # Maps lie at the upper end, so what is kept may be little; none of it is wrong.
        done = self.run_command("check", self.store, "--salvage")
        if done.returncode == 0:
            self.assertIn("No problem was found.", self.chimera("check", self.store))
            if "disk" in self.names():
                found = self.read("disk", 0, 32 * MIB)
                for offset in range(0, 32 * MIB, BLOCK):
                    self.assertIn(found[offset:offset + BLOCK], (bytes(BLOCK), content[offset:offset + BLOCK]))
        else:
            self.assertIn("nothing is left", done.stderr.decode())

    # The journal.

    def test_a_damaged_journal_is_cut_off_at_its_damage(self):
        self.format()
        self.send_and_kill([f'create device "d{n}" ""\nwrite bytes @0 "{n}"\n' for n in range(6)])
        records = JournalReader(self.reader()).records
        self.damage(self.reader().superblock.journal[0] + records[3].block, offset=70)
        said = self.fails("info", self.store)
        self.assertIn("--salvage", said)
        text = self.fails("check", self.store, "--salvage", "--dry-run")
        first, last = records[3].sequence, records[-1].sequence
        self.assertIn(f"the journal is damaged at record {first}: records {first} to {last} are cut off\n", text)
        self.assertRegex(text, rf"(?m)^  record {last}: 4K$")
        self.assertIn("Nothing was changed.", text)
        listed = self.salvage()
        self.assertEqual(listed["waiting_records"], 3)
        self.assertEqual(listed["lost_records"], {"first": first, "last": last, "known": [
            {"sequence": record.sequence, "size": record.blocks * BLOCK} for record in records[4:]]})
        self.assertEqual(self.names(), ["afterwards", "d0", "d1", "d2"])
        self.assertEqual(self.read("d2", 0, 1), b"2")

    def test_a_damaged_block_that_a_record_names(self):
        self.format()
        # Fewer would stand in the record.
        blocks = self.write_file("blocks", os.urandom(6 * BLOCK))
        self.send_and_kill([f'create device "d" ""\nwrite bytes @0 file"{blocks}"\n',
                            'open device "d"\nwrite metadata @0 1\n'])
        place = self.store.read_bytes().rindex(blocks.read_bytes()[BLOCK:2 * BLOCK]) // BLOCK
        self.damage(place)
        self.assertRegex(self.fails("check", self.store), rf"at offset {BLOCK}: 4096 bytes do not match.*record \d+")
        [lost] = self.salvage()["lost_ranges"]
        self.assertEqual((lost["offset"], lost["size"], lost["block"]), (BLOCK, BLOCK, place))
        content = blocks.read_bytes()
        self.assertEqual(self.read("d", 0, 6 * BLOCK), content[:BLOCK] + bytes(BLOCK) + content[2 * BLOCK:])

    # What is left alone.

    def test_what_cannot_be_salvaged_is_left_as_it_is(self):
        self.format()
        newer = bytearray(self.store.read_bytes()[:BLOCK])
        newer[8] += 1
        newer[-4:] = struct.pack("<I", crc32c(newer[:-4]))
        with open(self.store, "r+b") as file:
            file.write(newer)
        self.write_file("text", b"not a store\n" * 1000)
        for name, reason in ((self.store, "newer version"), ("text", "no superblock")):
            before = (self.folder / name).read_bytes()
            self.assertRegex(self.fails("check", name, "--salvage"), reason)
            self.assertEqual((self.folder / name).read_bytes(), before)
        self.fails("check", self.store, "--dry-run", status=2)
        self.assertIn("memory", self.fails("check", ":memory:", "--salvage"))

    def test_of_a_server_only_the_file_can_be_salvaged(self):
        self.format()
        server = self.serve()
        self.assertIn("no server", self.fails("check", server.addresses[0], "--salvage"))
        self.assertRegex(self.fails("check", self.store, "--salvage"), re.escape("in use by"))


if __name__ == "__main__":
    unittest.main()
