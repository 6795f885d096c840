#!/usr/bin/env python3
"""What a writer that was killed leaves in the journal.

The same is asked of docs/store-format.md (by readers that share no code with the program), of `chimera journal`, and of
the store when it has been opened again.
"""

import hashlib
import json
import random
import shutil
import struct
import threading
import unittest
import uuid

import golden_store
import journal_reader
from harness import ChimeraTest, create_device, open_device, wait_until, write_bytes_at
from journal_reader import DamagedJournal, JournalReader
from store_reader import BLOCK, StoreReader, crc32c

HEAD = "".join(f".device {name} 00000000-0000-4000-8000-00000000000{n}\n"
               for n, name in enumerate(("before", "disk", "doomed", "copy", "grows")))

SETUP = """
create device before "before" "kept text"
write bytes @0 "what stood there before"
write bytes @1M "and further on"
create device doomed "doomed" "gone soon"
write bytes @0 "for ever?"
"""

COLUMNS = "id u64, " * 600
# Each is made durable by a sync of its own. `{blocks}` is a file of five blocks and a bit.
WORK = ["""
create device disk "disk" "" "size=100000"
write bytes @100 "a piece of a block"
write bytes @4000 file"{blocks}"
swap bytes disk @90000 "swapped"
write metadata disk @5 7
write metadata bytes disk @4090 "over a boundary"
""", """
clone device before "branch"
write bytes before @0 "changed after the clone"
append bytes before "appended"
write columns before "{columns}"
write columns disk "not much"
create device grows "grows" ""
write bytes @10000 file"{blocks}"
write length grows @20000
""", """
clear extents disk @4200 #8000
clear metadata disk @4092 #3
copy bytes before @1 grows @5 #200
rename device doomed "renamed"
protect device disk 1
create device copy "copy" ""
write bytes @0 "a life in one record"
delete device copy
""", """
delete device doomed
write bytes before @0 "the end"
"""]


class Journal(ChimeraTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.blocks = self.write_file("blocks", random.Random(1).randbytes(5 * BLOCK + 100))
        self.format()

    def send_and_kill(self, programs, unflushed=""):
        """A server makes each of these durable, and is killed while the last one is not."""
        server = self.serve()
        for program in programs:
            text = HEAD + program.format(blocks=self.blocks, columns=COLUMNS) + "sync\n"
            self.chimera("send", server.addresses[0], "-", text=text)
        if unflushed:
            self.chimera("send", server.addresses[0], "-", text=HEAD + unflushed)
        server.kill_and_let_go(self.store)

    def read(self, store=None):
        reader = StoreReader(store or self.store)
        self.addCleanup(reader.close)
        reader.load()
        return reader

    def journal(self, *options):
        return json.loads(self.chimera("journal", self.store, "--json", *options))

    def expected_devices(self):
        """What the store has to hold, by its last checkpoint and its journal."""
        reader = self.read()
        devices = journal_reader.contents(reader)
        for record in JournalReader(reader).records:
            journal_reader.replay(reader, devices, record)
        return {number: content for number, content in devices.items() if isinstance(number, bytes)}

    def shapes(self, devices):
        return sorted((content.name, str(uuid.UUID(bytes=number)), content.length, content.fixed, content.read_only,
                       content.columns_length) for number, content in devices.items())

    def described_shapes(self):
        keys = ("name", "uuid", "length", "fixed_length", "read_only", "columns_length")
        described = json.loads(self.chimera("devices", self.store, "--json"))
        return sorted(tuple(device[key] for key in keys) for device in described)

    def said_content(self, devices):
        """Digest of the data, the metadata's beginning and the columns' digest, as the program answers them."""
        program = "".join(f".device d{n} {uuid.UUID(bytes=number)}\nread digest d{n} @0 #{content.length}\n"
                          f"read metadata bytes d{n} @0 #8192\nread columns d{n}\n"
                          for n, (number, content) in enumerate(sorted(devices.items())))
        return golden_store.results(self.chimera("run", self.store, "-", "--json", text=program))

    def expected_content(self, devices):
        found = []
        for _, content in sorted(devices.items()):
            found.append(hashlib.sha256(content.read(journal_reader.DATA, 0, content.length)).hexdigest())
            found.append(content.read(journal_reader.METADATA, 0, 8192).hex())
            found.append(content.read(journal_reader.COLUMNS, 0, content.columns_length).decode(errors="replace"))
        return found

    def verify_reopening(self):
        """The store holds what checkpoint and journal say, when it is only read, when it has been written to, and
        when all of it has become part of a checkpoint."""
        devices = self.expected_devices()
        self.assertEqual(self.described_shapes(), self.shapes(devices))
        self.assertEqual(self.said_content(devices), self.expected_content(devices))
        self.assertEqual(self.described_shapes(), self.shapes(devices))
        reader = self.read()
        self.assertEqual(JournalReader(reader).records, [])
        settled = journal_reader.contents(reader)
        self.assertEqual(self.shapes(settled), self.shapes(devices))
        self.assertEqual(self.expected_content(settled), self.expected_content(devices))
        self.assertIn("No problem", self.chimera("check", self.store))

    def test_all_kinds_of_records(self):
        self.chimera("run", self.store, "-", text=HEAD + SETUP)
        self.send_and_kill(WORK, unflushed='write bytes before @0 "never durable"\n')
        records = JournalReader(self.read()).records
        self.assertEqual(len(records), len(WORK))
        kinds = {opcode for record in records for opcode, _ in journal_reader.instructions(record.instructions)}
        self.assertEqual(kinds, {0x90, 0xE8, 0xD0, 0xB8, 0x71, 0x73, (0x7F, 0x21), (0x7F, 0x40), (0x7F, 0x41),
                                 (0x7F, 0x43), (0x7F, 0x80), (0x7F, 0x81), (0x7F, 0x82), (0x7F, 0x83)})
        self.verify_reopening()

    def test_roll_back_and_copies_that_share(self):
        self.chimera("run", self.store, "-", text=HEAD + SETUP + 'clone device before "branch"\nclone device before "twig"\n')
        devices = json.loads(self.chimera("devices", self.store, "--json"))
        branch, twig = (next(device["uuid"] for device in devices if device["name"] == name)
                        for name in ("branch", "twig"))
        shared = f'write bytes before @0 file"{self.blocks}"\ncopy bytes before @0 {branch} @8K #16K\n'
        self.send_and_kill([f'write bytes {branch} @0 "of the branch"\nroll back device before {branch}\n',
                            shared + 'write bytes before @0 "parted"\n',
                            f'write length before @7M\ncopy bytes before @0 {branch} @1M #6M\n'
                            'write bytes before @1M "behind the copy"\n',
                            f'begin\nroll back device before {twig}\nroll back device {twig} {branch}\ncommit\n'])
        kinds = {opcode for record in JournalReader(self.read()).records
                 for opcode, _ in journal_reader.instructions(record.instructions)}
        self.assertLessEqual({(0x7F, 0x42), (0x7F, 0x85), (0x7F, 0x86), (0x7F, 0x87), 0xFC}, kinds)
        self.verify_reopening()

    def test_a_record_that_goes_on_at_the_start_of_the_ring(self):
        self.chimera("format", self.store, "--journal", "2M")
        # 50 blocks each. With the 6th the ring is more than half full, so that a checkpoint begins; the 11th is the
        # one that goes over the end.
        piece = self.write_file("piece", bytes(range(250)) * 16)
        pieces = "".join(f'write bytes grows @{n * 8192 + 1} file"{piece}"\n' for n in range(50))
        self.send_and_kill(['create device grows "grows" ""\n' + pieces] + 10 * [pieces])
        reader = JournalReader(self.read())
        self.assertTrue(any(record.block // reader.count != (record.block + record.blocks - 1) // reader.count
                            for record in reader.records))
        self.assertEqual([record["sequence"] for record in self.journal()["records"]],
                         [record.sequence for record in reader.records])
        self.verify_reopening()

    COMMITS = 400
    PLACES = 50

    def commit(self, number):
        """A count, a block that it tells, and a flush."""
        block = struct.pack("<Q", number) * (BLOCK // 8)
        return (write_bytes_at(100, struct.pack("<Q", number)) +
                write_bytes_at((1 + number % self.PLACES) * BLOCK, block) + b"\xcc")

    def commit_until_killed(self, first, count):
        """Commits without a pause, from `first` on; the server is killed when `count` of them are durable."""
        server = self.serve()
        connection = self.connect(server.addresses[0])
        connection.send(open_device("d"))
        self.assertEqual(connection.answer(16)[0], 0)

        def send():
            try:
                connection.send(b"".join(self.commit(first + n) for n in range(self.COMMITS)))
            except OSError:
                pass  # killed

        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(3 * count):
            self.assertEqual(connection.answer()[0], 0)
        server.kill_and_let_go(self.store)
        sender.join()

    def test_killed_at_any_moment_of_a_load(self):
        self.chimera("format", self.store, "--journal", "2M")
        self.chimera("run", self.store, "-", text='create device "d" ""\n')
        done, choice = 0, random.Random(4)
        for turn in range(6):
            with self.subTest(turn):
                durable = choice.randrange(1, self.COMMITS)
                self.commit_until_killed(done + 1, durable)
                [device] = self.expected_devices().values()
                found, = struct.unpack("<Q", device.read(journal_reader.DATA, 100, 8))
                self.assertGreaterEqual(found, done + durable)
                # The block of the last count may not have been written yet; that of the next one certainly not.
                for number in range(max(found - self.PLACES + 1, 1), found):
                    block = device.read(journal_reader.DATA, (1 + number % self.PLACES) * BLOCK, BLOCK)
                    self.assertEqual(block, struct.pack("<Q", number) * (BLOCK // 8))
                self.verify_reopening()
                done = found

    # The command.

    def test_the_command_tells_the_same_as_the_document(self):
        self.chimera("run", self.store, "-", text=HEAD + SETUP)
        self.send_and_kill(WORK)
        before = hashlib.sha256(self.store.read_bytes()).hexdigest()
        reader = self.read()
        journal, said = JournalReader(reader), self.journal()
        self.assertEqual(said["journal"], {"size": journal.count * BLOCK,
                                           "used": sum(record.blocks for record in journal.records) * BLOCK})
        self.assertEqual(said["checkpoint"]["generation"], reader.superblock.generation)
        self.assertEqual(said["record_count"], len(journal.records))
        for record, told in zip(journal.records, said["records"], strict=True):
            self.assertEqual((told["sequence"], told["offset"], told["size"], told["instruction_bytes"]),
                             (record.sequence, journal.place(record.block) * BLOCK, record.blocks * BLOCK,
                              len(record.instructions)))
            self.assertEqual(told["instruction_count"], len(journal_reader.instructions(record.instructions)))
            text = "".join(line["instruction"] + "\n" for line in told["instructions"])
            self.assertEqual(self.assembled(text), record.instructions)
        # The text as it is printed assembles too, remarks and all.
        text = self.chimera("journal", self.store)
        self.assertEqual(self.assembled(text), b"".join(record.instructions for record in journal.records))
        self.assertEqual(hashlib.sha256(self.store.read_bytes()).hexdigest(), before)
        self.assertEqual(json.loads(self.chimera("info", self.store, "--json"))["journal"]["used"],
                         said["journal"]["used"])
        report = json.loads(self.chimera("check", self.store, "--json"))
        self.assertEqual(report["journal_records"], len(journal.records))
        self.assertIn("They are run when the store is opened", self.chimera("check", self.store))
        self.assertRegex(self.chimera("check", self.store), rf"(?m)^waiting records +{len(journal.records)}$")

    def assembled(self, text):
        self.chimera("asm", "-", "-o", "assembled", text=text)
        return (self.folder / "assembled").read_bytes()

    def test_the_command_says_in_words_what_the_journals_own_records_are(self):
        self.chimera("run", self.store, "-", text=HEAD + SETUP)
        self.send_and_kill(WORK)
        text = self.chimera("journal", self.store)
        branch = next(device["uuid"] for device in json.loads(self.chimera("devices", self.store, "--json"))
                      if device["name"] == "branch")
        self.assertRegex(text, r'(?m)^; 5 blocks of data of "disk": 1-5$\njournal record 0x80 hex"')
        self.assertRegex(text, r'(?m)^; 1 block of columns of "before": 0$\njournal record 0x80 ')
        self.assertRegex(text, r'(?m); 8 bytes of columns of "disk", at offset 0$')
        self.assertRegex(text, rf'(?m)^; clone of "before": "branch", {branch}$\njournal record 0x81 ')
        self.assertRegex(text, r'(?m)^; length of "grows": 20,000, of its columns: 0$\njournal record 0x83 ')
        self.assertRegex(text, r'(?m)^rename device \S+2 "renamed"  ; "doomed"$')
        self.assertRegex(text, r'(?m)^delete device by force \S+2  ; "renamed"$')

    def test_how_much_the_command_prints(self):
        self.send_and_kill([f'create device "d{n}" ""\n' for n in range(5)])
        text = self.chimera("journal", self.store, "--summary")
        self.assertEqual(text.count("\n; record "), 5)
        self.assertNotIn("create device", text)
        text = self.chimera("journal", self.store, "--records", "2")
        self.assertIn("; 5 records, 20K, will be run when the store is opened; these are the last 2\n", text)
        self.assertNotIn('"d2"', text)
        self.assertIn('"d3"', text)
        self.assertIn('"d4"', text)
        said = self.journal("--records", "1", "--summary")
        self.assertEqual((said["record_count"], len(said["records"])), (5, 1))
        self.assertEqual(said["records"][0]["sequence"], JournalReader(self.read()).records[-1].sequence)
        self.assertNotIn("instructions", said["records"][0])
        self.assertEqual(len(self.journal("--records", "9")["records"]), 5)
        # A device's name may come from a record that is left out.
        self.send_and_kill(['create device before "a name" ""\n', 'write bytes before @0 "x"\n'])
        self.assertRegex(self.chimera("journal", self.store, "-n1"), r'(?m)^write bytes .* "x"  ; "a name"$')

    def test_after_an_orderly_end_no_record_is_left(self):
        self.chimera("run", self.store, "-", text=HEAD + SETUP)
        self.assertIn("; no record waits: the checkpoint holds everything\n", self.chimera("journal", self.store))
        self.assertEqual(self.journal()["records"], [])
        self.assertRegex(self.chimera("check", self.store), r"(?m)^waiting records +0$")

    def test_a_store_without_a_journal(self):
        self.chimera("format", self.store, "--journal", "0")
        self.assertIn("has no journal", self.chimera("journal", self.store))
        self.assertIsNone(self.journal()["journal"])
        self.assertIsNone(json.loads(self.chimera("info", self.store, "--json"))["journal"])
        self.assertRegex(self.chimera("info", self.store), r"(?m)^journal +none$")
        server = self.serve()
        self.assertIn("has no journal", self.chimera("journal", server.addresses[0]))
        self.assertIn("no journal", self.fails("journal", ":memory:"))

    def test_of_a_server_the_state_is_told(self):
        server = self.serve()
        for name in ("one", "two"):
            self.chimera("send", server.addresses[0], "-", text=f'create device "{name}" ""\nsync\n')
        said = json.loads(self.chimera("journal", server.addresses[0], "--json"))
        journal = said["journal"]
        self.assertEqual((journal["size"], journal["used"], journal["last"], journal["durable"], said["records"]),
                         (4 << 20, 2 * BLOCK, 3, 3, None))
        text = self.chimera("journal", server.addresses[0])
        self.assertIn(": a journal of 4M, 8K of it in use, behind checkpoint 2\n", text)
        self.assertIn("record 3 is the last one; up to 3 they are durable\n", text)
        self.assertIn("only from the store", text)
        info = self.chimera("info", server.addresses[0])
        self.assertRegex(info, r"(?m)^journal used +8,192 \(8K\)$")
        self.assertRegex(info, r"(?m)^last record of the journal +3$")
        self.assertRegex(info, r"(?m)^records are durable up to +3$")
        self.assertIn("in use by", self.fails("journal", self.store))

    def test_a_checkpoint_makes_records_durable_too(self):
        self.chimera("format", self.store, "--journal", "2M")
        server = self.serve()
        connection = self.connect(server.addresses[0])
        connection.send(create_device("d"))
        connection.answer(16)

        def write_until(reached, count):
            """Nobody asks for a flush; records are written when there is enough for one."""
            for number in range(count):
                connection.send(write_bytes_at(number * 2 * BLOCK + 1, bytes(4000)))
                self.assertEqual(connection.answer()[0], 0)
            said = lambda: json.loads(self.chimera("info", server.addresses[0], "--json"))  # noqa: E731
            return wait_until(lambda: reached(found := said()) and found, "the journal to get there")["journal"]

        start = json.loads(self.chimera("info", server.addresses[0], "--json"))["journal"]
        before = write_until(lambda said: said["checkpoint"]["since_open"] > 0, 300)
        self.assertGreater(before["durable"], start["durable"])
        after = write_until(lambda said: said["journal"]["last"] > before["last"], 100)
        self.assertGreater(after["used"], 0)

    # Damage.

    def damaged(self, offset):
        """A copy of the store with one bit wrong."""
        copy = self.folder / "damaged.img"
        shutil.copyfile(self.store, copy)
        with open(copy, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))
        return copy

    def test_damage_is_refused_where_something_says_that_it_was_durable(self):
        self.send_and_kill([f'create device "d{n}" ""\n' for n in range(4)])
        journal = JournalReader(self.read())
        last = journal.records[-1].sequence
        self.assertEqual([record.durable for record in journal.records], [last - 4, last - 3, last - 2, last - 1])
        for record in journal.records:
            for byte in (8, 24, 52, 60, 66):  # sequence, epoch, checksums, an instruction
                with self.subTest(record=record.sequence, byte=byte):
                    copy = self.damaged(journal.place(record.block) * BLOCK + byte)
                    if record is not journal.records[-1]:
                        with self.assertRaises(DamagedJournal):
                            JournalReader(self.read(copy))
                        for command in ("journal", "devices", "check"):
                            said = self.fails(command, copy)
                            self.assertIn(f"the journal is damaged at record {record.sequence}, and records up to {last - 1}",
                                          said)
                        # The state of the last checkpoint, in which there were none.
                        found = json.loads(self.chimera("devices", copy, "--json", "--without-journal"))
                        self.assertEqual(found, [])
                        continue
                    # Nothing tells the last one from a write that was torn by the crash.
                    self.assertEqual(JournalReader(self.read(copy)).records, journal.records[:-1])
                    said = json.loads(self.chimera("journal", copy, "--json"))
                    self.assertEqual(said["record_count"], 3)
                    self.assertEqual(len(json.loads(self.chimera("devices", copy, "--json"))), 3)

    def test_a_state_from_the_midst_of_a_replay_says_so_when_it_is_looked_at_without_the_journal(self):
        self.send_and_kill(['create device "a" ""\ncreate device "b" ""\n'])
        reader = self.read()
        [record] = JournalReader(reader).records
        opcode, operands = journal_reader.instructions(record.instructions)[0]
        superblock = bytearray(reader.read(reader.places[-1]))
        for done in (0, 1 + len(operands)):
            superblock[121] = 1
            superblock[152:160] = struct.pack("<Q", done)
            superblock[4092:] = struct.pack("<I", crc32c(bytes(superblock[:4092])))
            copy = self.folder / "amid.img"
            shutil.copyfile(self.store, copy)
            with open(copy, "r+b") as file:
                file.seek(reader.places[-1] * BLOCK)
                file.write(superblock)
            looked_at = self.run_command("devices", copy, "--without-journal")
            self.assertEqual(looked_at.returncode, 0, looked_at.stderr)
            self.assertEqual(f"Of record {record.sequence}, " in looked_at.stderr.decode(), done > 0)

    def test_the_last_record_does_not_count_without_its_data(self):
        self.send_and_kill(['create device grows "d" ""\n', f'write bytes grows @0 file"{self.blocks}"\n'])
        records = JournalReader(self.read()).records
        [slot] = {slot for opcode, operands in journal_reader.instructions(records[-1].instructions)
                  if opcode == (0x7F, 0x80) for index, slot in journal_reader.placed_blocks(operands)[2] if index == 2}
        copy = self.damaged(slot.address * BLOCK + 77)
        self.assertEqual(JournalReader(self.read(copy)).records, records[:-1])
        self.assertEqual(json.loads(self.chimera("journal", copy, "--json"))["record_count"], 1)
        self.assertEqual(json.loads(self.chimera("devices", copy, "--json"))[0]["length"], 0)


if __name__ == "__main__":
    unittest.main()
