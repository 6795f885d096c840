#!/usr/bin/env python3
"""chimera table index and column: what tables with rows get and lose, on a store and against a server."""

import json
import re
import unittest

import table_test


class Shape(table_test.Tables):
    def test_indexes_come_and_go(self):
        for label, target in self.targets():
            with self.subTest(label):
                books = self.make_books(target, "id,title,price\n1,Emma,9.5\n2,Ulysses,\n3,Dracula,9.5\n")
                before = self.chimera("devices", target)
                self.assertEqual(self.refused("index", "add", target, books, "price", "--unique"),
                                 f"chimera: (price = 9.5) is there twice in {books}, so the index price cannot be unique: "
                                 "in row (id = 1) and in row (id = 3).\n")
                self.assertEqual(self.chimera("devices", target), before)
                self.assertIn("create device", self.table("index", "add", target, books, "price", "--explain"))
                self.assertEqual(self.chimera("devices", target), before)
                self.assertEqual(self.table("index", "add", target, books, "by_both", "price,title", "--unique"),
                                 f"{books}: index by_both added.\n")
                self.assertEqual(self.table("scan", target, books, "--index", "by_both", "--columns", "id"),
                                 "id\n2\n3\n1\n")
                self.assertIn("by_both (price, title)", self.table("describe", target, books))
                self.sound(target)
                self.table("index", "drop", target, books, "by_both")
                self.assertEqual(self.chimera("devices", target), before)
                self.assertIn("has no index by_both", self.refused("index", "drop", target, books, "by_both"))

    def test_columns_are_added_to_relations_in_modules(self):
        self.format()
        schema = self.write_file("shop.schema", "module shop { type Money = struct { cents: i64 }\n"
                                 "relation added_ = struct { at: datetime, paid: Money nullable } append by at }")
        self.table("create", self.store, "shop/main/added", schema)
        for column in ("left: Money nullable", "more: shop.Money nullable", "n: u8 nullable"):
            self.table("column", "add", self.store, "shop/main/added", column)
        self.table("insert", self.store, "shop/main/added", self.write_file(
            "added.csv", 'at,left,n\n2024-01-02,"{""cents"":5}",7\n'))
        self.assertIn('2024-01-02T00:00:00Z,,"{""cents"":5}",,7', self.table("scan", self.store, "shop/main/added"))
        self.assertEqual(self.table("aggregate", self.store, "shop/main/added", "left"), "rows      1\nvalues    1\n")
        self.assertIn("there is no type Mony", self.refused("column", "add", self.store, "shop/main/added", "o: Mony"))
        self.assertIn("as a schema does", self.refused("column", "add", self.store, "shop/main/added",
                                                       "a: u8 nullable, b: u8 nullable"))
        early = self.write_file("early.csv", "at\n2024-01-03\n2024-01-01\n")
        self.assertIn("early.csv:3:1: at 2024-01-01T00:00:00Z is before the last row's 2024-01-03T00:00:00Z",
                      self.refused("insert", self.store, "shop/main/added", early))

    def test_what_a_crash_left_of_a_column_is_counted_and_goes_with_the_table(self):
        self.format("256M")
        books = self.make_books(self.store, "id,title,price\n1,Emma,9.5\n")
        self.assertNotIn("unfinished columns", self.chimera("check", self.store))
        self.chimera("run", self.store, "-", text=f'create device "{books}:filling/0123"\n')
        self.assertRegex(self.chimera("check", self.store), r"unfinished columns +1\nNo problem was found")
        self.assertEqual(json.loads(self.chimera("check", self.store, "--json"))["unfinished_columns"], 1)
        self.table("drop", self.store, books)
        self.assertNotIn(books, self.chimera("devices", self.store))

    def test_what_is_left_of_tables_that_have_gone_is_counted_and_said_how_it_goes(self):
        self.format()
        for name in ("a/b/c:filling/0123", "a/b/c:stage/0123456789abcdef", "mine:stage/left", ":moment/01234567/a/b/c"):
            self.chimera("run", self.store, "-", text=f'create device "{name}"\n')
        said = self.chimera("check", self.store)
        self.assertNotIn("rows  ", said)
        self.assertRegex(said, r"devices of no table +2\n.*`chimera delete`")
        self.assertRegex(said, r"clones of scans +1\n.* --snapshot, of any table, deletes")
        books = self.make_books(self.store)
        self.chimera("run", self.store, "-", text=f'create device "{books}:filling/0123"\n')
        report = json.loads(self.chimera("check", self.store, "--json"))
        self.assertEqual((report["devices_of_no_table"], report["unfinished_columns"]), (2, 1))
        self.table("export", self.store, books, "-", "--snapshot")
        self.chimera("run", self.store, "-", text='open device "a/b/c:filling/0123"\ndelete device\n'
                                                  'open device "a/b/c:stage/0123456789abcdef"\ndelete device\n')
        said = self.chimera("check", self.store)
        self.assertNotIn("devices of no table", said)
        self.assertNotIn("clones of scans", said)

    def test_databases_and_namespaces_are_dropped_empty_or_with_all_that_is_in_them(self):
        for label, target in self.targets():
            with self.subTest(label):
                books = self.make_books(target)
                for name in ("lib/main/two", "lib/old/three", "shop/main/four"):
                    self.table("create", target, name, "books.schema")
                before = self.table("list", target)
                for name, words in (("lib", "There are 3 tables in lib: --all drops"), ("lib/old", "There is 1 table in lib/old"),
                                    ("lob", "There is no namespace lob; did you mean lib?"),
                                    ("lib/mian", "There is no database lib/mian; did you mean lib/main?"),
                                    ("shop/other", "There is no database shop/other. There is shop/main.")):
                    self.assertIn(words, self.refused("drop", target, name))
                for name, words in (("lib/main/", '"lib/main/" has to be NAMESPACE/DATABASE/TABLE, '),
                                    ("lib/", "NAMESPACE/DATABASE or NAMESPACE, each of these an identifier")):
                    self.assertIn(words, self.refused("drop", target, name, status=2))
                for name in ("chimera", "chimera/catalogue"):
                    self.assertIn(f"{name} holds the catalogue's own tables", self.refused("drop", target, name, "--all"))
                program = self.table("drop", target, "lib", "--all", "--explain")
                for what in ("everything of lib/main/two goes", "everything of lib/old/three goes",
                             "the header of chimera/catalogue/databases:", "the header of chimera/catalogue/namespaces:"):
                    self.assertIn(what, program)
                self.assertEqual(re.findall(r"^(begin|commit)\b", program, re.MULTILINE), ["begin", "commit"])
                self.assertEqual(self.table("list", target), before)
                self.table("drop", target, "lib/old/three")
                self.table("drop", target, "shop/main/four")
                self.assertIn("There are databases in shop. --all", self.refused("drop", target, "shop"))
                self.assertEqual(self.table("drop", target, "lib/old"), "lib/old: dropped.\n")
                self.assertEqual(self.table("drop", target, "lib", "--all"), "lib: dropped, with 1 database and 2 tables.\n")
                self.assertEqual(self.table("drop", target, "shop/main"), "shop/main: dropped.\n")
                self.assertEqual(self.table("drop", target, "shop"), "shop: dropped.\n")
                self.assertEqual(self.refused("list", target, "lib"),
                                 "chimera: There is no namespace lib. There is chimera.\n")
                self.assertNotIn(books, self.chimera("devices", target))
                self.sound(target)

    def names(self, target):
        return [device["name"] for device in json.loads(self.chimera("devices", target, "--json"))]

    def test_a_table_without_its_header_is_a_problem_and_can_be_dropped_and_made_again(self):
        for label, target in self.targets():
            with self.subTest(label):
                books = self.make_books(target)
                names = self.names(target)
                run = "run" if label == "store" else "send"
                self.chimera(run, target, "-", text=f'open device "{books}"\ndelete device\n')
                said = self.fails("check", target)
                self.assertIn(f"{books}: the device of its header is not there.\n", said)
                self.assertIn("1 problem was found", said)
                program = self.table("drop", target, books, "--explain")
                self.assertEqual(program.count("delete device by force"),
                                 sum(name.startswith(books) for name in names) - 1)
                self.table("drop", target, books)
                self.assertNotIn(books, self.chimera("devices", target))
                self.make_books(target)
                self.assertEqual(self.names(target), names)
                self.sound(target)
                self.chimera(run, target, "-", text='open device "chimera/catalogue/tables"\ndelete device\n')
                said = self.fails("check", target)
                self.assertIn("chimera/catalogue/tables: the device of its header is not there.\n", said)
                self.assertIn("`chimera table relist`", said)
                self.assertNotIn("`insert`", said)
                self.assertIn("create device", self.table("relist", target, "--explain"))
                self.assertEqual(self.table("relist", target), f"{books}\n1 table listed that was not.\n")
                self.assertEqual(self.table("relist", target), "0 tables listed that were not.\n")
                self.assertEqual(self.names(target), names)
                self.assertIn("Emma", self.content(target, books))
                self.sound(target)
                for part in ("namespaces", "databases"):
                    self.chimera(run, target, "-", text=f'open device "chimera/catalogue/{part}"\ndelete device\n')
                said = self.fails("check", target)
                self.assertIn("2 problems were found", said)
                self.assertIn("`chimera table relist`", said)
                self.assertNotIn("`insert`", said)
                self.table("relist", target)
                self.sound(target)

    def test_a_table_that_is_dropped_leaves_no_device_of_a_put(self):
        for label, target in self.targets():
            with self.subTest(label):
                books = self.make_books(target)
                run = "run" if label == "store" else "send"
                for rest in ('01" "" "kind=memory"', '02"'):
                    self.chimera(run, target, "-", text=f'create device "{books}:stage/{rest}\n')
                self.table("rename", target, books, "lib/main/others")
                self.assertNotIn(":stage/", " ".join(self.names(target)))
                self.chimera(run, target, "-", text='create device "lib/main/others:stage/01"\n')
                self.table("drop", target, "lib/main/others")
                self.assertNotIn("devices of no table", self.chimera("check", target))

    def test_what_can_be_read_of_a_damaged_table_is_copied_as_check_says(self):
        self.format()
        schema = self.write_file("t.schema", "relation t = struct { id: u32, name: string(9) unique, note: string } key (id)")
        rows = [f"{i},name{i},{'a long note of ' + str(i) * 30}\n" for i in range(1, 10)]
        self.table("create", self.store, "a/b/c", schema)
        self.table("insert", self.store, "a/b/c", self.write_file("t.csv", "id,name,note\n" + "".join(rows)))
        self.chimera("export", self.store, "heap", "a/b/c:heap")
        at = (self.folder / "heap").read_bytes().index(b"note of 5")
        self.chimera("run", self.store, "-", text=f'open device "a/b/c:heap"\nwrite bytes @{at} "\\xff"\n')
        said = self.fails("check", self.store)
        for words in ("`chimera table export --skip-damaged FILE`", "`chimera table scan --columns`"):
            self.assertIn(words, said)
        self.assertIn("note", self.refused("export", self.store, "a/b/c", "out"))
        self.assertFalse((self.folder / "out").exists())
        self.table("export", self.store, "a/b/c", "out", "--skip-damaged", "lost")
        self.assertEqual((self.folder / "out").read_text(), "id,name,note\n" + "".join(rows[:4] + rows[5:]))
        for where in ("id <> 5", "name <> 'name5'"):
            self.table("export", self.store, "a/b/c", "out", "--where", where, "--force")
            self.assertEqual((self.folder / "out").read_text(), "id,name,note\n" + "".join(rows[:4] + rows[5:]))
        self.assertIn("\n5,name5\n", self.table("scan", self.store, "a/b/c", "--columns", "id,name"))

    def test_whole_columns(self):
        for label, target in self.targets():
            with self.subTest(label):
                books = self.make_books(target, "id,title,price\n1,Emma,9.5\n2,Ulysses,\n3,Dracula,9.5\n")
                file = self.folder / f"{label}.jsonl"
                self.assertEqual(self.table("column", "get", target, books, "price", file),
                                 f"{books}: 3 values of column price.\n")
                self.assertEqual(file.read_text(), "9.5\nnull\n9.5\n")
                before = self.content(target, books)
                for text, words in (("1\n2\n", f"There are 2 values, and {books} has 3 rows."),
                                    ("1\n2\ntrue\n", f"{file}:3:1: column price: ")):
                    file.write_text(text)
                    self.assertIn(words, self.refused("column", "put", target, books, "price", file))
                    self.assertEqual(self.content(target, books), before)
                for pipe in ("-", "/dev/null"):
                    self.assertIn("so they are read twice, from a file and not from a pipe",
                                  self.refused("column", "put", target, books, "price", pipe))
                cells = self.folder / f"{label}.csv"
                self.table("column", "get", target, books, "price", cells)
                self.assertEqual(cells.read_text(), "price\n9.5\n\n9.5\n")
                self.table("column", "get", target, books, "title", "titles.txt", "--format", "csv", "--force")
                self.assertEqual((self.folder / "titles.txt").read_text(), "title\nEmma\nUlysses\nDracula\n")
                for text, words in (("price\n1\n2\n", "There are 2 values"), ("price\n1\nx\n2\n", f"{cells}:3:1: column price: "),
                                    ("cost\n1\n2\n3\n", f"{cells}:1:1: "), ("price\n1\n2,3\n4\n", f"{cells}:3:3: ")):
                    cells.write_text(text)
                    self.assertIn(words, self.refused("column", "put", target, books, "price", cells))
                    self.assertEqual(self.content(target, books), before)
                cells.write_text("price\nnone\n3\n\"4.5\"\n")
                self.table("column", "put", target, books, "price", cells, "--null", "none")
                self.assertEqual(self.table("column", "get", target, books, "price").splitlines()[:3], ["null", "3.0", "4.5"])
                self.assertIn("index title", self.refused("column", "put", target, books, "title",
                                                          self.write_file("t.jsonl", '"a"\n"b"\n"c"\n')))
                file.write_text("1\n2.5\nnull\n")
                self.assertEqual(self.table("column", "put", target, books, "price", file),
                                 f"{books}: 3 values of column price put.\n")
                self.assertEqual(self.table("column", "get", target, books, "price", "-").splitlines(),
                                 ["1.0", "2.5", "null"])
                self.assertEqual(self.table("column", "compress", target, books, "title"),
                                 f"{books}: column title compressed.\n")
                self.assertIn("title: string(20) compressed", self.table("describe", target, books))
                self.table("column", "decompress", target, books, "title")
                before = self.content(target, books)
                self.assertEqual(self.table("column", "compress", target, books, "price"),
                                 f"{books}: column price compressed.\n")
                self.assertIn("price: f64 nullable compressed", self.table("describe", target, books))
                self.assertEqual(self.content(target, books), before)
                self.table("column", "decompress", target, books, "price")
                self.sound(target)

    def test_columns_of_a_fixed_width_are_compressed(self):
        schema = self.write_file("m.schema", "relation m = struct { id: u32, at: i64, n: i64 nullable } key (id)")
        rows = "".join(f"{i},{i * 10**9},{i // 100 if i % 3 else ''}\n" for i in range(30_000))
        file = self.write_file("m.csv", "id,at,n\n" + rows)
        for label, target in self.targets():
            with self.subTest(label):
                self.table("create", target, "a/b/m", schema)
                self.table("insert", target, "a/b/m", file)
                out = self.folder / f"{label}.csv"
                self.table("export", target, "a/b/m", out)
                held = []
                for word in ("compress", "decompress", "compress"):
                    for column in ("at", "n"):
                        self.table("column", word, target, "a/b/m", column)
                    described = self.table("describe", target, "a/b/m")
                    self.assertEqual("n: i64 nullable compressed" in described, word == "compress")
                    self.table("export", target, "a/b/m", out.with_suffix(".again"), "--force")
                    self.assertEqual(out.with_suffix(".again").read_bytes(), out.read_bytes())
                    self.assertEqual(self.table("scan", target, "a/b/m", "--where", "n = 140 and id < 14003"),
                                     "id,at,n\n14000,14000000000000,140\n14002,14002000000000,140\n")
                    self.sound(target)
                    held.append(json.loads(self.chimera("info", target, "--json"))["used"])
                # Of 510,000 bytes. A server may count what is freed a little later.
                if label == "store":
                    self.assertGreater(held[1] - max(held[0], held[2]), 250_000)

    def test_a_column_that_has_no_room_to_be_decompressed_can_be_compressed_again(self):
        self.format("16M")
        wide = "shop/main/wide"
        columns = ", ".join(f"c{n}: i128 compressed" for n in range(6))
        self.table("create", self.store, wide, self.write_file("wide.schema", f"relation w = struct {{ {columns} }}"))
        rows = "c0,c1,c2,c3,c4,c5\n" + "".join(f"{n},{n},{n},{n},{n},{n}\n" for n in range(150_000))
        self.table("insert", self.store, wide, self.write_file("wide.csv", rows))
        names = [f"c{n}" for n in range(6)]
        full = next(name for name in names
                    if self.run_command("table", "column", "decompress", self.store, wide, name).returncode != 0)
        self.assertIn("the store is full", words := self.refused("column", "decompress", self.store, wide, full))
        self.assertIn("The rest of the column stays compressed, and all of it can be read: compress it again "
                      "for the space that it took before.", words)
        self.assertEqual(self.table("export", self.store, wide, "-"), rows)
        for name in names[names.index(full)::-1]:
            self.table("column", "compress", self.store, wide, name)
        self.assertEqual(self.table("export", self.store, wide, "-"), rows)
        self.sound(self.store)


if __name__ == "__main__":
    unittest.main()
