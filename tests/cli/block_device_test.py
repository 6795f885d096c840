#!/usr/bin/env python3
"""Stores and images on block devices. Needs loop devices, which means root; skipped where there are none."""

import json
import os
import random
import subprocess
import unittest

import failing_flushes
from harness import CHIMERA, ChimeraTest

MIB = 1 << 20


class BlockDevice(ChimeraTest):
    def make_device(self, name, size):
        """A loop device, gone at the end of the test; its path and the file behind it."""
        backing = self.folder / name
        with open(backing, "wb") as file:
            file.truncate(size)
        try:
            done = subprocess.run(["losetup", "--find", "--show", backing], capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest("no losetup here")
        if done.returncode != 0:
            self.skipTest("no loop devices here: " + done.stderr.strip())
        device = done.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", device], check=True)
        return device, backing

    def test_a_store_takes_the_whole_device(self):
        device, backing = self.make_device("disk", 64 * MIB)
        self.assertIn("takes all of it", self.fails("format", device, "--size", "128M"))
        self.assertIn("takes all of it", self.fails("format", device, "--size", "32M"))
        self.chimera("format", device)
        self.assertEqual(json.loads(self.chimera("info", device, "--json"))["size"], 64 * MIB)
        image = self.write_file("image", random.Random(1).randbytes(20 * MIB))
        self.chimera("import", device, image, "disk")
        with open(backing, "ab") as file:
            file.truncate(96 * MIB)
        subprocess.run(["losetup", "--set-capacity", device], check=True)
        self.chimera("grow", device, "96M")
        self.assertIn("takes all of it", self.fails("grow", device, "97M"))
        self.assertIn("No problem", self.chimera("check", device))
        self.chimera("export", device, "back", "disk")
        self.assertEqual((self.folder / "back").read_bytes(), image.read_bytes())

    def test_a_device_is_given_space_back_when_it_is_trimmed_and_not_before(self):
        device, backing = self.make_device("disk", 64 * MIB)
        self.chimera("format", device)
        self.chimera("import", device, self.write_file("image", random.Random(1).randbytes(20 * MIB)), "disk")
        taken = os.stat(backing).st_blocks * 512
        self.assertGreater(taken, 20 * MIB)
        self.chimera("run", device, "-", text='open device "disk"\ndelete device\n')
        self.assertGreaterEqual(os.stat(backing).st_blocks * 512, taken)
        self.chimera("trim", device)
        self.assertLess(os.stat(backing).st_blocks * 512, taken - 19 * MIB)
        self.assertIn("No problem", self.chimera("check", device))

    def trim_with_refusals(self, device, all_of_them):
        try:
            return subprocess.run([CHIMERA, "trim", device, "--io", "posix"], capture_output=True, text=True,
                                  preexec_fn=lambda: failing_flushes.refuse_discards(all_of_them))
        except subprocess.SubprocessError:
            self.skipTest("no system call can be refused here (seccomp)")

    def test_a_device_that_punches_no_holes_discards_and_one_that_cannot_is_told_of(self):
        device, backing = self.make_device("disk", 64 * MIB)
        self.chimera("format", device)
        self.chimera("import", device, self.write_file("image", random.Random(1).randbytes(20 * MIB)), "disk")
        self.chimera("run", device, "-", text='open device "disk"\ndelete device\n')
        taken = os.stat(backing).st_blocks * 512
        done = self.trim_with_refusals(device, all_of_them=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("free space cannot be given back here: Operation not supported", done.stderr)
        self.assertGreaterEqual(os.stat(backing).st_blocks * 512, taken)
        done = self.trim_with_refusals(device, all_of_them=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertLess(os.stat(backing).st_blocks * 512, taken - 19 * MIB)
        self.assertIn("No problem", self.chimera("check", device))

    def test_a_foreign_device_is_formatted_only_by_force(self):
        device, _ = self.make_device("disk", 32 * MIB)
        with open(device, "r+b") as file:
            file.write(b"something precious" * 1000)
        self.assertIn("--force", self.fails("format", device))
        self.chimera("format", device, "--force")

    def test_what_file_systems_and_partition_tables_leave_behind_is_seen(self):
        for place in (64 << 10, 64 * MIB, 96 * MIB - 512):
            with self.subTest(place):
                device, _ = self.make_device(f"disk{place}", 96 * MIB)
                with open(device, "r+b") as file:
                    file.seek(place)
                    file.write(b"x")
                self.assertIn("--force", self.fails("format", device))

    def test_an_image_onto_a_device_overwrites_what_was_there_with_its_holes_too(self):
        self.format()
        content = bytes(3 * MIB) + random.Random(2).randbytes(5000) + bytes(2 * MIB)
        self.chimera("import", self.store, self.write_file("image", content), "disk")
        device, _ = self.make_device("target", 32 * MIB)
        old = random.Random(3).randbytes(32 * MIB)
        with open(device, "r+b") as file:
            file.write(old)
        self.assertIn("--force", self.fails("export", self.store, device, "disk"))
        self.chimera("export", self.store, device, "disk", "--force")
        with open(device, "rb") as file:
            self.assertEqual(file.read(), content + old[len(content):])
        self.chimera("import", self.store, device, "again")
        self.assertEqual(json.loads(self.chimera("devices", self.store, "--json"))[0]["length"], 32 * MIB)

    def test_a_device_that_is_too_short(self):
        self.format()
        self.chimera("import", self.store, self.write_file("image", os.urandom(2 * MIB)), "disk")
        device, _ = self.make_device("target", MIB)
        self.assertIn("are to be written", self.fails("export", self.store, device, "disk", "--force"))


if __name__ == "__main__":
    unittest.main()
