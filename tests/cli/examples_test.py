#!/usr/bin/env python3
"""The programs of examples/ do what they say."""

import os
import re
import subprocess
import unittest

from harness import CHIMERA, ROOT, TIMEOUT_SECONDS, ChimeraTest

EXAMPLES = ROOT / "examples"


class Examples(ChimeraTest):
    def test_every_program_runs_and_only_mistakes_makes_any(self):
        names = sorted(path.stem for path in EXAMPLES.glob("*.asm"))
        self.assertGreater(len(names), 6)
        for name in names:
            with self.subTest(name):
                if name == "disk_change":  # needs a disk image: `./dev demo` runs it
                    self.assertIn("LETTER", self.fails("asm", EXAMPLES / "disk_change.asm"))
                    continue
                done = self.run_command("run", ":memory:", EXAMPLES / f"{name}.asm")
                self.assertEqual(done.returncode, 1 if name == "mistakes" else 0, done.stdout + done.stderr)

    def test_comments_tell_the_truth(self):
        lock = self.chimera("run", ":memory:", EXAMPLES / "lock.asm")
        self.assertEqual(re.findall(r"swap byte @7 TAKEN +ok  (\S+)", lock), ["0x00", "0x01"])
        log = self.chimera("run", ":memory:", EXAMPLES / "log.asm")
        self.assertRegex(log, r'read bytes @4 #4 +ok  "two\\n"')
        rows = self.chimera("run", ":memory:", EXAMPLES / "rows.asm")
        self.assertRegex(rows, r"read length +ok  80\b")
        transfer = self.chimera("run", ":memory:", EXAMPLES / "transfer.asm")
        self.assertRegex(transfer, r'read bytes accounts @1 #2 +ok  "F2"')
        self.assertEqual(len(re.findall(r"(begin|commit|abort) +ok", transfer)), 4)
        clone = self.chimera("run", ":memory:", EXAMPLES / "clone.asm")
        self.assertRegex(clone, r'read bytes @1M #11 +ok  "chapter two"')
        self.assertIn("4096 bytes, differs", clone)
        first, second = re.findall(r"\b[0-9a-f]{64}\b", clone)
        self.assertEqual(first, second)

    def test_sparse_holds_little(self):
        self.format("16M")
        self.chimera("run", self.store, EXAMPLES / "sparse.asm")
        self.assertLess(os.stat(self.store).st_blocks * 512, 1 << 20)

    def test_the_demo_with_a_small_image(self):
        done = subprocess.run([EXAMPLES / "demo.sh", CHIMERA, "48"], capture_output=True, text=True,
                              timeout=TIMEOUT_SECONDS, env={**os.environ, "TMPDIR": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count(": the same"), 2)
        self.assertIn("DEAR READER", done.stdout)
        self.assertIn("the server ended with status 0", done.stdout)
        self.assertTrue(done.stdout.endswith("No problem was found.\n"))
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
