#!/usr/bin/env python3
"""chimera table index and column: what tables with rows get and lose, on a store and against a server."""

import json
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

    def test_what_a_crash_left_of_a_column_is_counted_and_goes_with_the_table(self):
        self.format("256M")
        books = self.make_books(self.store, "id,title,price\n1,Emma,9.5\n")
        self.assertNotIn("unfinished columns", self.chimera("check", self.store))
        self.chimera("run", self.store, "-", text=f'create device "{books}:filling/0123"\n')
        self.assertRegex(self.chimera("check", self.store), r"unfinished columns +1\nNo problem was found")
        self.assertEqual(json.loads(self.chimera("check", self.store, "--json"))["unfinished_columns"], 1)
        self.table("drop", self.store, books)
        self.assertNotIn(books, self.chimera("devices", self.store))

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
                self.assertIn("fixed width", self.refused("column", "compress", target, books, "price"))
                self.sound(target)


if __name__ == "__main__":
    unittest.main()
