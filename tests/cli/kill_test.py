#!/usr/bin/env python3
"""Servers that are killed at random moments, hundreds of times, while sessions commit programs.

Each program writes its number to several places on two devices and appends it to a log. After the kill and a restart
the places have to agree, and whatever was acknowledged as durable has to be there. A failure names the seed:
KILL_SEED=… repeats all choices (not the moments, which the kernel's scheduler has a part in), KILLS=… their number.
"""

import os
import random
import select
import signal
import struct
import subprocess
import threading
import time
import unittest

import harness
from harness import ChimeraTest

# Where a program ends: with `begin` and `commit` it is one, and all of its places agree. With `sync` each of its
# instructions is one, and a kill may come between any two.
TRANSACTIONS = True

SEED = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
KILLS = int(os.environ.get("KILLS", 100 if "ASAN_OPTIONS" in os.environ else 300))  # the sanitizers are slow
KILLS_WITHOUT_JOURNAL = KILLS // 5
SESSIONS = 3
MOST_PROGRAMS = 120  # of a session, between two kills

BLOCK = 4096
COUNT_AT = 100
BLOCKS_AT, BLOCKS = 8192, 20
SPANNING_AT = 4090
METADATA_AT = 1 << 40
LOG_AT = 8192
BEGIN, COMMIT, SYNC = b"\xf8", b"\xf9", b"\xfb"


def ranged(opcode, device, offset, count):
    return bytes([opcode]) + device + struct.pack("<QI", offset, count)


def number_bytes(number):
    return struct.pack("<Q", number)


class Committer:
    """One session's two devices, what it has sent to them, and what was acknowledged."""

    # The statuses that answer a program, and where behind a status a result follows.
    ANSWERS = [1, 1, 1, 1, 9]
    ANSWER_SIZES = [1] + ANSWERS + [1] if TRANSACTIONS else ANSWERS + [1]

    def __init__(self, index):
        self.first, self.second = bytes([0xA0 + index]) * 16, bytes([0xB0 + index]) * 16
        self.names = f"first{index}", f"second{index}"
        self.durable = 0  # programs that were acknowledged
        self.sent = 0

    def creation(self):
        def create(device, name, length):
            return (b"\x71" + device + harness.name_operand(name) + struct.pack("<I", 0) +
                    b"\xd0" + device + struct.pack("<Q", length))

        return (create(self.first, self.names[0], BLOCKS_AT + BLOCKS * BLOCK) +
                create(self.second, self.names[1], LOG_AT))

    def program(self, number):
        eight = number_bytes(number)
        writes = (ranged(0x90, self.first, COUNT_AT, 8) + eight +
                  b"\xa0" + self.first + struct.pack("<Q", BLOCKS_AT + number % BLOCKS * BLOCK) + eight * (BLOCK // 8) +
                  ranged(0x90, self.second, SPANNING_AT, 8) + eight +
                  ranged(0xE8, self.first, METADATA_AT, 8) + eight +
                  b"\xd8" + self.second + struct.pack("<I", 8) + eight)
        return BEGIN + writes + COMMIT if TRANSACTIONS else writes + SYNC

    def begin(self, connection, count):
        """Sends so many programs from a thread of its own, as far as the server lives to take them."""
        self.connection, self.answers, self.first_number = connection, b"", self.durable + 1
        self.sent = self.durable + count
        data = b"".join(self.program(self.durable + 1 + n) for n in range(count))

        def send():
            try:
                connection.send(data)
            except OSError:
                pass

        self.sender = threading.Thread(target=send)
        self.sender.start()

    def receive(self):
        """What has come; False at the end."""
        try:
            piece = self.connection.socket.recv(1 << 16)
        except ConnectionError:
            return False
        self.answers += piece
        return piece != b""

    def acknowledged(self):
        return len(self.answers) // sum(self.ANSWER_SIZES)

    def end(self, test, may_be_refused):
        """Takes what the server had sent before it died, and looks at it."""
        while self.receive():
            pass
        self.sender.join()
        self.connection.close()
        at, number = 0, self.first_number
        while at < len(self.answers):
            for size in self.ANSWER_SIZES:
                if at + size > len(self.answers):
                    return
                if self.answers[at] != harness.OK:
                    test.assertTrue(may_be_refused, self.answers[at:at + 200])
                    return
                if size == 9:
                    test.assertEqual(struct.unpack_from("<Q", self.answers, at + 1)[0], LOG_AT + 8 * (number - 1))
                at += size
            self.durable = number
            number += 1

    # After the restart.

    def verify(self, test, connection):
        def ask(instruction, size):
            connection.send(instruction)
            status, result = connection.answer(size)
            test.assertEqual(status, harness.OK, result)
            return result

        def number_at(opcode, device, offset):
            return struct.unpack("<Q", ask(ranged(opcode, device, offset, 8), 8))[0]

        length, = struct.unpack("<Q", ask(b"\x50" + self.second, 8))
        test.assertEqual((length - LOG_AT) % 8, 0)
        logged = (length - LOG_AT) // 8
        # In the order of the program.
        found = [number_at(0x13, self.first, COUNT_AT), number_at(0x13, self.second, SPANNING_AT),
                 number_at(0x68, self.first, METADATA_AT), logged]
        test.assertGreaterEqual(logged, self.durable)
        test.assertLessEqual(found[0], self.sent)
        if TRANSACTIONS:
            test.assertEqual(found, [logged] * len(found))
        else:
            test.assertEqual(found, sorted(found, reverse=True))
            test.assertLessEqual(found[0] - logged, 1)
        blocks = ask(ranged(0x13, self.first, BLOCKS_AT, BLOCKS * BLOCK), BLOCKS * BLOCK)
        for place in range(BLOCKS):
            self.verify_block(test, place, blocks[place * BLOCK:(place + 1) * BLOCK], found)
        start = max(0, logged - 2000)
        log = ask(ranged(0x13, self.second, LOG_AT + 8 * start, 8 * (logged - start)), 8 * (logged - start))
        test.assertEqual(log, b"".join(number_bytes(number) for number in range(start + 1, logged + 1)))
        # What was begun and is not whole is done again.
        self.durable = self.sent = logged

    def verify_block(self, test, place, block, found):
        counted, logged = found[0], found[-1]
        allowed = {max(logged - (logged - place) % BLOCKS, 0)}  # the last whole program that wrote there, if any did
        if counted > logged and counted % BLOCKS == place:
            # Begun, and perhaps no further than its first place.
            allowed = {counted} if found[1] == counted else allowed | {counted}
        test.assertIn(block, [number_bytes(number) * (BLOCK // 8) for number in allowed])


class Killed(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.started = 0
        self.committers = [Committer(index) for index in range(SESSIONS)]

    def address(self):
        """The kernel closes the sockets of a killed process a moment later, so each server has one of its own."""
        self.started += 1
        return f"unix:{self.folder}/socket{self.started}"

    def start(self):
        kind = self.random.choice(["auto", "posix"])
        self.server = self.serve(listen=[self.address()], options=["--cache", "128M", "--io", kind])
        return harness.Connection(self.server.addresses[0])

    def kill_while_it_starts(self):
        """A crash within the recovery from the one before, or soon after it."""
        process = subprocess.Popen([harness.CHIMERA, "serve", str(self.store), "--cache", "128M",
                                    "--listen", self.address()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(self.random.random() * 0.03)
        process.kill()
        process.wait()
        harness.wait_for_lock(self.store)

    def commit_until(self, end):
        """All sessions commit without a pause until so many programs, by chance, are acknowledged; then `end` ends
        the server."""
        count = self.random.randrange(1, MOST_PROGRAMS)
        for committer in self.committers:
            committer.begin(harness.Connection(self.server.addresses[0]), count)
        by_socket = {committer.connection.socket: committer for committer in self.committers}
        wanted = self.random.randrange(SESSIONS * count)
        while sum(committer.acknowledged() for committer in self.committers) < wanted:
            answering = select.select(by_socket, [], [], harness.TIMEOUT_SECONDS)[0]
            self.assertTrue(answering, f"fewer than {wanted} programs have been answered, and no answer comes")
            for ready in answering:
                self.assertTrue(by_socket[ready].receive(), "the server has ended by itself")
        time.sleep(self.random.random() * 0.004)
        end()

    def kill(self):
        self.server.process.kill()
        for committer in self.committers:
            committer.end(self, may_be_refused=False)
        self.server.wait()

    def stop(self):
        """Whoever is not served any more is told so."""
        self.server.process.send_signal(signal.SIGTERM)
        for committer in self.committers:
            committer.end(self, may_be_refused=True)
        self.assertEqual(self.server.wait(), (0, ""))

    def one_turn(self):
        self.commit_until(self.stop if self.random.randrange(10) == 0 else self.kill)
        harness.wait_for_lock(self.store)
        if self.random.randrange(6) == 0:
            self.kill_while_it_starts()
        if self.random.randrange(20) == 0:
            self.assertIn("No problem", self.chimera("check", self.store))
        connection = self.start()
        for committer in self.committers:
            committer.verify(self, connection)
        connection.close()

    def kill_again_and_again(self, kills):
        print(f"KILL_SEED={SEED} KILLS={kills}", flush=True)
        connection = self.start()
        for committer in self.committers:
            connection.send(committer.creation() + SYNC)
            self.assertEqual([connection.answer(size)[0] for size in (16, 0, 16, 0, 0)], [harness.OK] * 5)
        connection.close()
        for turn in range(kills):
            try:
                self.one_turn()
            except Exception as error:
                error.add_note(f"KILL_SEED={SEED}, turn {turn} of {kills}")
                raise
        self.assertEqual(self.server.stop()[0], 0)
        self.assertIn("No problem", self.chimera("check", self.store))
        self.assertGreater(min(committer.durable for committer in self.committers), kills)

    def test_killed_at_any_moment(self):
        self.chimera("format", self.store, "--size", "64M", "--journal", "2M")
        self.kill_again_and_again(KILLS)

    def test_killed_at_any_moment_without_a_journal(self):
        self.chimera("format", self.store, "--size", "64M", "--journal", "0")
        self.kill_again_and_again(KILLS_WITHOUT_JOURNAL)


if __name__ == "__main__":
    unittest.main()
