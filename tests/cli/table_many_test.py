#!/usr/bin/env python3
"""chimera table with a million rows: few customers have most of them, much is null, some notes have 100 KiB and more.

What is answered is what the generator (table_data.py) says. Under the sanitizers there are 20 thousand rows only.
"""

import hashlib
import json
import os
import unittest

import table_data
from harness import ChimeraTest

TABLE = "shop/main/orders"
IS_SANITIZED = "ASAN_OPTIONS" in os.environ
EMBEDDED_ROWS, SERVED_ROWS = (20000, 20000) if IS_SANITIZED else (1000000, 200000)  # multiples of the block


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Many(ChimeraTest):
    def table(self, *arguments, **options):
        return self.chimera("table", *arguments, **options)

    def make(self, target, count, kind):
        """The file, and the table with its rows."""
        path = self.folder / f"orders.{kind}"
        with open(path, "w", encoding="utf-8", newline="") as file:
            table_data.write_many(file, count, "csv" if kind == "csv" else "json")
        self.table("create", target, TABLE, self.write_file("orders.schema", table_data.MANY_SCHEMA))
        self.assertEqual(self.table("insert", target, TABLE, path), f"{TABLE}: {count:,} rows inserted.\n")
        return path

    def exported(self, target, kind):
        path = self.folder / f"back.{kind}"
        self.table("export", target, TABLE, path, "--force")
        return path

    def sound(self, target, count):
        report = json.loads(self.chimera("check", target, "--json"))
        self.assertEqual(report["problems"], [])
        self.assertEqual(int(self.table("count", target, TABLE)), count)

    def ask(self, target, count):
        """Counts, sums and ranges, along the key, along indexes, and through all rows."""
        block = table_data.block()
        times = count // table_data.BLOCK
        for where, holds in (
                ("customer = 1", lambda row: row["customer"] == "1"),
                ("customer = 3 and note is null", lambda row: row["customer"] == "3" and row["note"] is None),
                ("weight is null", lambda row: row["weight"] is None),
                ("took between '2s' and '5s'", lambda row: row["took"] in ("2s", "3s", "4s", "5s")),
                ("status = 'paid' and not gift", lambda row: row["status"] == "paid" and row["gift"] == "false"),
                ("note like 'ship%'", lambda row: (row["note"] or "").startswith("ship")),
                ("balance < -900000000000000000000000000000", lambda row: int(row["balance"]) < -9 * 10**29)):
            with self.subTest(where):
                prices = [int(row["price"]) for row in block if holds(row)]
                self.assertGreater(len(prices), 0)
                self.assertEqual(self.table("count", target, TABLE, "--where", where), f"{len(prices) * times}\n")
                sums = json.loads(self.table("aggregate", target, TABLE, "price", "--where", where, "--json"))
                self.assertEqual(sums, {"rows": len(prices) * times, "values": len(prices) * times,
                                        "sum": sum(prices) * times, "least": min(prices), "greatest": max(prices)})
        last = count - table_data.BLOCK
        some = self.table("scan", target, TABLE, "--from", last + 70, "--to", last + 90, "--columns", "id,price")
        self.assertEqual(some, "id,price\n" + "".join(f"{last + i},{block[i]['price']}\n" for i in range(70, 91)))
        rare = [i for i, row in enumerate(block) if int(row["customer"]) > 5000]
        found = self.table("scan", target, TABLE, "--index", "customer", "--from", "5001", "--columns", "id,customer")
        pairs = [tuple(map(int, line.split(","))) for line in found.splitlines()[1:]]
        self.assertEqual([customer for _, customer in pairs], sorted(customer for _, customer in pairs))
        self.assertEqual(sorted(pairs), sorted((i + first, int(block[i]["customer"])) for i in rare
                                               for first in range(0, count, table_data.BLOCK)))
        for number in (7, last + 5007, last + 9999):
            row = json.loads(self.table("get", target, TABLE, number, "--json"))
            self.assertEqual(row["note"], block[number % table_data.BLOCK]["note"])
        self.assertGreater(len(block[7]["note"].encode()), 100 << 10)

    def test_a_million_rows_in_a_store_and_changes_of_a_part(self):
        self.format("4G")
        count = EMBEDDED_ROWS
        path = self.make(self.store, count, "csv")
        self.assertEqual(digest(self.exported(self.store, "csv")), digest(path))
        self.ask(self.store, count)

        # What changes, what goes, and what comes again, in the rows' order: numbers of rows that went are used again.
        block = table_data.block()
        times = count // table_data.BLOCK
        changed = {i for i, row in enumerate(block) if row["customer"] == "2"}
        gone = {i for i, row in enumerate(block) if row["customer"] == "4" or row["took"] == "2s"}
        self.assertEqual(self.table("update", self.store, TABLE, "--where", "customer = 2", "--set", "note=changed",
                                    "--set", "took=59s"), f"{TABLE}: {len(changed) * times:,} rows updated.\n")
        gone = {i for i in gone if i not in changed}
        self.assertEqual(self.table("delete", self.store, TABLE, "--where", "customer = 4 or took = '2s'"),
                         f"{TABLE}: {len(gone) * times:,} rows deleted.\n")
        self.sound(self.store, count - len(gone) * times)
        for i in changed:
            block[i].update(note="changed", took="59s")
        ends = ["," + ",".join(table_data.cell(row[name]) for name in table_data.MANY_COLUMNS[1:]) for row in block]
        wanted = hashlib.sha256((",".join(table_data.MANY_COLUMNS) + "\n").encode())
        for first in range(0, count, table_data.BLOCK):
            wanted.update("".join(f"{first + i}{end}\n" for i, end in enumerate(ends) if i not in gone).encode())
        self.assertEqual(digest(self.exported(self.store, "csv")), wanted.hexdigest())

        first = self.folder / "first.csv"
        with open(first, "w", encoding="utf-8", newline="") as file:
            table_data.write_many(file, table_data.BLOCK)
        self.table("insert", self.store, TABLE, first, "--upsert")
        self.sound(self.store, count - len(gone) * (times - 1))
        with open(self.folder / "again.csv", "w", encoding="utf-8") as file:
            file.write(self.table("scan", self.store, TABLE, "--to", table_data.BLOCK - 1))
        self.assertEqual(digest(self.folder / "again.csv"), digest(first))

    def test_many_rows_through_a_server_as_json_lines(self):
        self.format("4G")
        server = self.serve()
        target = server.addresses[0]
        path = self.make(target, SERVED_ROWS, "jsonl")
        self.ask(target, SERVED_ROWS)
        back = self.exported(target, "jsonl")
        self.table("truncate", target, TABLE)
        self.table("insert", target, TABLE, back)
        self.sound(target, SERVED_ROWS)
        back.rename(self.folder / "before.jsonl")
        self.assertEqual(digest(self.exported(target, "jsonl")), digest(self.folder / "before.jsonl"))
        # Numbers and blanks may be written in other ways in JSON; the values are the same.
        with open(path, encoding="utf-8") as ours, open(back, encoding="utf-8") as theirs:
            for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
                if our != their and (number < table_data.BLOCK or number % 97 == 0):
                    self.assertEqual(json.loads(our), json.loads(their))


if __name__ == "__main__":
    unittest.main()
