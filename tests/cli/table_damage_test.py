#!/usr/bin/env python3
"""Damaged bytes of a real store below its tables: which rows are still read, which are named, and what is kept."""

import json
import random
import unittest

import table_test
from store_reader import BLOCK, StoreReader, parse_slots

TABLE = "a/b/c"
SCHEMA = """
relation c = struct {
  id: u32,
  n: u64 indexed,
  note: string nullable,
  long: string external,
} key (id)
"""
DATA, STATES = 0, 1  # planes
WIDTHS = {"id": 4, "n": 8, "note": 16, "long": 16}
COUNT = 1500


def note_of(i):
    return "" if i % 7 == 0 else f"a note of {i}: " + "x" * (i % 90)


class Damage(table_test.Tables):
    def make(self):
        self.format("64M")
        self.rows = [f"{i},{3 * i},{note_of(i)},long {i}\n" for i in range(COUNT)]
        self.table("create", self.store, TABLE, self.write_file("c.schema", SCHEMA))
        self.table("insert", self.store, TABLE, self.write_file("c.csv", "id,n,note,long\n" + "".join(self.rows)))

    def look(self):
        """What lies where; to be called before anything is damaged."""
        reader = StoreReader(self.store)
        self.addCleanup(reader.close)
        reader.load()
        self.reader = reader
        self.devices = {device.name: device for device in reader.devices}

    def address(self, name, block, plane=DATA):
        device = self.devices[name]
        slot = device.roots[plane]
        for level in reversed(range(device.heights[plane])):
            slot = parse_slots(self.reader.read_slot(slot))[block >> 8 * level & 255]
        return slot.address

    def damage(self, name, block, plane=DATA):
        with open(self.store, "r+b") as file:
            file.seek(self.address(name, block, plane) * BLOCK + 17)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 4]))

    def content_of(self, name):
        return self.reader.read_plane(self.devices[name], DATA, 0, self.devices[name].length)

    def notes_by_block(self):
        """Rows whose notes lie, also in part, in a block of the heap."""
        heap = self.content_of(f"{TABLE}:heap")
        found = {}
        for i in range(COUNT):
            if len(note_of(i)) <= 12:
                continue
            at = heap.index(note_of(i).encode())
            for block in {at // BLOCK, (at + len(note_of(i)) - 1) // BLOCK}:
                found.setdefault(block, set()).add(i)
        return found

    def expect(self, rows):
        return "id,n,note,long\n" + "".join(self.rows[i] for i in rows)

    def test_rows_before_a_damaged_one_are_kept_and_it_is_named(self):
        self.make()
        self.look()
        block, rows = sorted(self.notes_by_block().items())[5]
        self.damage(f"{TABLE}:heap", block)
        first = min(rows)
        self.assertGreater(first, 100)
        (self.folder / "out.csv").write_text("what was exported before")
        said = self.refused("export", self.store, TABLE, "out.csv", "--force")
        self.assertIn(f'{TABLE}, row {first} (id = {first}), column note: "{TABLE}:heap": Corrupt: ', said)
        self.assertIn(f"\n{first} rows are exported to {self.folder.resolve()}/out.csv.partial, and nothing of what follows.", said)
        self.assertIn("--skip-damaged", said)
        self.assertEqual((self.folder / "out.csv.partial").read_text(), self.expect(range(first)))
        self.assertEqual((self.folder / "out.csv").read_text(), "what was exported before")
        done = self.run_command("table", "scan", self.store, TABLE)
        self.assertEqual(done.stdout.decode(), self.expect(range(first)))
        self.assertIn(f"row {first} (id = {first}), column note", done.stderr.decode())
        self.assertEqual(done.returncode, 1)
        backwards = self.run_command("table", "scan", self.store, TABLE, "--index", "key", "--reverse")
        self.assertEqual(backwards.stdout.decode(), self.expect(range(COUNT - 1, max(rows), -1)))
        self.assertIn(f"row {max(rows)} (id", backwards.stderr.decode())

    def test_all_rows_but_the_damaged_are_exported_whatever_is_damaged(self):
        self.make()
        whole = self.store.read_bytes()
        self.look()
        notes = self.notes_by_block()
        for seed in range(8):
            with self.subTest(seed):
                random_ = random.Random(seed)
                self.store.write_bytes(whole)
                lost = {}
                for name in random_.sample(["id", "n", "note", "heap", "heap"], random_.randrange(1, 5)):
                    if name == "heap":
                        block = random_.choice(list(notes))
                        self.damage(f"{TABLE}:heap", block)
                        rows, column = notes[block], "note"
                    else:
                        width = WIDTHS[name]
                        block = random_.randrange((COUNT * width - 1) // BLOCK + 1)
                        self.damage(f"{TABLE}/{name}", block)
                        rows, column = range(block * BLOCK // width, min((block + 1) * BLOCK // width, COUNT)), name
                    for row in rows:
                        lost.setdefault(row, set()).add(column)
                kept = [i for i in range(COUNT) if i not in lost]
                said = self.table("export", self.store, TABLE, "out", "--skip-damaged", f"lost{seed}", "--force",
                                  *random_.choice([[], ["--snapshot"]]))
                left_out = f"{len(lost):,} rows left out, written down in lost{seed}"
                self.assertEqual(said, f"{TABLE}: {len(kept):,} rows exported, {left_out}.\n")
                self.assertEqual((self.folder / "out").read_text(), self.expect(kept))
                self.check_list(f"lost{seed}", lost, sorted(lost))
                if "id" in set().union(*lost.values()):
                    continue  # its key is that of the rows that are looked at too
                # By an index the rows are the same; what is not asked for does not matter.
                said = self.run_command("table", "scan", self.store, TABLE, "--index", "n", "--reverse", "--columns", "id,n",
                                        "--skip-damaged", f"again{seed}")
                lost = {row: {"n"} for row, columns in lost.items() if "n" in columns}
                self.assertEqual(said.stdout.decode(), "id,n\n" + "".join(
                    f"{i},{3 * i}\n" for i in reversed(range(COUNT)) if i not in lost))
                if lost:
                    self.check_list(f"again{seed}", lost, sorted(lost, reverse=True), ("id", "n"))

    def check_list(self, name, lost, order, columns=tuple(WIDTHS)):
        listed = [json.loads(line) for line in (self.folder / name).read_text().splitlines()]
        self.assertEqual([row["row"] for row in listed], order)
        for row in listed:
            i = row["row"]
            self.assertEqual(set(row["damaged"]), lost[i])
            self.assertNotIn("problem", row)
            values = {"id": i, "n": 3 * i, "note": note_of(i) or None, "long": f"long {i}"}
            self.assertEqual(row["values"], {column: values[column] for column in columns if column not in lost[i]})

    def test_of_a_column_what_can_be_read_is_kept(self):
        self.make()
        self.look()
        block, rows = sorted(self.notes_by_block().items())[5]
        self.damage(f"{TABLE}:heap", block)
        first = min(rows)
        lines = [json.dumps(note_of(i) or None) + "\n" for i in range(COUNT)]
        said = self.refused("column", "get", self.store, TABLE, "note", "notes.jsonl")
        self.assertIn(f"{TABLE}, row {first} (id = {first}), column note: ", said)
        self.assertIn(f"\n{first} rows are exported to notes.jsonl.partial, and nothing of what", said)
        self.assertEqual((self.folder / "notes.jsonl.partial").read_text(), "".join(lines[:first]))
        self.assertFalse((self.folder / "notes.jsonl").exists())
        said = self.table("column", "get", self.store, TABLE, "note", "notes.jsonl", "--skip-damaged", "lost")
        self.assertEqual(said, f"{TABLE}: {COUNT - len(rows):,} values of column note, {len(rows)} rows left out, written down in lost.\n")
        self.assertEqual((self.folder / "notes.jsonl").read_text(), "".join(lines[i] for i in range(COUNT) if i not in rows))
        self.check_list("lost", {row: {"note"} for row in rows}, sorted(rows), ("id", "note"))

    def test_a_condition_that_cannot_be_told_leaves_a_row_out(self):
        self.make()
        self.look()
        self.damage(f"{TABLE}/n", 1)
        server = self.serve()
        for target in (server.addresses[0], self.store):
            said = self.table("export", target, TABLE, "out", "--where", "n >= 30 and id < 1100", "--force",
                              "--skip-damaged", "lost")
            self.assertEqual((self.folder / "out").read_text(),
                             self.expect(i for i in range(10, 1100) if not 512 <= i < 1024))
            self.assertIn("578 rows exported, 512 rows left out", said)
            self.assertIn("exists", self.refused("export", target, TABLE, "out", "--skip-damaged", "lost", "--force"))
            self.assertIn("both", self.refused("export", target, TABLE, "both", "--skip-damaged", "both"))
            (self.folder / "lost").unlink()
            server.stop()

    def listed(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def test_rows_that_cannot_be_changed_end_it_or_are_left_as_they_are(self):
        self.make()
        self.look()
        self.damage(f"{TABLE}/n", 1)
        update = ("update", self.store, TABLE, "--where", "n >= 30", "--set", "long=new")
        said = self.refused(*update)
        self.assertIn(f'{TABLE}, row 512 (id = 512), column n: Corrupt: ', said)
        self.assertIn("\nUp to then 502 rows have been updated, and stay so.\n--skip-damaged FILE ", said)
        self.assertEqual(self.table(*update, "--skip-damaged", "lost"),
                         f"{TABLE}: 978 rows updated, 512 rows left out, written down in lost.\n")
        self.assertEqual([row["row"] for row in self.listed("lost")], list(range(512, 1024)))
        self.assertEqual(self.listed("lost")[0]["values"], {"id": 512, "note": note_of(512), "long": "long 512"})
        self.assertEqual(set(self.listed("lost")[0]["damaged"]), {"n"})
        self.assertIn("exists", self.refused(*update, "--skip-damaged", "lost"))
        self.assertEqual(self.table("scan", self.store, TABLE, "--columns", "long"), "long\n" + "".join(
            f"long {i}\n" if i < 10 or 512 <= i < 1024 else "new\n" for i in range(COUNT)))
        # The condition can be told, and what has to go from the index not.
        delete = ("delete", self.store, TABLE, "--where", "id < 1100", "--json")
        said = self.refused(*delete)
        self.assertIn("row 512 (id = 512), column n: ", said)
        self.assertIn("\nUp to then 512 rows have been deleted, and stay so.\n", said)
        self.assertEqual(json.loads(self.table(*delete, "--skip-damaged", "stay")), {"rows": 76, "left_out": 512})
        self.assertEqual(self.listed("stay")[:1] + self.listed("stay")[-1:],
                         self.listed("lost")[:1] + self.listed("lost")[-1:])
        self.assertEqual(self.table("count", self.store, TABLE), f"{COUNT - 588}\n")
        self.fails("table", "delete", self.store, TABLE, "7", "--skip-damaged", "other", status=2)

    def test_rows_whose_place_in_an_index_is_damaged_stay_when_others_go(self):
        self.make()
        self.look()
        self.damage(f"{TABLE}:index/n", 2)
        server = self.serve()
        said = self.table("delete", server.addresses[0], TABLE, "--where", "id >= 0", "--skip-damaged", "stay")
        stay = self.listed("stay")
        self.assertIn(f"{COUNT - len(stay):,} rows deleted, {len(stay)} rows left out", said)
        self.assertIn(len(stay), range(100, COUNT - 500))
        self.assertTrue(all(f'"{TABLE}:index/n": Corrupt: ' in row["problem"] for row in stay))
        self.assertEqual(self.table("scan", server.addresses[0], TABLE, "--columns", "id"),
                         "id\n" + "".join(f'{row["values"]["id"]}\n' for row in stay))

    def test_damaged_indexes_do_not_matter_where_rows_are_read_as_they_lie(self):
        self.make()
        self.look()
        for name in ("key", "index/n"):
            device = f"{TABLE}:{name}"
            for block in range(1, self.devices[device].length // BLOCK):
                self.damage(device, block)
        self.table("export", self.store, TABLE, "out")
        self.assertEqual((self.folder / "out").read_text(), self.expect(range(COUNT)))
        said = self.refused("export", self.store, TABLE, "some", "--where", "n < 300")
        self.assertIn(f'"{TABLE}:index/n"', said)
        self.assertIn("0 rows are exported to", said)
        self.table("export", self.store, TABLE, "some", "--where", "n < 300", "--skip-damaged", "lost")
        self.assertEqual((self.folder / "some").read_text(), self.expect(range(100)))
        self.assertFalse((self.folder / "lost").exists())
        said = self.refused("scan", self.store, TABLE, "--index", "key", "--skip-damaged", "lost")
        self.assertIn(f'"{TABLE}:key"', said)
        self.assertIn("No row behind that can be found.", said)

    def test_by_a_damaged_index_all_rows_before_the_damage_are_given(self):
        self.make()
        whole = self.store.read_bytes()
        self.look()
        ends = []
        for block in range(1, self.devices[f"{TABLE}:key"].length // BLOCK):
            self.store.write_bytes(whole)
            self.damage(f"{TABLE}:key", block)
            done = self.run_command("table", "scan", self.store, TABLE, "--index", "key")
            self.assertIn(f'"{TABLE}:key"', done.stderr.decode())
            ends.append(done.stdout.decode().count("\n") - 1)
            self.assertEqual(done.stdout.decode(), self.expect(range(ends[-1])))
        self.assertGreater(len(set(ends)), 3)

    def test_values_are_read_without_the_header_of_their_heap(self):
        self.make()
        for piece in range(3):
            self.chimera("blob", "append", self.store, TABLE, "9", "-", "--column", "long", data=b"abc" * (100 << piece))
        self.rows[9] = f"9,27,{note_of(9)},long 9{'abc' * 700}\n"
        self.look()
        for heap in ("heap", "external/long"):
            self.damage(f"{TABLE}:{heap}", 0)
        self.table("export", self.store, TABLE, "out")
        self.assertEqual((self.folder / "out").read_text(), self.expect(range(COUNT)))
        self.assertIn(":heap", self.refused("update", self.store, TABLE, "3", "--set", "note=" + 50 * "x"))
        self.table("scan", self.store, TABLE)

    def test_where_nobody_can_tell_which_rows_there_are_they_are_written_down(self):
        self.make()
        self.table("delete", self.store, TABLE, "--where", "id >= 20 and id < 30")
        self.look()
        self.damage(TABLE, 0, STATES)
        said = self.refused("export", self.store, TABLE, "out")
        self.assertIn(f"{TABLE}, row 0 (id = 0): Whether it is there cannot be read. Corrupt: ", said)
        self.assertIn("0 rows exported, 1,500 rows left out",
                      self.table("export", self.store, TABLE, "out", "--skip-damaged", "lost"))
        listed = [json.loads(line) for line in (self.folder / "lost").read_text().splitlines()]
        self.assertEqual([row["row"] for row in listed], list(range(COUNT)))
        self.assertEqual(listed[40]["values"], {"id": 40, "n": 120, "note": note_of(40), "long": "long 40"})
        self.assertEqual(listed[40]["damaged"], {})
        self.assertIn("cannot be read", listed[40]["problem"])

    def test_rows_that_are_not_there_are_not_missed(self):
        self.make()
        self.table("delete", self.store, TABLE, "--where", "id >= 512 and id < 1024")
        self.look()
        self.damage(f"{TABLE}/n", 1)
        self.assertEqual(self.table("export", self.store, TABLE, "out"), f"{TABLE}: 988 rows exported.\n")
        self.assertEqual((self.folder / "out").read_text(),
                         self.expect(i for i in range(COUNT) if not 512 <= i < 1024))

    def test_a_table_with_a_damaged_header_says_so(self):
        self.make()
        self.look()
        self.damage(TABLE, 0)
        said = self.refused("export", self.store, TABLE, "out", "--skip-damaged", "lost")
        self.assertIn(f'"{TABLE}": Corrupt: ', said)
        self.assertFalse((self.folder / "out.partial").exists())


if __name__ == "__main__":
    unittest.main()
