#!/usr/bin/env python3
"""Scans of one moment, --snapshot: what others change meanwhile, and what a killed one leaves."""

import json
import signal
import subprocess
import unittest

from harness import CHIMERA, TIMEOUT_SECONDS, ChimeraTest

TABLE = "lab/main/values"
# A chunk has 16,384 rows at most, and a pipe holds far fewer.
COUNT = 50_000


class Moments(ChimeraTest):
    def make(self, target):
        schema = self.write_file("values.schema", "relation values = struct { id: u64, text: string } key (id)")
        rows = self.write_file("values.csv", "id,text\n" + "".join(f"{i},value {i}\n" for i in range(COUNT)))
        self.chimera("table", "create", target, TABLE, schema)
        self.chimera("table", "insert", target, TABLE, rows)
        return "id,text\n" + "".join(f"{i},value {i}\n" for i in range(COUNT))

    def begin_scan(self, target):
        """One that waits for its output to be taken, of which one line has been."""
        scan = subprocess.Popen([CHIMERA, "table", "scan", target, TABLE, "--index", "key", "--snapshot"],
                                stdout=subprocess.PIPE, text=True, cwd=self.folder)
        self.addCleanup(scan.stdout.close)
        self.addCleanup(scan.kill)
        self.assertEqual(scan.stdout.readline(), "id,text\n")
        return scan

    def clones(self, target):
        report = json.loads(self.chimera("check", target, "--json"))
        self.assertEqual(report["problems"], [])
        return report["scan_clones"]

    def test_a_scan_through_a_server_is_of_its_begin_and_a_killed_one_leaves_nothing_for_long(self):
        self.format("256M")
        server = self.serve(self.store)
        target = server.addresses[0]
        content = self.make(target)
        scan, killed = self.begin_scan(target), self.begin_scan(target)
        self.assertEqual(self.clones(target), 2)
        self.assertIn("clones of scans                    2\n", self.chimera("check", target))
        self.chimera("table", "truncate", target, TABLE)
        self.chimera("table", "column", "add", target, TABLE, "more: u8 nullable")
        killed.send_signal(signal.SIGKILL)
        killed.wait(TIMEOUT_SECONDS)
        self.assertTrue("id,text\n" + scan.stdout.read() == content)
        self.assertEqual(scan.wait(TIMEOUT_SECONDS), 0)
        self.assertEqual(self.clones(target), 1)
        self.wait_for_other_sessions(target)
        self.assertEqual(self.chimera("table", "export", target, TABLE, "-", "--snapshot"), "id,text,more\n")
        self.assertEqual(self.clones(target), 0)

    def test_a_store_of_ones_own(self):
        self.format("256M")
        content = self.make(self.store)
        program = self.chimera("table", "scan", self.store, TABLE, "--snapshot", "--explain")
        for words in ("at one moment", '"clone=', ":moment/", "delete device by force"):
            self.assertIn(words, program)
        self.write_file("program.asm", program)
        self.chimera("asm", "program.asm", "-o", "program.bin")
        devices = self.chimera("devices", self.store)
        self.assertTrue(self.chimera("table", "scan", self.store, TABLE, "--index", "key", "--snapshot") == content)
        self.assertEqual(self.chimera("devices", self.store), devices)
        self.assertNotIn(":moment", devices)


if __name__ == "__main__":
    unittest.main()
