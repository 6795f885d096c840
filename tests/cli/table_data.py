#!/usr/bin/env python3
"""Rows for tests of tables: few customers have most of the orders, much is null, and some notes are long.

    tests/cli/table_data.py 1000000 > orders.csv
"""

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


if __name__ == "__main__":
    write_csv(sys.stdout, rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
