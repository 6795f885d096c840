#!/usr/bin/env python3
"""chimera top: on a terminal of a given size, and where there is none."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import unittest

import harness
from harness import ChimeraTest, create_device, open_device, read_bytes_at, write_bytes_at

ESCAPE = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, arguments, columns, rows):
        self.ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen([harness.CHIMERA, *arguments], stdin=theirs, stdout=theirs,
                                        stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm"},
                                        preexec_fn=lambda: self.own(theirs))
        self.theirs = theirs
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character
        self.seen = ""

    @staticmethod
    def own(terminal):
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    def resize(self, columns, rows):
        self.columns = columns
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, wanted):
        """Reads on until that is seen; all that was read."""
        piece = ""
        while not re.search(wanted, piece):
            if not select.select([self.ours], [], [], harness.TIMEOUT_SECONDS)[0]:
                raise AssertionError(f"no {wanted!r} in {piece!r}")
            piece += self.decoder.decode(os.read(self.ours, 1 << 16))
        self.seen += piece
        return piece

    def screen(self):
        """The lines of the next whole screen."""
        text = self.read_until(r"\x1b\[H(?s:.*?)\x1b\[J")
        last = text.rsplit("\x1b[J", 1)[0].rsplit("\x1b[H", 1)[1]
        return [ESCAPE.sub("", line) for line in last.replace("\r\r\n", "\r\n").split("\r\n")]

    def end(self):
        status = self.process.wait(harness.TIMEOUT_SECONDS)
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        after = termios.tcgetattr(self.theirs)
        os.close(self.theirs)
        try:
            while piece := os.read(self.ours, 1 << 16):
                self.seen += self.decoder.decode(piece)
        except OSError:  # nobody has the other end any more, and all of it has been read
            pass
        os.close(self.ours)
        return status, errors, after == self.before


class Top(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(self.format())
        worker = self.connect(self.server.addresses[0])
        worker.send(create_device("d") + write_bytes_at(0, b"abc") + b"\xcc" + read_bytes_at(0, 3) + open_device("x"))
        for size in (16, 0, 0, 3):
            self.assertEqual(worker.answer(size)[0], harness.OK)
        worker.answer()
        self.worker = worker

    def top(self, *options, columns=80, rows=24):
        return Terminal(["top", self.server.addresses[0], "--interval", "100ms", *options], columns, rows)

    @staticmethod
    def fits(lines, columns, rows):
        """A screen of that size, and with what only a large one has."""
        return (max(map(len, lines)) <= columns and len(lines) <= rows and
                (rows < 40 or re.search(r"\bread bytes +\S+ +1\b", "\n".join(lines)) is not None))

    def test_it_fits_the_terminal_whatever_its_size_and_ends_with_q(self):
        terminal = self.top()
        for columns, rows in ((80, 24), (120, 40), (40, 10), (20, 3)):
            terminal.resize(columns, rows)
            # The first ones may be of before.
            harness.wait_until(lambda: self.fits(terminal.screen(), columns, rows), f"a screen of {columns} x {rows}",
                               terminal.process)
            for _ in range(3):
                lines = terminal.screen()
                self.assertTrue(self.fits(lines, columns, rows), lines)
                self.assertTrue(lines[0].startswith("chimera top"), lines)
        os.write(terminal.ours, b"xq")
        self.assertEqual(terminal.end(), (0, "", True))
        self.assertEqual((terminal.seen.count(ENTER), terminal.seen.count(LEAVE)), (1, 1))

    def test_signals_leave_the_terminal_as_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            terminal = self.top()
            terminal.screen()
            terminal.process.send_signal(number)
            self.assertEqual(terminal.end(), (0, "", True))
            self.assertTrue(terminal.seen.endswith(LEAVE))

    def test_a_stop_gives_the_terminal_back_meanwhile(self):
        terminal = self.top()
        terminal.screen()
        terminal.process.send_signal(signal.SIGTSTP)
        terminal.read_until(re.escape(LEAVE))
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.assertEqual(termios.tcgetattr(terminal.theirs), terminal.before)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.read_until(re.escape(ENTER))
        terminal.screen()
        os.write(terminal.ours, b"q")
        self.assertEqual(terminal.end(), (0, "", True))

    def test_a_server_that_goes_ends_it(self):
        terminal = self.top()
        terminal.screen()
        self.worker.close()
        self.server.kill()
        status, errors, is_restored = terminal.end()
        self.assertEqual((status, is_restored), (1, True))
        self.assertIn("chimera: ", errors)

    def test_without_a_terminal_it_prints_lines(self):
        text = self.chimera("top", self.server.addresses[0], "--once", "--interval", "100ms")
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, r"(?m)^flush, commit ")
        self.assertRegex(text, r"(?m)^not found +0 +1$")
        with subprocess.Popen([harness.CHIMERA, "top", self.server.addresses[0], "--interval", "100ms"],
                              stdout=subprocess.PIPE, text=True) as process:
            heads = 0
            while heads < 3:
                line = process.stdout.readline()
                self.assertNotEqual(line, "", "it has ended by itself")
                heads += line.startswith("chimera top")
            process.stdout.close()
            self.assertEqual(process.wait(harness.TIMEOUT_SECONDS), -signal.SIGPIPE)

    def test_rates_are_those_of_the_interval(self):
        before = self.chimera("top", self.server.addresses[0], "--once", "--interval", "100ms")
        self.assertRegex(before, r"(?m)^write bytes +0 +1\b|  write bytes +0 +1\b")

    def test_it_tells_which_device_is_busy(self):
        other = self.connect(self.server.addresses[0])
        stop = threading.Event()

        def write():
            other.send(open_device("d"))
            other.answer(16)
            while not stop.is_set():
                other.send(write_bytes_at(0, bytes(4096)))
                other.answer()

        writer = threading.Thread(target=write)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(stop.set)
        text = self.chimera("top", self.server.addresses[0], "--once", "--interval", "1s")
        self.assertRegex(text, r"(?m)^DEVICES +reads +read +writes +written$")
        self.assertRegex(text, r"(?m)^d +0/s +0/s +[1-9]\S*/s +[1-9]\S*/s$")

    def test_wrong_usage(self):
        for interval in ("0", "99ms", "soon"):
            self.fails("top", self.server.addresses[0], "--interval", interval, status=2)
        self.assertIn("is not an address", self.fails("top", self.store))


if __name__ == "__main__":
    unittest.main()
