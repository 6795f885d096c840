#!/usr/bin/env python3
"""The units for systemd: right in form, and as closed as they say; its own tools look at them."""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import CHIMERA, ROOT, ChimeraTest

UNITS = {"instance.service.in": "chimera@.service", "instance.socket": "chimera@.socket",
         "nbd.socket": "chimera-nbd@.socket", "metrics.socket": "chimera-metrics@.socket"}
MOST_EXPOSURE = 1.5  # of 10, as systemd-analyze counts it


@unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
class Units(ChimeraTest):
    def setUp(self):
        super().setUp()
        folder = self.folder / "units"
        folder.mkdir()
        bindir = self.folder / "bin"
        bindir.mkdir()
        (bindir / "chimera").symlink_to(CHIMERA)
        for source, unit in UNITS.items():
            text = (ROOT / "service" / source).read_text().replace("@bindir@", str(bindir))
            (folder / unit.replace("@", "@disks")).write_text(text)
        self.units = sorted(folder.iterdir())

    def analyze(self, *arguments):
        environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{self.folder}/units:"}
        return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True,
                              env=environment, stdin=subprocess.DEVNULL)

    def test_systemd_finds_nothing_wrong_with_them(self):
        done = self.analyze("verify", "--man=no", *self.units)
        ours = [line for line in done.stderr.splitlines() if "chimera" in line]
        self.assertEqual((ours, done.returncode), ([], 0), done.stderr)

    def test_the_service_is_closed_to_what_it_does_not_need(self):
        service = self.folder / "units" / "chimera@disks.service"
        done = self.analyze("security", "--offline=yes", "--no-pager", f"--threshold={int(MOST_EXPOSURE * 10)}", service)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_calls_of_the_rings_are_not_filtered(self):
        text = (ROOT / "service" / "instance.service.in").read_text()
        allowed, denied = (line.split("=", 1)[1].lstrip("~").split() for line in text.splitlines()
                           if line.startswith("SystemCallFilter="))
        listed = {name: self.analyze("syscall-filter", name).stdout.split() for name in (*allowed, *denied)
                  if name.startswith("@")}

        def expand(names):
            for name in names:
                if name.startswith("@"):
                    members = listed.get(name) or self.analyze("syscall-filter", name).stdout.split()
                    yield from expand(word for word in members[1:] if not word.startswith("#"))
                else:
                    yield name

        calls = set(expand(allowed)) - set(expand(denied))
        for name in ("io_uring_setup", "io_uring_enter", "io_uring_register", "pwritev2", "fallocate", "flock",
                     "signalfd4", "eventfd2", "accept4", "prlimit64", "timerfd_create"):
            self.assertIn(name, calls)

    def test_the_example_of_a_configuration_is_right(self):
        done = self.run_command("serve", "--config", ROOT / "service" / "store.conf", "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
