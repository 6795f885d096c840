#!/usr/bin/env python3
"""What the kernel does to a server: a file system that is full, writes that fail, flushes that fail.

Whatever happens: nothing that was acknowledged as durable is lost, reads go on, nothing that failed is tried again, and
when the store is opened anew everything goes on.
"""

import json
import os
import resource
import struct
import unittest

import harness
import namespaces
from failing_flushes import FailingFlushes
from harness import ChimeraTest, create_device, open_device, read_bytes_at, write_bytes_at

CHUNK = 64 << 10
FLUSH = b"\xcc"
LOOPS = ["auto", "posix"]
NO_MORE = "the store takes no more writes until it is opened again"
NO_ROOM = f"there is no room for the store's file ({{}}); {NO_MORE} with room for it"
FAILED = f"the disk has failed (Input/output error); {NO_MORE}"


def chunk(number):
    return struct.pack("<Q", number) * (CHUNK // 8)


class Writer:
    """Writes numbered chunks, each with a flush, and knows which of them are durable."""

    def __init__(self, test, server, is_new=False):
        self.test, self.connection = test, test.connect(server.addresses[0])
        self.connection.send(create_device("d") if is_new else open_device("d"))
        test.assertEqual(self.connection.answer(16)[0], harness.OK)

    def write(self, number):
        """The statuses of the write and of its flush."""
        self.connection.send(write_bytes_at(number * CHUNK, chunk(number)) + FLUSH)
        return self.connection.answer()[0], self.connection.answer()[0]

    def write_until_refused(self, first=0):
        """How many are durable."""
        number = first
        while self.write(number) == (harness.OK, harness.OK):
            number += 1
        return number

    def verify(self, count):
        for number in range(count):
            self.connection.send(read_bytes_at(number * CHUNK, CHUNK))
            self.test.assertEqual(self.connection.answer(CHUNK), (harness.OK, chunk(number)), number)

    def verify_failed(self, count):
        """Nothing is written any more, and all that was durable can be read."""
        for _ in range(3):
            self.test.assertEqual(self.write(count), (harness.IO_ERROR, harness.IO_ERROR))
        self.connection.send(create_device("another"))
        self.test.assertEqual(self.connection.answer(16)[0], harness.IO_ERROR)
        self.connection.send(open_device("d"))
        self.test.assertEqual(self.connection.answer(16)[0], harness.OK)
        self.verify(count)


class DiskFault(ChimeraTest):
    def state(self, server):
        return json.loads(self.chimera("info", server.addresses[0], "--json"))["state"]

    def verify_reopened(self, count):
        """With the fault gone: all is there, and goes on."""
        server = self.serve()
        self.assertEqual(self.state(server), "good")
        writer = Writer(self, server)
        writer.verify(count)
        self.assertEqual(writer.write(count), (harness.OK, harness.OK))
        writer.connection.close()
        self.assertEqual(server.stop(), (0, ""))
        self.assertIn("No problem", self.chimera("check", self.store))
        server = self.serve()
        writer = Writer(self, server)
        writer.verify(count + 1)
        writer.connection.close()
        self.assertEqual(server.stop(), (0, ""))

    def end(self, server, writer, how, why):
        """The server has said once why the store has failed, and an end that cannot make anything durable says so."""
        writer.connection.close()
        if how == "kill":
            return server.kill_and_let_go(self.store)
        status, errors = server.stop()
        self.assertEqual(status, 1)
        when_it_failed, at_the_end = errors.splitlines()
        self.assertEqual(when_it_failed, f"chimera: {why}")
        self.assertIn(f"could not be made durable: {why}", at_the_end)


class FullFileSystem(DiskFault):
    """A store in a file with holes, which is what `format` makes, on a file system that is smaller than it."""

    @classmethod
    def setUpClass(cls):
        namespaces.enter_mount_namespace()

    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        try:
            namespaces.mount_memory(self.disk, 24 << 20)
        except OSError as error:
            self.skipTest(f"no file system of our own: {error}")
        self.addCleanup(namespaces.unmount, self.disk)
        self.store = self.disk / "store.img"

    def fill(self, loop):
        self.format("256M")
        server = self.serve(options=["--io", loop])
        writer = Writer(self, server, is_new=True)
        count = writer.write_until_refused()
        self.assertGreater(count, 50)
        self.assertLess(count * CHUNK, 24 << 20)
        writer.verify_failed(count)
        self.assertEqual(self.state(server), "failed")
        self.assertRegex(self.chimera("info", server.addresses[0]),
                         r"(?m)^failure +there is no room for the store's file \(.*; the store takes no more writes")
        self.assertIn("\nFAILED: there is no room for the store's file (",
                      self.chimera("top", server.addresses[0], "--once", "--interval", "100ms"))
        return server, writer, count

    def test_nothing_is_lost_and_with_room_everything_goes_on(self):
        for loop in LOOPS:
            for how in ("kill", "stop"):
                with self.subTest(loop=loop, how=how):
                    server, writer, count = self.fill(loop)
                    self.end(server, writer, how, NO_ROOM.format("No space left on device"))
                    namespaces.mount_memory(self.disk, 400 << 20, namespaces.MS_REMOUNT)
                    self.verify_reopened(count)
                    self.store.unlink()
                    namespaces.mount_memory(self.disk, 24 << 20, namespaces.MS_REMOUNT)

    def test_while_it_is_full_the_store_can_be_opened_and_read(self):
        server, writer, count = self.fill("auto")
        self.end(server, writer, "kill", NO_ROOM.format("No space left on device"))
        server = self.serve()
        Writer(self, server).verify(count)
        server.kill_and_let_go(self.store)
        self.chimera("export", self.store, self.folder / "copy", "d")
        self.assertEqual((self.folder / "copy").read_bytes()[:count * CHUNK],
                         b"".join(chunk(number) for number in range(count)))

    def test_with_all_its_blocks_laid_out_a_store_needs_no_room(self):
        said = self.fails("format", self.store, "--size", "64M", "--preallocate")
        self.assertIn(f"Cannot write {self.store}: No space left on device.", said)
        self.chimera("format", self.store, "--size", "16M", "--preallocate")
        (self.disk / "ballast").write_bytes(bytes(os.statvfs(self.disk).f_bavail * os.statvfs(self.disk).f_bsize))
        server = self.serve()
        writer = Writer(self, server, is_new=True)
        number = 0
        while (statuses := writer.write(number)) == (harness.OK, harness.OK):
            number += 1
        # It is the store that is full by now.
        self.assertEqual(statuses[0], harness.NO_SPACE)
        self.assertEqual(self.state(server), "good")
        writer.connection.close()
        self.assertEqual(server.stop(), (0, ""))


class FullFolder(DiskFault):
    """A file that is served in place, with holes, on a file system that is smaller than it."""

    @classmethod
    def setUpClass(cls):
        namespaces.enter_mount_namespace()

    def setUp(self):
        super().setUp()
        self.attached = self.folder / "attached"
        self.attached.mkdir()
        try:
            namespaces.mount_memory(self.attached, 3 << 20)
        except OSError as error:
            self.skipTest(f"no file system of our own: {error}")
        self.addCleanup(namespaces.unmount, self.attached)
        with open(self.attached / "file", "wb") as file:
            file.truncate(64 << 20)
        self.format("64M")

    def open(self, loop, options=None):
        server = self.serve(options=["--io", loop, "--attach", self.attached])
        connection = self.connect(server.addresses[0])
        connection.send(create_device("d", options=options) if options else open_device("d"))
        self.assertEqual(connection.answer(16)[0], harness.OK)
        return server, connection

    def write(self, connection, number, in_transaction):
        """What the flush or commit is answered; OK, or the status with its words."""
        write = write_bytes_at(number * CHUNK, chunk(number))
        connection.send(b"\xf8" + write + b"\xf9" if in_transaction else write + FLUSH)
        if in_transaction:
            self.assertEqual(connection.answer()[0], harness.OK)
        written, ended = connection.answer(), connection.answer()
        return ended if ended[0] != harness.OK and written[0] == harness.OK else written

    def verify(self, connection, count):
        for number in range(count):
            connection.send(read_bytes_at(number * CHUNK, CHUNK))
            self.assertEqual(connection.answer(CHUNK), (harness.OK, chunk(number)), number)

    def test_nothing_is_lost_the_answer_says_what_to_do_and_the_rest_goes_on(self):
        for loop in LOOPS:
            for in_transaction in (False, True):
                with self.subTest(loop=loop, in_transaction=in_transaction):
                    self.fill_and_make_room(loop, in_transaction)

    def fill_and_make_room(self, loop, in_transaction):
        server, connection = self.open(loop, "kind=file,path=file")
        count = 0
        while (said := self.write(connection, count, in_transaction))[0] == harness.OK:
            count += 1
            self.assertLess(count, 1000)
        self.assertGreaterEqual(count, 30)
        self.assertEqual(said[0], harness.IO_ERROR)
        self.assertRegex(said[1], "No space left on device; make room for it: .* until the store is opened again")
        self.verify(connection, count)
        # Other devices have nothing to do with it.
        connection.send(create_device("pool") + write_bytes_at(0, chunk(7)) + FLUSH)
        self.assertEqual([connection.answer(size)[0] for size in (16, 0, 0)], [harness.OK] * 3)
        connection.close()
        server.kill_and_let_go(self.store)
        namespaces.mount_memory(self.attached, 80 << 20, namespaces.MS_REMOUNT)
        server, connection = self.open(loop)
        self.verify(connection, count)
        self.assertEqual(self.write(connection, count, in_transaction)[0], harness.OK)
        connection.send(FLUSH + open_device("pool") + read_bytes_at(0, CHUNK))
        self.assertEqual([connection.answer(size) for size in (0, 16, CHUNK)][2], (harness.OK, chunk(7)))
        connection.close()
        self.assertEqual(server.stop(), (0, ""))
        with open(self.attached / "file", "rb") as file:
            for number in range(count + 1):
                self.assertEqual(file.read(CHUNK), chunk(number))
        self.assertIn("No problem", self.chimera("check", self.store))
        self.store.unlink()
        self.format()
        with open(self.attached / "file", "wb") as file:
            file.truncate(64 << 20)
        namespaces.mount_memory(self.attached, 3 << 20, namespaces.MS_REMOUNT)


class FailingWrites(DiskFault):
    """The limit of a file's size (ulimit -f), set while the server runs: writes behind it fail, as on a bad disk."""

    def test_the_store_refuses_writes_and_is_read_until_it_is_opened_again(self):
        for loop in LOOPS:
            for how in ("kill", "stop"):
                with self.subTest(loop=loop, how=how):
                    self.format("64M")
                    server = self.serve(options=["--io", loop])
                    writer = Writer(self, server, is_new=True)
                    for number in range(20):
                        self.assertEqual(writer.write(number), (harness.OK, harness.OK))
                    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
                    count = writer.write_until_refused(20)
                    writer.verify_failed(count)
                    self.assertEqual(self.state(server), "failed")
                    # The disk is well again, but what it has not taken is not on it.
                    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE,
                                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                    writer.verify_failed(count)
                    self.end(server, writer, how, NO_ROOM.format("File too large"))
                    self.verify_reopened(count)
                    self.store.unlink()


class FailingFlush(DiskFault):
    def test_a_flush_that_has_failed_is_not_tried_again(self):
        for how in ("kill", "stop"):
            with self.subTest(how=how):
                flushes = FailingFlushes()
                self.addCleanup(flushes.close)
                self.format("64M")
                server = self.serve(options=["--io", "posix"], prepare=flushes.install)
                flushes.check()
                writer = Writer(self, server, is_new=True)
                for number in range(20):
                    self.assertEqual(writer.write(number), (harness.OK, harness.OK))
                flushes.fails = True
                self.assertEqual(writer.write(20), (harness.OK, harness.IO_ERROR))
                # The kernel would say that all is well the next time, and it would not be true.
                flushes.fails = False
                writer.verify_failed(20)
                self.assertEqual(self.state(server), "failed")
                self.end(server, writer, how, FAILED)
                self.assertEqual(flushes.failed, 1)
                self.verify_reopened(20)
                self.store.unlink()


if __name__ == "__main__":
    unittest.main()
