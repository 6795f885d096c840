#!/usr/bin/env python3
"""What a server allows its clients, and what it takes of the computer."""

import os
import re
import resource
import struct
import threading
import unittest

import harness
from harness import ChimeraTest, create_device, open_device, read_bytes_at, write_bytes_at

HELLO, HELLO_SIZE = b"\xfd\0\0", 31
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size_of(text):
    number, unit = re.fullmatch(r"([\d.]+)([KMGT]?)", text).groups()
    return float(number) * UNITS[unit]


class Timeouts(ChimeraTest):
    def test_a_client_that_asks_for_nothing(self):
        server = self.serve(":memory:", options=["--idle-timeout", "100ms"])
        client = self.connect(server.addresses[0])
        self.assertTrue(client.at_end())
        self.assertEqual(server.stop(), (0, ""))

    def test_a_client_that_stops_within_an_instruction(self):
        server = self.serve(":memory:", options=["--stall-timeout", "100ms"])
        client = self.connect(server.addresses[0])
        client.send(write_bytes_at(0, b"never")[:-1])
        self.assertTrue(client.at_end())

    def test_a_client_that_does_not_take_its_answers(self):
        server = self.serve(":memory:", options=["--stall-timeout", "100ms"])
        client = self.connect(server.addresses[0])
        client.send(create_device("d") + write_bytes_at((1 << 20) - 1, b"x") + read_bytes_at(0, 1 << 20) * 64)
        other = self.connect(server.addresses[0])

        def deletes():
            other.send(open_device("d") + b"\xf4")
            self.assertIn(other.answer(16)[0], (harness.OK, harness.NOT_FOUND))
            return other.answer()[0] == harness.OK

        harness.wait_until(deletes, "the client to be let go", server.process)
        with self.assertRaises((EOFError, ConnectionError)):
            client.read(64 << 20)

    def test_help_says_what_holds_unless_told_otherwise(self):
        text = " ".join(self.chimera("serve", "--help").split())
        for option, default in (("idle-timeout", "default 0: never"), ("stall-timeout", "default 5m"),
                                ("transfer-timeout", "default 10s"), ("stop-deadline", "default 10s")):
            self.assertRegex(text, rf"--{option} TIME [^-]*\({default}")


class Descriptors(ChimeraTest):
    def limit(self, soft, hard):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def hold(self, server, count):
        held = [self.connect(server.addresses[0]) for _ in range(count)]
        for connection in held:
            connection.send(HELLO)
            self.assertEqual(connection.answer(HELLO_SIZE)[0], harness.OK)
        return held

    def test_the_limit_is_raised_for_all_connections(self):
        server = self.serve(":memory:", options=["--connections", "300"], prepare=self.limit(64, 400))
        self.hold(server, 300)
        self.assertEqual(server.stop(), (0, ""))

    def test_where_it_cannot_be_raised_there_are_fewer_connections(self):
        server = self.serve(":memory:", options=["--connections", "300"], prepare=self.limit(64, 128))
        allowed = int(re.search(r"at most (\d+) connections", server.banner[0]).group(1))
        self.assertLess(allowed, 128)
        held = self.hold(server, allowed)
        waiting = self.connect(server.addresses[0])
        waiting.send(HELLO)
        held[0].close()
        self.assertEqual(waiting.answer(HELLO_SIZE)[0], harness.OK)
        status, errors = server.stop()
        self.assertEqual(status, 0)
        self.assertIn(f"is enough for {allowed} connections, not for 300", errors)

    def test_with_all_of_them_used_up_others_wait_and_the_rest_is_served(self):
        server = self.serve(":memory:", options=["--connections", "300"])
        held = self.hold(server, 20)
        taken = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (taken + 3, 1024))
        waiting = [self.connect(server.addresses[0]) for _ in range(10)]
        for connection in waiting:
            connection.send(HELLO)
        for connection in held:
            connection.send(HELLO)
            self.assertEqual(connection.answer(HELLO_SIZE)[0], harness.OK)
            connection.close()
        for connection in waiting:
            self.assertEqual(connection.answer(HELLO_SIZE)[0], harness.OK)


class Memory(ChimeraTest):
    def plan(self, server):
        """The line that says what is taken at most, as its parts: bytes by name."""
        line = server.banner[1]
        total, rest = re.fullmatch(r"memory: (\S+) at most: (.*)\n", line).groups()
        parts = {}
        for part in rest.split(", "):
            if connections := re.fullmatch(r"([\d,]+) connections of (\S+)", part):
                count, size = connections.groups()
                parts["connection"] = size_of(size)
                parts["connections"] = int(count.replace(",", "")) * size_of(size)
            else:
                name, size = part.rsplit(" ", 1)
                parts[name] = size_of(size)
        return size_of(total), parts

    def peak(self, server):
        with open(f"/proc/{server.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) << 10

    def most(self, server):
        """Of what it has said, without what the test does not use."""
        total, parts = self.plan(server)
        return total - sum(parts[name] for name in ("transactions", "open devices", "devices in memory"))

    def test_it_is_said_at_the_start_and_follows_the_options(self):
        self.chimera("format", self.store, "--size", "64M", "--journal", "4M")
        server = self.serve(options=["--cache", "200M", "--memory", "50M", "--connections", "3"])
        total, parts = self.plan(server)
        self.assertEqual((parts["cache"], parts["devices in memory"]), (200 << 20, 50 << 20))
        self.assertGreaterEqual(parts["journal"], 4 << 20)
        self.assertLess(parts["connection"], 2 << 20)
        self.assertEqual(parts["transfers"], 256 << 20)
        self.assertAlmostEqual(sum(parts.values()) - parts["connection"], total, delta=total / 50)
        self.assertEqual(server.stop()[0], 0)
        server = self.serve(":memory:", options=["--memory", "50M"])
        total, parts = self.plan(server)
        self.assertNotIn("cache", parts)
        self.assertAlmostEqual(parts["connections"], 4096 * parts["connection"])
        # What it takes beside the devices is no more than a small computer has.
        self.assertLess(total, 7 << 30)
        self.assertEqual(server.stop()[0], 0)
        server = self.serve(":memory:", options=["--memory", "50M", "--transfer-memory", "100M", "--connections", "10"],
                            nbd=[f"unix:{self.folder}/nbd"])
        total, parts = self.plan(server)
        self.assertEqual(parts["transfers"], 100 << 20)
        self.assertLess(parts["connection"], 3 << 20)
        self.assertIn("100M", self.fails("serve", ":memory:", "--listen", f"unix:{self.folder}/other",
                                         "--transfer-memory", "99M", status=2))

    def test_the_readme_shows_what_is_said(self):
        self.chimera("format", self.store)
        server = self.serve()
        shown, = re.findall(r"^ +memory: \S+ at most: (.*)…$", (harness.ROOT / "README.md").read_text(), re.MULTILINE)
        self.assertIn(f"at most: {shown}", server.banner[1])
        self.assertEqual(server.stop()[0], 0)

    def test_devices_in_memory_have_that_much_and_no_more(self):
        for store in (":memory:", self.format()):
            server = self.serve(store, options=["--memory", "4M"])
            connection = self.connect(server.addresses[0])
            connection.send(create_device("d", "", "kind=memory") + write_bytes_at(0, bytes(3 << 20)) +
                            write_bytes_at(3 << 20, bytes(2 << 20)) + read_bytes_at(0, 3 << 20))
            self.assertEqual([connection.answer(size)[0] for size in (16, 0, 0, 3 << 20)],
                             [harness.OK, harness.OK, harness.NO_SPACE, harness.OK])
            self.assertEqual(server.stop()[0], 0)

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "the address sanitizer takes memory of its own")
    def test_what_is_said_is_what_is_taken_at_most(self):
        self.format("512M")
        server = self.serve(options=["--cache", "128M", "--memory", "1M", "--connections", "4",
                                     "--transfer-memory", "300M"])
        total, _ = self.plan(server)
        connections = [self.connect(server.addresses[0]) for _ in range(4)]
        largest = 32 << 20
        for number, connection in enumerate(connections):
            connection.send(create_device(f"d{number}"))
            self.assertEqual(connection.answer(16)[0], harness.OK)
        # Each brings and asks for the most, twice, and takes nothing before all have: what they swap waits for them.
        for _ in range(2):
            for number, connection in enumerate(connections):
                connection.send(write_bytes_at(0, bytes([number]) * largest))
            for number, connection in enumerate(connections):
                connection.send(b"\x9a" + struct.pack("<QI", 0, largest) + bytes([number + 1]) * largest)
            for number, connection in enumerate(connections):
                self.assertEqual(connection.answer()[0], harness.OK)
                self.assertEqual(connection.answer(largest), (harness.OK, bytes([number]) * largest))
        peak = self.peak(server)
        self.assertLess(peak, total)
        self.assertGreater(peak, 200 << 20)  # it was worth the trouble

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "the address sanitizer takes memory of its own")
    def test_many_clients_with_the_largest_transfers_take_turns(self):
        self.format("1G")
        server = self.serve(options=["--cache", "128M", "--connections", "16", "--transfer-memory", "100M"])
        largest, faults = 32 << 20, []

        def transfer(number):
            try:
                connection = self.connect(server.addresses[0])
                connection.send(create_device(f"d{number}") + write_bytes_at(0, bytes([number]) * largest))
                assert [connection.answer(16)[0], connection.answer()[0]] == [harness.OK, harness.OK]
                connection.send(b"\x9a" + struct.pack("<QI", 0, largest) + bytes([number + 1]) * largest)
                assert connection.answer(largest) == (harness.OK, bytes([number]) * largest)
                connection.send(read_bytes_at(0, largest))
                assert connection.answer(largest) == (harness.OK, bytes([number + 1]) * largest)
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=transfer, args=[number]) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
        self.assertLess(self.peak(server), self.most(server))
        self.assertEqual(server.stop(), (0, ""))


if __name__ == "__main__":
    unittest.main()
