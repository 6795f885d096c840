#!/usr/bin/env python3
"""Rows for tests of tables: few customers have most of the orders, much is null, and some notes are long.

    tests/cli/table_data.py 1000000 > orders.csv
    tests/cli/table_data.py 1000000 json > orders.jsonl

As a program it repeats a block of rows, for speed (`write_many`): a million are 370 MB in about two seconds.
"""

import json
import random
import sys

SCHEMA = """
type Status = enum { new, paid, shipped }

relation orders = struct {
  id: u64,
  customer: u32 indexed,
  day: datetime,
  price: i64,
  weight: f64 nullable,
  status: Status,
  gift: bool default false,
  note: string nullable,
  receipt: blob nullable,
  tags: array(string) nullable,
} key (id)
"""
COLUMNS = "id customer day price weight status gift note receipt tags".split()
WORDS = 'ship, "fast" slow Größe naïve\nline two 100% \'quoted\' tab\there ünï ☃ end'.split(" ")


def note(chance):
    """Most are short, a few have many thousand bytes; nothing is another thing than null."""
    kind = chance.random()
    if kind < 0.5:
        return None
    if kind < 0.55:
        return ""
    count = chance.randrange(400, 4000) if kind > 0.99 else chance.randrange(1, 12)
    return " ".join(chance.choice(WORDS) for _ in range(count))


def rows(count, seed=1):
    """Dictionaries of texts as they stand in CSV; None is null."""
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "id": str(number * 7 % (1 << 40)),
            "customer": str(int(chance.paretovariate(1.1)) % 100000),
            "day": f"20{chance.randrange(20, 25)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}T"
                   f"{chance.randrange(24):02}:00:00Z",
            "price": str(chance.randrange(-500, 100000)),
            "weight": None if chance.random() < 0.3 else repr(chance.uniform(0, 50)),
            "status": chance.choice(["new", "paid", "shipped"]),
            "gift": chance.choice(["true", "false"]),
            "note": note(chance),
            "receipt": None if chance.random() < 0.9 else "AAECAwQFBgcICQoLDA0ODw==",
            "tags": None if chance.random() < 0.8 else '["a","b, c"]',
        }


def cell(text):
    """Null is an empty cell; nothing, and what means something in CSV, stands in quotes."""
    if text is None:
        return ""
    if text and not any(character in text for character in ',"\n\r'):
        return text
    return '"' + text.replace('"', '""') + '"'


def write_csv(file, some):
    file.write(",".join(COLUMNS) + "\n")
    for row in some:
        file.write(",".join(cell(row[name]) for name in COLUMNS) + "\n")


BLOCK = 10000  # rows that `write_many` repeats, under other ids
MANY_SCHEMA = SCHEMA.replace("} key (id)", """\
  took: duration nullable indexed,
  balance: i128,
  ratio: f32,
  place: struct { x: f64, y: f64 nullable } nullable,
  paid: enum { cash, card string, parts struct { count: u8, first: i32 } },
  extra: any nullable,
} key (id)""")
MANY_COLUMNS = [*COLUMNS, *"took balance ratio place paid extra".split()]


def longer(row, number, chance):
    """The same with columns of more kinds; one note in five thousand has 100 KiB and more, in characters of each length."""
    if number % 5000 == 7:
        row["note"] = "".join(chance.choice(WORDS) + "☃ß𝄞" for _ in range(chance.randrange(9000, 15000)))
    row["took"] = None if chance.random() < 0.5 else f"{int(chance.paretovariate(1.0)) % 59 + 1}s"
    row["balance"] = str(chance.randrange(-10**30, 10**30))
    row["ratio"] = repr(chance.randrange(1000) / 8)
    row["place"] = None if chance.random() < 0.4 else chance.choice(['{"x":0.5,"y":null}', '{"x":-7.25,"y":1e+300}'])
    row["paid"] = chance.choice(["cash", '{"card":"4000, \\"x\\""}', '{"parts":{"count":3,"first":-250}}'])
    row["extra"] = None if chance.random() < 0.8 else chance.choice(['"text"', "[1,2.5,true]", '{"a":{"b":[]}}'])
    return row


def block(seed=1):
    chance = random.Random(seed)
    return [longer(row, number, chance) for number, row in enumerate(rows(BLOCK, seed))]


AS_THEY_ARE = {"id", "customer", "price", "weight", "gift", "tags", "balance", "ratio", "place", "extra"}


def field(name, text):
    if text is None or name in AS_THEY_ARE or text.startswith("{") and name == "paid":
        return "null" if text is None else text
    return json.dumps(text, ensure_ascii=False)


def write_many(file, count, kind="csv"):
    """`count` rows, ids 0, 1, 2 …: a row is that of `block()` at its id's place modulo BLOCK."""
    once = block()
    if kind == "csv":
        file.write(",".join(MANY_COLUMNS) + "\n")
        before, ends = "", ["," + ",".join(cell(row[name]) for name in MANY_COLUMNS[1:]) + "\n" for row in once]
    else:
        before = '{"id":'
        ends = ["".join(f',"{name}":{field(name, row[name])}' for name in MANY_COLUMNS[1:]) + "}\n" for row in once]
    for first in range(0, count, BLOCK):
        file.write("".join(f"{before}{first + i}{end}" for i, end in enumerate(ends[:count - first])))


if __name__ == "__main__":
    write_many(sys.stdout, int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2] if len(sys.argv) > 2 else "csv")
