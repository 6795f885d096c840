#!/usr/bin/env python3
"""Rows that are inserted through a server which ends meanwhile, and comes back or does not."""

import json
import re
import signal
import subprocess
import unittest

from harness import CHIMERA, TIMEOUT_SECONDS, ChimeraTest

TABLE = "lab/main/values"
BATCH = 32768
COUNT = BATCH + 5000
FIRST = BATCH + 1000  # lines that are given before the server ends


class Reconnecting(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.format("256M")
        self.server = self.serve()
        self.target = self.server.addresses[0]
        schema = self.write_file("values.schema", "relation values = struct { id: u64, text: string } key (id)")
        self.chimera("table", "create", self.target, TABLE, schema)
        self.lines = ["id,text\n"] + [f"{i},value {i}\n" for i in range(COUNT)]

    def insert_first_batch(self, *options):
        """An insert that has put a batch in, knows it, and waits for more rows: it reads on behind that alone, and what
        is written behind the batch is more than a small pipe and one read of it hold."""
        insert = subprocess.Popen([CHIMERA, "table", "insert", self.target, TABLE, "-", *options],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  pipesize=4096)
        self.addCleanup(insert.kill)
        insert.stdin.write("".join(self.lines[:FIRST]))
        insert.stdin.flush()
        self.assertEqual(self.chimera("table", "count", self.target, TABLE), f"{BATCH}\n")
        return insert

    def end(self, insert):
        said, errors = insert.communicate("".join(self.lines[FIRST:]), timeout=TIMEOUT_SECONDS)
        return insert.returncode, said + errors

    def check_all(self):
        self.assertEqual(self.chimera("table", "scan", self.target, TABLE, "--index", "key"),
                         "".join(self.lines))
        self.assertEqual(json.loads(self.chimera("check", self.target, "--json"))["problems"], [])

    def test_an_insert_outlives_the_server(self):
        insert = self.insert_first_batch()
        self.assertEqual(self.server.stop(signal.SIGTERM)[0], 0)
        self.serve()
        status, said = self.end(insert)
        self.assertEqual(status, 0, said)
        self.check_all()

    def test_also_one_that_is_killed(self):
        insert = self.insert_first_batch()
        self.server.kill_and_let_go(self.store)
        self.serve()
        status, said = self.end(insert)
        self.assertEqual(status, 0, said)
        self.check_all()

    def test_where_the_server_stays_away_it_says_what_is_in_doubt_and_how_to_go_on(self):
        insert = self.insert_first_batch("--reconnect", "100ms")
        self.server.kill_and_let_go(self.store)
        status, said = self.end(insert)
        self.assertEqual(status, 1)
        self.assertIn(f"{BATCH:,} rows are inserted for certain", said)
        self.assertIn(f"--skip {BATCH};", said)
        token = re.search(r'`(outcome of token hex"[0-9a-f]{32}")`', said)
        self.assertIsNotNone(token, said)
        self.serve()
        self.assertRegex(self.chimera("send", self.target, "-", text=token[1]), r'"  ok  0x00\n\Z')
        rows = self.write_file("values.csv", "".join(self.lines))
        self.chimera("table", "insert", self.target, TABLE, rows, "--skip", BATCH)
        self.check_all()

    def test_an_append_in_doubt_says_how_much_may_be_there(self):
        blobs, piece, under_way = "lab/main/blobs", 4 << 20, 4
        schema = self.write_file("blobs.schema", "relation blobs = struct { name: string, content: blob } key (name)")
        self.chimera("table", "create", self.target, blobs, schema)
        self.run_command("blob", "put", self.target, blobs, "one", "-", data=b"first")
        append = subprocess.Popen([CHIMERA, "blob", "append", self.target, blobs, "one", "-", "--reconnect", "100ms"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(append.kill)
        # Whoever has taken all but a pipe's fill of these has one piece above those that may be under way.
        content = bytes(range(1, 252)) * (((under_way + 2) * piece) // 251)
        append.stdin.write(content)
        append.stdin.flush()
        self.server.kill_and_let_go(self.store)
        said, errors = append.communicate(timeout=TIMEOUT_SECONDS)
        self.assertEqual(append.returncode, 1, errors)
        told = re.search(r"\n([0-9,]+) bytes are appended for certain. Up to ([0-9,]+) more", errors.decode())
        self.assertIsNotNone(told, errors)
        certain, more = (int(number.replace(",", "")) for number in told.groups())
        self.assertGreaterEqual(certain, piece)
        self.assertGreater(more, 0)
        self.serve()
        there = self.run_command("blob", "get", self.target, blobs, "one", "-").stdout
        self.assertTrue(certain <= len(there) - len(b"first") <= certain + more, (len(there), told))
        self.assertEqual(there, b"first" + content[:len(there) - len(b"first")])


if __name__ == "__main__":
    unittest.main()
