#!/usr/bin/env python3
"""Free space that a store gives back to its file system: chimera trim, and what happens without it."""

import ctypes
import json
import os
import random
import unittest

import nbd_client as nbd
from harness import wait_for_lock, wait_until

MIB = 1 << 20
KEEP_SIZE_AND_PUNCH = 3


def can_punch(folder):
    path = folder / "probe"
    path.write_bytes(b"x" * MIB)
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
        failed = libc.fallocate(file.fileno(), KEEP_SIZE_AND_PUNCH, ctypes.c_long(0), ctypes.c_long(MIB))
    path.unlink()
    return failed == 0


class Space(nbd.NbdTest):
    def setUp(self):
        super().setUp()
        if not can_punch(self.folder):
            self.skipTest(f"the file system of {self.folder} cannot punch holes")
        self.image = self.folder / "image"
        self.image.write_bytes(random.Random(1).randbytes(80 * MIB))

    def taken(self):
        """Bytes that the store's file takes of its file system."""
        return os.stat(self.store).st_blocks * 512

    def fill(self, *format_options, options=()):
        self.chimera("format", self.store, "--size", "256M", *format_options)
        self.chimera("import", self.store, self.image, "disk", *options)

    def is_good(self):
        self.assertEqual(json.loads(self.chimera("check", self.store, "--json"))["problem_count"], 0)

    def test_what_a_command_deletes_is_given_back_at_its_end(self):
        self.fill()
        before = self.taken()
        self.assertGreater(before, 80 * MIB)
        self.chimera("run", self.store, "-", text='open device "disk"\ndelete device\n')
        self.assertLess(self.taken(), before - 79 * MIB)
        self.assertEqual(os.stat(self.store).st_size, 256 * MIB)
        self.is_good()
        self.chimera("import", self.store, self.image, "disk")
        self.assertGreater(self.taken(), 80 * MIB)
        self.is_good()

    def test_what_a_snapshot_has_stays_until_it_goes_too(self):
        self.fill()
        before = self.taken()
        self.chimera("snapshot", self.store, "disk=disk@1")
        self.chimera("run", self.store, "-", text='open device "disk"\nclear extents @0 #40M\n')
        self.assertGreater(self.taken(), before - MIB)
        back = self.folder / "back"
        self.chimera("export", self.store, back, "disk@1")
        self.assertEqual(back.read_bytes(), self.image.read_bytes())
        uuid = next(d["uuid"] for d in json.loads(self.chimera("devices", self.store, "--json")) if "@" in d["name"])
        self.chimera("run", self.store, "-", text=f".device s {uuid}\nprotect device s 0\ndelete device s\n")
        self.assertLess(self.taken(), before - 39 * MIB)
        self.chimera("export", self.store, back, "disk", "--force")
        self.assertEqual(back.read_bytes(), bytes(40 * MIB) + self.image.read_bytes()[40 * MIB:])
        self.is_good()

    def test_a_server_gives_back_while_it_runs(self):
        for kind in ("uring", "posix"):
            with self.subTest(kind):
                self.store.unlink(missing_ok=True)
                self.fill()
                before = self.taken()
                server = self.serve(options=["--io", kind])
                self.chimera("send", server.addresses[0], "-", text='open device "disk"\nclear extents @0 #64M\n')
                self.shrinks_to(before - 63 * MIB)
                self.assertIn("given_back", self.chimera("info", server.addresses[0], "--json"))
                server.kill_and_let_go(self.store)
                self.is_good()
                back = self.folder / f"back-{kind}"
                self.chimera("export", self.store, back, "disk")
                self.assertEqual(back.read_bytes(), bytes(64 * MIB) + self.image.read_bytes()[64 * MIB:])

    def shrinks_to(self, most):
        wait_until(lambda: self.taken() <= most, f"the file to take {most} bytes at most")

    def test_a_trim_by_nbd_reaches_the_file(self):
        self.fill()
        before = self.taken()
        self.serve_nbd(self.store)
        client = self.attached("disk", extended=True)
        self.assertEqual(client.call(nbd.TRIM, 8 * MIB, 64 * MIB).error, 0)
        self.shrinks_to(before - 63 * MIB)
        self.assertEqual(client.call(nbd.READ, 8 * MIB, MIB).data, bytes(MIB))
        self.server.stop()
        self.is_good()

    def test_everything_deleted_takes_what_a_new_store_takes(self):
        self.chimera("format", self.store, "--size", "256M", "--journal", "2M")
        new = self.taken()
        for number in range(2):
            self.chimera("import", self.store, self.image, f"disk{number}")
            self.chimera("snapshot", self.store, f"disk{number}=disk@{number}")
            self.chimera("run", self.store, "-", text=f'open device "disk{number}"\nclear extents @5M #20M\n')
        self.assertGreater(self.taken(), 160 * MIB)
        for device in json.loads(self.chimera("devices", self.store, "--json")):
            text = f".device d {device['uuid']}\nprotect device d 0\ndelete device d\n"
            self.chimera("run", self.store, "-", text=text)
        # What has been written of the journal stays.
        self.assertLessEqual(self.taken(), new + 2 * MIB + MIB // 2)
        self.chimera("trim", self.store)
        self.assertLessEqual(self.taken(), new + 2 * MIB + MIB // 8)
        self.is_good()

    def test_what_is_to_be_kept_is_kept_until_it_is_trimmed(self):
        for name, format_options, options in (("preallocated", ["--preallocate"], []),
                                              ("kept", [], ["--keep-space"])):
            with self.subTest(name):
                self.store.unlink(missing_ok=True)
                self.fill(*format_options, options=options)
                before = self.taken()
                self.chimera("run", self.store, "-", *options, text='open device "disk"\ndelete device\n')
                self.assertGreaterEqual(self.taken(), before - MIB)
                given_back = json.loads(self.chimera("trim", self.store, "--json"))["given_back"]
                self.assertGreater(given_back, 80 * MIB)
                self.assertLess(self.taken(), before - 79 * MIB)
                self.is_good()

    def test_trim_is_of_a_store_that_nobody_uses(self):
        self.fill()
        self.assertIn("free space", self.chimera("trim", self.store))
        self.assertIn("no file", self.fails("trim", ":memory:"))
        server = self.serve()
        self.assertIn("stop it", self.fails("trim", server.addresses[0]))
        self.assertIn("in use by process", self.fails("trim", self.store))
        server.stop()
        wait_for_lock(self.store)


if __name__ == "__main__":
    unittest.main()
