#!/usr/bin/env python3
"""chimera table: real use, on a store and against a server; what is refused, and that it has changed nothing."""

import json
import os
import random
import re
import signal
import subprocess
import time
import unittest

import table_data
from harness import CHIMERA, ROOT, TIMEOUT_SECONDS, ChimeraTest, wait_for_lock, wait_until

TABLE = "shop/main/orders"
SMALL = """
relation books = struct {
  id: u32,
  title: string(20) unique,
  price: f64 nullable,
  year: u16 default 2000,
} key (id)
"""


class Tables(ChimeraTest):
    def table(self, *arguments, **options):
        return self.chimera("table", *arguments, **options)

    def refused(self, *arguments, **options):
        return self.fails("table", *arguments, **options)

    def make_orders(self, target, count):
        schema = self.write_file("orders.schema", table_data.SCHEMA)
        path = self.folder / "orders.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            table_data.write_csv(file, table_data.rows(count))
        self.table("create", target, TABLE, schema)
        return path

    def make_books(self, target, rows="id,title,price\n1,Emma,9.5\n2,Ulysses,\n"):
        self.table("create", target, "lib/main/books", self.write_file("books.schema", SMALL))
        self.table("insert", target, "lib/main/books", self.write_file("books.csv", rows))
        return "lib/main/books"

    def content(self, target, name=TABLE):
        return self.table("scan", target, name, "--index", "key")

    def sound(self, target):
        self.assertEqual(json.loads(self.chimera("check", target, "--json"))["problems"], [])


class Use(Tables):
    def test_there_and_back_as_csv_and_as_json(self):
        for label, target in self.targets("256M"):
            with self.subTest(label):
                path = self.make_orders(target, 5000)
                self.assertEqual(self.table("insert", target, TABLE, path), f"{TABLE}: 5,000 rows inserted.\n")
                for ending in ("csv", "jsonl"):
                    out, again = self.folder / f"{label}.{ending}", self.folder / f"{label}-again.{ending}"
                    self.assertIn("5,000 rows exported", self.table("export", target, TABLE, out))
                    self.table("truncate", target, TABLE)
                    self.assertEqual(self.table("count", target, TABLE), "0\n")
                    self.table("insert", target, TABLE, out)
                    self.table("export", target, TABLE, again)
                    self.assertEqual(out.read_bytes(), again.read_bytes())
                    if ending == "csv":
                        # It is all that was inserted first: lines of the key's order are the generator's.
                        self.assertEqual(out.read_bytes(), path.read_bytes())
                self.sound(target)

    def test_what_is_found(self):
        rows = list(table_data.rows(3000))
        for label, target in self.targets("256M"):
            with self.subTest(label):
                self.table("insert", target, TABLE, self.make_orders(target, 3000))
                row = json.loads(self.table("get", target, TABLE, "700", "--json"))
                wanted = rows[100]
                self.assertEqual((row["id"], str(row["customer"]), row["note"]), (700, wanted["customer"], wanted["note"]))
                self.assertIn("customer  " + wanted["customer"], self.table("get", target, TABLE, "700"))

                found = self.table("scan", target, TABLE, "--where", "customer = 1 and price > 50000 and note is null",
                                   "--columns", "price,id", "--json")
                self.assertEqual({json.loads(line)["id"] for line in found.splitlines()},
                                 {int(row["id"]) for row in rows if row["customer"] == "1"
                                  and int(row["price"]) > 50000 and row["note"] is None})
                last = self.table("scan", target, TABLE, "--index", "key", "--reverse", "--limit", "2", "--columns", "id")
                self.assertEqual(last, f"id\n{2999 * 7}\n{2998 * 7}\n")
                some = self.table("scan", target, TABLE, "--from", "70", "--to", "91", "--columns", "id")
                self.assertEqual(some, "id\n70\n77\n84\n91\n")
                by_customer = self.table("scan", target, TABLE, "--index", "customer", "--from", "2", "--to", "3",
                                         "--columns", "customer").split()[1:]
                self.assertEqual(by_customer, sorted(row["customer"] for row in rows if row["customer"] in ("2", "3")))

                prices = [int(row["price"]) for row in rows if row["gift"] == "true"]
                sums = json.loads(self.table("aggregate", target, TABLE, "price", "--where", "gift", "--json"))
                self.assertEqual(sums, {"rows": len(prices), "values": len(prices), "sum": sum(prices),
                                        "least": min(prices), "greatest": max(prices)})
                self.assertEqual(self.table("count", target, TABLE, "--where", "status = 'paid'"),
                                 f"{sum(row['status'] == 'paid' for row in rows)}\n")

    def test_what_is_changed(self):
        for label, target in self.targets("256M"):
            with self.subTest(label):
                books = self.make_books(target)
                self.assertIn("1 row updated", self.table("update", target, books, "1", "--set", "price=",
                                                          "--set", "title=Emma, again"))
                self.assertEqual(self.content(target, books), 'id,title,price,year\n1,"Emma, again",,2000\n2,Ulysses,,2000\n')
                self.assertIn("2 rows updated", self.table("update", target, books, "--where", "price is null",
                                                           "--set", "price=1"))
                self.table("insert", target, books, "-", "--upsert", text="id,title\n2,Odyssey\n3,Iliad\n")
                self.assertIn("1 row deleted", self.table("delete", target, books, "1"))
                self.assertIn("1 row deleted", self.table("delete", target, books, "--where", "title like 'Ili%'"))
                self.assertEqual(self.content(target, books), "id,title,price,year\n2,Odyssey,,2000\n")
                self.assertEqual(self.refused("get", target, books, "9"), "chimera: lib/main/books has no row of that key.\n")
                self.sound(target)

    def test_tables_come_go_and_change_their_names(self):
        for label, target in self.targets("256M"):
            with self.subTest(label):
                books = self.make_books(target)
                self.assertEqual(self.table("list", target, "lib"), "lib/main/books\n")
                described = json.loads(self.table("describe", target, books, "--json"))
                self.assertEqual((described["rows"], described["key"]), (2, ["id"]))
                schema = self.table("describe", target, books)
                self.assertIn("title: string(20) unique", schema)
                self.assertTrue(schema.endswith("\n// 2 rows.\n"))
                self.table("create", target, "lib/main/again", "-", text=schema)
                self.assertEqual(self.table("describe", target, "lib/main/again"), schema.replace("2 rows", "0 rows"))
                self.table("drop", target, "lib/main/again")
                self.table("export", target, books, "some.csv", "--columns", "price,id", "--force")
                self.assertEqual((self.folder / "some.csv").read_text(), "price,id\n9.5,1\n,2\n")
                self.table("column", "add", target, books, "note: string nullable")
                self.table("column", "rename", target, books, "note", "remark")
                self.table("update", target, books, "2", "--set", "remark=long")
                self.assertEqual(json.loads(self.table("get", target, books, "2", "--json"))["remark"], "long")
                self.table("column", "drop", target, books, "remark")
                self.table("rename", target, books, "lib/old/books")
                self.assertEqual(self.table("list", target, "lib"), "lib/old/books\n")
                self.assertEqual(self.table("count", target, "lib/old/books"), "2\n")
                self.table("drop", target, "lib/old/books")
                self.assertEqual(json.loads(self.table("list", target, "lib", "--json")), {"tables": []})
                self.sound(target)

    def test_a_pipe_and_a_progress_bar(self):
        self.format("256M")
        path = self.make_orders(self.store, 20000)
        self.assertRegex(self.run_on_terminal("table", "insert", self.store, TABLE, path), r"insert \[#*\.*\] +\d+ % ")
        # Of a pipe nobody knows how long it is.
        counted = r"\r{} [\d.]+[KM]?B  [\d.]+[KMG]?B/s\x1b"
        for words in (("table", "insert", self.store, TABLE, "-"), ("blob", "put", self.store, "m/m/b", "one", "-")):
            if words[0] == "table":
                self.table("truncate", self.store, TABLE)
            with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as pipe:
                self.assertRegex(self.run_on_terminal(*words, stdin=pipe.stdout), counted.format(words[1]))
        done = self.run_command("table", "export", self.store, TABLE, "-")
        self.assertEqual(done.stdout, path.read_bytes())
        self.assertEqual(done.stderr.decode(), f"{TABLE}: 20,000 rows exported.\n")

    def test_other_separators_and_words_for_null(self):
        self.format()
        books = self.make_books(self.store, "id,title\n")
        self.table("insert", self.store, books, "-", "--separator", "tab", "--null", "NULL",
                   text='id\ttitle\tprice\r\n1\tx\tNULL\r\n2\t"NULL"\t5\r\n')
        self.table("export", self.store, books, "out", "--separator", ";", "--null", "NULL")
        self.assertEqual((self.folder / "out").read_text(), 'id;title;price;year\n1;x;NULL;2000\n2;"NULL";5.0;2000\n')


class Refused(Tables):
    def test_rows_that_do_not_fit_change_nothing(self):
        for label, target in self.targets("256M"):
            books = self.make_books(target)
            before = self.content(target, books)
            for rows, said in (
                    ("", "standard input:1:1: there is no header"),
                    ("id,titel\n", "standard input:1:4: books has no column 'titel'; did you mean title?"),
                    ("id,title,id\n", "standard input:1:10: column id is there twice"),
                    ("id\n7\n", "standard input:1:1: column title is missing"),
                    ("id,title\n7,a\n8\n", "standard input:3:1: the row has 1 cells, the header 2"),
                    ("id,title\n7,a,b\n", "standard input:2:5: the row has 3 cells, the header 2"),
                    ("id,title\n7,a\nx,b\n", "standard input:3:1: column id: 'x' is no whole number"),
                    ("id,title\n7,a\n,b\n", "standard input:3:1: column id: "),
                    ('id,title\n7,"a\nb"\n99999999999,c\n', "standard input:4:1: column id: 99999999999 does not fit u32"),
                    ("title,id\nabcdefghijklmnopqrstuvw,7\n", "standard input:2:1: column title: "),
                    ('id,title\n7,a"b\n', "standard input:2:4: a quote stands within a cell"),
                    ('id,title\n7,"a"b\n', "standard input:2:6: "),
                    ('id,title\n7,"a\n', "standard input:2:3: the quote that begins this cell is not closed"),
                    ("id,title\n7,a\n1,b\n", "standard input:3:1: (id = 1) is there already in lib/main/books"),
                    ("id,title\n7,a\n8,Emma\n", "standard input:3:1: "),  # a unique column
                    ("id,title\n7,a\n8,b\n7,c\n", "standard input:4:1: "),  # twice in the file
                    ("id,title\n7,\udcff\n", "standard input:2:3: column title: ")):
                with self.subTest(f"{label} {rows!r}"):
                    data = rows.encode(errors="surrogateescape")
                    words = self.refused("insert", target, books, "-", data=data)
                    self.assertIn(said, words)
                    self.assertEqual(self.content(target, books), before)
                    if not said.startswith("standard input:1:"):
                        self.assertIn("\nNothing is inserted.\n", words)
            for rows, said in (('{"id": 7, "title": "a"}\n{"id": 8}\n', "standard input:2:1: column title is missing"),
                               ('{"id": 7, "title": 5}\n', "standard input:1:20: title: "),
                               ('{"id": 7, "title": "a", "x": 1}\n', "standard input:1:25: "),
                               ('{"id": 7,\n', "standard input:1:10: ")):
                with self.subTest(f"{label} {rows!r}"):
                    self.assertIn(said, self.refused("insert", target, books, "-", "--format", "json", text=rows))
                    self.assertEqual(self.content(target, books), before)
            self.sound(target)

    def test_rows_set_aside_can_be_corrected_and_inserted(self):
        for label, target in self.targets("256M"):
            with self.subTest(label):
                books = self.make_books(target)
                aside = self.folder / f"{label}.aside"
                rows = 'id,title\n7,a\n1,again\nx,bad\n8,"two\nlines"\n9,Emma\n7,twice\n10,"q"q\n11,z\n'
                done = self.run_command("table", "insert", target, books, "-", "--set-aside", aside, text=rows)
                self.assertEqual(done.stdout.decode(), f"{books}: 3 rows inserted, 5 set aside in {aside}.\n")
                self.assertEqual(len(re.findall(r"^standard input:\d+:\d+: ", done.stderr.decode(), re.MULTILINE)), 5)
                self.assertEqual(sorted(aside.read_text().splitlines()),
                                 sorted(["id,title", "1,again", "x,bad", "9,Emma", "7,twice", '10,"q"q']))
                self.assertEqual(self.content(target, books).count("\n"), 7)
                self.assertIn("exists: rows are set aside in a new file only",
                              self.refused("insert", target, books, "-", "--set-aside", aside, text=rows))
                aside.write_text("id,title\n12,right\n")
                self.table("insert", target, books, aside)
                self.sound(target)

    def test_a_long_file_says_how_far_it_has_come_and_goes_on_there(self):
        self.format("256M")
        path = self.make_orders(self.store, 40000)
        lines = path.read_text().split("\n")
        wrong = self.write_file("wrong.csv", path.read_text().replace("\n272993,", "\nx272993,", 1))
        self.assertNotEqual(wrong.read_text(), path.read_text())
        words = self.refused("insert", self.store, TABLE, wrong)
        self.assertRegex(words, r"wrong\.csv:\d+:1: column id: 'x272993' ")
        done = int(self.table("count", self.store, TABLE))
        self.assertGreater(done, 0)
        self.assertLess(done, 39000)
        self.assertIn(f"{done:,} rows are inserted, nothing of what follows. When it is corrected, go on there with "
                      f"--skip {done}.", words)
        self.sound(self.store)
        self.table("insert", self.store, TABLE, path, "--skip", done)
        self.table("export", self.store, TABLE, "back.csv")
        self.assertEqual((self.folder / "back.csv").read_text().split("\n"), lines)

    def test_what_of_an_upsert_is_there_is_told_although_its_batch_is_not(self):
        self.format("64M")
        schema = "relation pairs = struct { id: u32, a: u32 unique } key (id)"
        pairs = "lab/main/pairs"
        self.table("create", self.store, pairs, self.write_file("pairs.schema", schema))
        self.table("insert", self.store, pairs, "-", text="id,a\n9000,3000\n")
        rows = "id,a\n" + "".join(f"{i},{i}\n" for i in range(4000))
        words = self.refused("insert", self.store, pairs, "-", "--upsert", text=rows)
        self.assertIn("standard input:3002:1: ", words)
        self.assertIn("\n2,048 rows are inserted, nothing of what follows. When it is corrected, go on there with --skip "
                      "2048.\n", words)
        self.assertEqual(self.table("count", self.store, pairs), "2049\n")
        self.assertIn("3,999 rows", self.table("insert", self.store, pairs, "-", "--upsert", "--set-aside", "aside.csv",
                                               text=rows))
        self.assertEqual((self.folder / "aside.csv").read_text(), "id,a\n3000,3000\n")
        self.sound(self.store)

    def test_columns_that_change_under_a_long_insert_end_it_and_get_nothing_of_others(self):
        self.format("256M")
        target, pairs = self.serve(self.store).addresses[0], "lab/main/pairs"
        schema = "relation pairs = struct { id: u32, a: u32 nullable, b: u32 nullable } key (id)"
        self.table("create", target, pairs, self.write_file("pairs.schema", schema))
        insert = subprocess.Popen([CHIMERA, "table", "insert", target, pairs, "-", "--set-aside", "aside.csv"],
                                  stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder)
        self.addCleanup(insert.kill)
        # A batch has 32,768 rows at most. One behind it does not fit.
        insert.stdin.write("id,a,b\n" + "".join(f"{i if i != 35000 else 'x'},1,2\n" for i in range(40000)))
        insert.stdin.flush()
        wait_until(lambda: self.table("count", target, pairs) != "0\n", "the first batch", insert)
        self.table("column", "drop", target, pairs, "a")
        self.table("column", "add", target, pairs, "c: u32 nullable")
        words = insert.communicate("40000,1,2\n", timeout=TIMEOUT_SECONDS)[1]
        self.assertEqual(insert.returncode, 1)
        self.assertIn(f"The columns of {pairs} have been changed meanwhile: they are not those that the rows are for. "
                      "Nothing in the file is wrong.\n32,768 rows are inserted, nothing of what follows. When its "
                      "columns are the table's again, go on at line 32770 with --skip 32768.\n", words)
        self.assertEqual(self.table("count", target, pairs, "--where", "b = 2 and c is null"), "32768\n")
        self.assertEqual(self.table("count", target, pairs), "32768\n")

    def test_words_that_are_no_key_condition_or_column(self):
        self.format()
        books = self.make_books(self.store)
        for arguments, said in (
                (["get", self.store, books, "x"], "Column id: 'x' "),
                (["get", self.store, books, "1", "2"], "The key of lib/main/books is (id): 1 values, and 2 are given."),
                (["get", self.store, "lib/main/boks", "1"], "There is no table lib/main/boks; did you mean lib/main/books?"),
                (["count", self.store, "lib/main/other"], "There is no table lib/main/other. There is lib/main/books."),
                (["column", "drop", self.store, "lib/mian/books", "id"], "There is no database lib/mian; did you mean lib/main?"),
                (["rename", self.store, "lob/main/books", "a/b/c"], "There is no namespace lob; did you mean lib?"),
                (["scan", self.store, books, "--where", "prise > 1"], 'where:1:1: books has no column "prise"; did you mean "price"?'),
                (["scan", self.store, books, "--columns", "id,what"], "has no column what"),
                (["scan", self.store, books, "--index", "what", "--from", "1"], "has no index what"),
                (["update", self.store, books, "1", "--set", "price"], "COLUMN=VALUE"),
                (["update", self.store, books, "1", "--set", "price=x"], "Column price: 'x' "),
                (["update", self.store, books, "9", "--set", "price=1"], "has no row of that key"),
                (["update", self.store, books, "1", "--set", "title=Ulysses"], "Ulysses"),
                (["create", self.store, books, "books.schema"], "There is a table lib/main/books already."),
                (["column", "add", self.store, books, "x: strang"], '"x: strang" is no column: '),
                (["column", "add", self.store, books, "x: u8"], "There are rows: column x has to be nullable"),
                (["column", "drop", self.store, books, "id"], "id"),
                (["drop", self.store, "lib/main/boks"], "There is no table lib/main/boks; did you mean lib/main/books?"),
                (["export", self.store, books, "books.csv"], "books.csv exists already: with --force")):
            with self.subTest(arguments):
                self.assertIn(said, self.refused(*arguments))
        self.assertEqual(self.content(self.store, books), "id,title,price,year\n1,Emma,9.5,2000\n2,Ulysses,,2000\n")
        self.write_file("bad.schema", "relation a = struct { id: u46 } key (Id)")
        words = self.refused("create", self.store, "a/b/c", "bad.schema")
        self.assertIn("bad.schema:1:27: there is no type u46", words)
        self.assertIn("^^^", words)
        self.write_file("two.schema", "relation a = struct { id: u8 }\nrelation b = struct { id: u8 }")
        self.assertIn("say which with --relation, of a, b", self.refused("create", self.store, "a/b/c", "two.schema"))
        self.table("create", self.store, "a/b/c", "two.schema", "--relation", "b")

    def test_wrong_usage(self):
        for arguments, said in ((["table"], "chimera table: no command was given."),
                                (["table", "inzert"], "chimera table: there is no command inzert; did you mean insert?"),
                                (["table", "column", "ad"], "chimera table column: there is no command ad; did you mean add?"),
                                (["table", "scan", "s", "books"], "chimera table scan: "),
                                (["table", "delete", "s", "a/b/c"], "KEY, or a condition for --where, is required"),
                                (["table", "delete", "s", "a/b/c", "--where", ""], "a condition for --where"),
                                (["table", "delete", "s", "a/b/c", "1", "--where", "x"], "excludes"),
                                (["table", "insert", "s", "a/b/c", "f", "--separator", ",,"], "one character")):
            with self.subTest(arguments):
                self.assertIn(said, self.fails(*arguments, status=2))


class Explained(Tables):
    def test_every_operation_shows_programs_that_assemble_and_changes_nothing(self):
        for label, target in self.targets("256M"):
            books = self.make_books(target)
            before = self.content(target, books)
            for arguments, said in (
                    (["create", target, "a/b/c", "books.schema"], "create"),
                    (["insert", target, books, "more.csv"], "title"),
                    (["get", target, books, "1"], "read"),
                    (["scan", target, books, "--where", "price > 5"], "price"),
                    (["aggregate", target, books, "price"], "price"),
                    (["update", target, books, "1", "--set", "price=3"], "price"),
                    (["delete", target, books, "--where", "id = 2"], "title"),
                    (["column", "add", target, books, "n: string nullable"], "create"),
                    (["truncate", target, books], "begin"),
                    (["rename", target, books, "a/b/c"], "a/b/c"),
                    (["drop", target, books], "delete")):
                with self.subTest(f"{label} {arguments[0]}"):
                    self.write_file("more.csv", "id,title\n7,seven\n")
                    text = self.table(*arguments, "--explain")
                    self.assertIn("; program 1 of ", text)
                    self.assertIn(said, text)
                    self.write_file("program.asm", text)
                    self.chimera("asm", "program.asm", "-o", "program.bin")
                    self.assertEqual(self.content(target, books), before)


class Killed(Tables):
    def test_an_insert_that_is_killed_leaves_whole_batches(self):
        self.format("512M")
        path = self.make_orders(self.store, 60000)
        wanted = path.read_text().split("\n")
        for delay in (0.05, 0.15, 0.3, 0.6):
            with self.subTest(delay):
                self.table("truncate", self.store, TABLE)
                process = subprocess.Popen([CHIMERA, "table", "insert", self.store, TABLE, path],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                process.wait()
                wait_for_lock(self.store)
                self.sound(self.store)
                there = int(self.table("count", self.store, TABLE))
                self.table("export", self.store, TABLE, "back.csv", "--force")
                lines = (self.folder / "back.csv").read_text().split("\n")
                # From the front of the file, whole batches of it.
                self.assertEqual(lines[:-1], wanted[:len(lines) - 1], there)


class Document(Tables):
    def test_the_session_of_the_document_is_true(self):
        """`$ cat NAME` shows a file that is made; whatever else is run."""
        text = (ROOT / "docs" / "table-commands.md").read_text()
        programs = self.folder / "programs"
        programs.mkdir()
        (programs / "chimera").symlink_to(CHIMERA)
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        lines = [line[4:] for block in re.findall(r"(?m)^    \$ (?:.*\n(?:    )?)+?(?=\n|\Z)", text)
                 for line in block.splitlines()]
        steps = []
        for line in lines:
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
        self.assertGreater(len(steps), 20)
        for command, output in steps:
            wanted = "".join(line + "\n" for line in output)
            with self.subTest(command):
                if command.startswith("cat "):
                    self.write_file(command[4:], wanted)
                    continue
                done = subprocess.run(["sh", "-c", command], cwd=self.folder, env=environment, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS)
                self.assertEqual(done.stdout.rstrip("\n"), wanted.rstrip("\n"))


if __name__ == "__main__":
    unittest.main()
