#!/usr/bin/env python3
"""chimera serve: sockets, sessions, stopping, and clients that misbehave."""

import json
import os
import random
import select
import signal
import socket
import stat
import struct
import subprocess
import threading
import unittest

import harness
from harness import ChimeraTest, create_device, open_device, read_bytes_at, write_bytes_at

BLOCK = 4096


class Sockets(ChimeraTest):
    def test_netcat_is_a_client(self):
        self.format()
        self.chimera("run", self.store, "-", text='create device "disk0" "" "size=1M"\n')
        server = self.serve()
        path = server.addresses[0].removeprefix("unix:")
        program = r"printf '\x40\x05\x00disk0\x54'"
        answer = subprocess.run(["bash", "-c", f"{program} | nc -N -U {path}"], capture_output=True, timeout=60).stdout
        self.assertEqual(len(answer), 1 + 16 + 1 + 8)
        self.assertEqual(answer[0], 0)
        self.assertEqual(answer[17:], b"\0" + struct.pack("<Q", 1 << 20))

    def test_a_unix_socket_is_for_its_owner_alone_unless_told(self):
        server = self.serve(":memory:")
        path = server.addresses[0].removeprefix("unix:")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(server.stop()[0], 0)
        self.assertFalse(os.path.exists(path))
        server = self.serve(":memory:", options=["--socket-mode", "0660"])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)

    def test_port_0_prints_the_port_and_several_addresses_serve_one_store(self):
        server = self.serve(":memory:", ["tcp:127.0.0.1:0", f"unix:{self.folder}/socket", "tcp:0"])
        self.assertNotEqual(server.addresses[0], "tcp:127.0.0.1:0")
        self.assertTrue(server.addresses[2].startswith("tcp:127.0.0.1:"))
        self.connect(server.addresses[0]).send(create_device("shared"))
        for address in server.addresses:
            listed = harness.wait_until(lambda: json.loads(self.chimera("devices", address, "--json")), "the device",
                                        server.process)
            self.assertEqual(listed[0]["name"], "shared")

    def test_a_left_over_socket_is_replaced_and_a_living_one_is_not(self):
        path = self.folder / "socket"
        left_over = socket.socket(socket.AF_UNIX)
        left_over.bind(str(path))
        left_over.close()
        server = self.serve(":memory:")
        self.assertIn(str(path), self.fails("serve", ":memory:", "--listen", server.addresses[0]))
        self.assertIn("hello", self.chimera("send", server.addresses[0], "-", text="hello\n"))

    def test_who_cannot_listen_says_nothing_else(self):
        done = self.run_command("serve", ":memory:", "--listen", "tcp:0", "--listen", "unix:no/such/folder")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"Cannot listen on unix:no/such/folder", done.stderr)

    def test_send_is_as_run(self):
        server = self.serve(":memory:")
        text = 'create device "d" ""\nwrite bytes @0 "abc"\nread bytes @0 #3\n'
        answers = self.chimera("send", server.addresses[0], "-", text=text)
        self.assertRegex(answers, r'read bytes @0 #3 +ok  "abc"')
        self.assertIn("not found", self.fails("send", server.addresses[0], "-", text='open device "x"\n'))

    def test_send_ends_when_its_session_has(self):
        """Or its devices would still be in use for whoever comes next."""
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(f"{self.folder}/slow")
        listening.listen()
        listening.settimeout(harness.TIMEOUT_SECONDS)
        program = self.write_file("sync.asm", "sync\n")
        with subprocess.Popen([harness.CHIMERA, "send", f"unix:{self.folder}/slow", program],
                              stdout=subprocess.DEVNULL) as client:
            session = listening.accept()[0]
            self.assertEqual(session.recv(10), b"\xfb")
            session.send(b"\0")
            self.assertEqual(session.recv(10), b"")
            poll = select.poll()
            poll.register(session, select.POLLHUP)
            self.assertEqual(poll.poll(0), [])  # it still listens
            session.close()
            self.assertEqual(client.wait(harness.TIMEOUT_SECONDS), 0)

    def test_where_nobody_listens(self):
        self.assertIn("Is a server running there", self.fails("send", f"unix:{self.folder}/none", "-", text="hello\n"))
        self.assertIn("Is a server running there", self.fails("info", "tcp:127.0.0.1:1"))

    def test_posix_loop_serves_too(self):
        self.format()
        server = self.serve(options=["--io", "posix"])
        self.assertEqual(server.banner[0], f"{self.store}: posix I/O, a cache of 256M, at most 4,096 connections\n")
        self.chimera("send", server.addresses[0], "-", text='create device "d" ""\nwrite bytes @0 "abc"\n')
        self.assertEqual(server.stop()[0], 0)
        self.assertEqual(json.loads(self.chimera("devices", self.store, "--json"))[0]["length"], 3)


class TwoProcesses(ChimeraTest):
    def test_what_is_no_store_is_told_from_one(self):
        server = self.serve(":memory:")
        path = server.addresses[0].removeprefix("unix:")
        self.assertIn(f"is a socket: the address of a server there is unix:{path}", self.fails("devices", path))
        os.mkfifo(self.folder / "pipe")
        self.assertIn("neither a file nor a block device", self.fails("devices", self.folder / "pipe"))
        for options in (["--attach", self.folder], ["--cache", "200M"], ["--memory", "1G"], ["--io", "posix"],
                        ["--keep-space"], ["--without-journal"]):
            self.assertIn(f"{options[0]} is for a store that is opened here",
                          self.fails("devices", server.addresses[0], *options))

    def test_the_second_is_told_who_has_the_store(self):
        self.format()
        server = self.serve()
        for arguments in (["run", self.store, "-"], ["check", self.store], ["format", self.store],
                          ["grow", self.store, "1G"], ["serve", self.store, "--listen", "tcp:0"]):
            with self.subTest(arguments[0]):
                said = self.fails(*arguments, text="sync\n")
                self.assertIn("in use", said)
                if os.path.exists("/proc/locks") and os.path.getsize("/proc/locks") != 0:
                    self.assertIn(str(server.process.pid), said)

    def test_a_killed_server_leaves_no_lock(self):
        self.format()
        self.serve().kill()
        self.assertIn("No problem", self.chimera("check", self.store))


class Stopping(ChimeraTest):
    def test_sigint_and_sigterm_end_with_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.assertEqual(self.serve(":memory:").stop(number)[0], 0)

    def test_a_stop_makes_durable_what_was_answered(self):
        self.format()
        server = self.serve()
        self.chimera("send", server.addresses[0], "-", text='create device "d" ""\nwrite bytes @12345 "kept"\n')
        self.assertEqual(server.stop(), (0, ""))
        self.assertIn('"kept"', self.chimera("run", self.store, "-", text='open device "d"\nread bytes @12345 #4\n'))

    def write_until_refused(self, connection, name, answered):
        """Appends numbered blocks, 32 ahead, until the server stops; notes how many were answered ok."""
        connection.send(create_device(name))
        if connection.answer(16)[0] != 0:
            return
        sent = 0
        try:
            while True:
                while sent - answered[name] < 32:
                    connection.send(b"\xdc" + struct.pack("<I", BLOCK) + struct.pack("<Q", sent) * (BLOCK // 8))
                    sent += 1
                if connection.answer(8)[0] != 0:
                    return
                answered[name] += 1
        except OSError:
            return
        except EOFError:
            return

    def test_sigterm_under_load_loses_nothing_that_was_answered(self):
        self.format("512M")
        server = self.serve()
        names = [f"d{i}" for i in range(4)]
        answered = dict.fromkeys(names, 0)
        writers = [
            threading.Thread(target=self.write_until_refused,
                             args=(self.connect(server.addresses[0]), name, answered))
            for name in names
        ]
        for writer in writers:
            writer.start()
        harness.wait_until(lambda: min(answered.values()) >= 100, "100 answers to each of the writers", server.process)
        self.assertEqual(server.stop(), (0, ""))
        for writer in writers:
            writer.join()
        self.assertIn("No problem", self.chimera("check", self.store))
        self.verify_appended(answered)

    def verify_appended(self, answered):
        server = self.serve()
        connection = self.connect(server.addresses[0])
        for name, count in answered.items():
            connection.send(open_device(name) + b"\x54")
            self.assertEqual(connection.answer(16)[0], 0)
            length = struct.unpack("<Q", connection.answer(8)[1])[0]
            self.assertGreaterEqual(length, count * BLOCK)
            for number in random.Random(7).sample(range(count), 10):
                connection.send(read_bytes_at(number * BLOCK, BLOCK))
                self.assertEqual(connection.answer(BLOCK), (0, struct.pack("<Q", number) * (BLOCK // 8)))

    def test_kill_9_keeps_what_was_flushed(self):
        self.format("256M")
        server = self.serve()
        connection = self.connect(server.addresses[0])
        connection.send(create_device("d"))
        connection.answer(16)
        for number in range(200):
            connection.send(write_bytes_at(number * BLOCK, struct.pack("<Q", number) * (BLOCK // 8)))
        for _ in range(200):
            self.assertEqual(connection.answer()[0], 0)
        connection.send(b"\xcc")
        self.assertEqual(connection.answer()[0], 0)
        for number in range(200, 400):
            connection.send(write_bytes_at(number * BLOCK, b"x" * BLOCK))
        server.kill_and_let_go(self.store)
        self.assertIn("No problem", self.chimera("check", self.store))
        self.verify_appended({"d": 200})


class BadClients(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(":memory:", options=["--stop-deadline", "500ms"])
        self.good = self.connect(self.server.addresses[0])
        self.good.send(create_device("d") + write_bytes_at(0, b"0123456789" * 1000))
        self.assertEqual(self.good.answer(16)[0], 0)
        self.assertEqual(self.good.answer()[0], 0)

    def assert_others_are_served(self):
        self.good.send(read_bytes_at(10, 5))
        self.assertEqual(self.good.answer(5), (0, b"01234"))

    def test_an_unknown_opcode_is_answered_and_the_connection_closed(self):
        bad = self.connect(self.server.addresses[0])
        bad.send(b"\x54\x47\x54")
        self.assertEqual(bad.answer()[0], harness.NO_DEVICE)
        self.assertEqual(bad.answer()[0], harness.ILLEGAL)
        self.assertTrue(bad.at_end())
        self.assert_others_are_served()

    def test_half_an_instruction_at_the_end_is_dropped(self):
        bad = self.connect(self.server.addresses[0])
        bad.send(open_device("d") + b"\x54" + write_bytes_at(0, b"never")[:-1])
        bad.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(bad.answer(16)[0], 0)
        self.assertEqual(bad.answer(8)[0], 0)
        self.assertTrue(bad.at_end())
        self.good.send(read_bytes_at(0, 5))
        self.assertEqual(self.good.answer(5), (0, b"01234"))

    def test_bad_operands_have_their_status_and_move_nothing(self):
        top = (1 << 64) - 1
        greatest = (1 << 63) - 4096
        uuid = bytes(range(16))
        cases = [
            (read_bytes_at(top, 1), 0, harness.OUT_OF_RANGE),
            (read_bytes_at(top, 0), 0, harness.OUT_OF_RANGE),
            (read_bytes_at(9999, 2), 0, harness.OUT_OF_RANGE),
            (write_bytes_at(greatest, b"x"), 0, harness.OUT_OF_RANGE),
            (write_bytes_at(top - 2, b"xyz"), 0, harness.OUT_OF_RANGE),
            (read_bytes_at(0, (32 << 20) + 1), 0, harness.TOO_LARGE),
            (b"\x22" + struct.pack("<Q", 5), BLOCK, harness.MISALIGNED),
            (b"\xa2" + struct.pack("<Q", 4095) + bytes(BLOCK), 0, harness.MISALIGNED),
            (b"\x50" + uuid, 8, harness.NOT_FOUND),
            (open_device("nobody"), 16, harness.NOT_FOUND),
            (create_device("d"), 16, harness.EXISTS),
            (create_device(""), 16, harness.BAD_TEXT),
            (create_device("line\nbreak"), 16, harness.BAD_TEXT),
            (b"\x70" + harness.name_operand(b"\xff\xfe") + bytes(4), 16, harness.BAD_TEXT),
            (create_device("n" * 256), 16, harness.BAD_TEXT),
            (create_device("other", "", "size=1X"), 16, harness.BAD_TEXT),
            (b"\x7f\x77" + struct.pack("<I", 3) + b"abc", 0, harness.UNSUPPORTED),
            (b"\x7f\x80" + struct.pack("<I", 3) + b"abc", 0, harness.DENIED),
        ]
        for instruction, size, status in cases:
            with self.subTest(instruction[:12].hex()):
                bad = self.connect(self.server.addresses[0])
                bad.send(open_device("d") + instruction + b"\xfd\0\0")
                self.assertEqual(bad.answer(16)[0], 0)
                self.assertEqual(bad.answer(size)[0], status)
                self.assertEqual(bad.answer(31)[0], 0)  # hello: the stream is in step
                bad.close()
        self.good.send(b"\x54" + read_bytes_at(0, 10000))
        self.assertEqual(self.good.answer(8), (0, struct.pack("<Q", 10000)))
        self.assertEqual(self.good.answer(10000), (0, b"0123456789" * 1000))

    def test_a_payload_that_is_too_large_is_passed_over(self):
        bad = self.connect(self.server.addresses[0])
        size = (32 << 20) + 1
        bad.send(open_device("d") + b"\x92" + struct.pack("<QI", 0, size))
        for _ in range(33):
            bad.send(bytes(1 << 20)[: min(1 << 20, size)])
            size -= min(1 << 20, size)
        bad.send(b"\x54")
        self.assertEqual(bad.answer(16)[0], 0)
        self.assertEqual(bad.answer()[0], harness.TOO_LARGE)
        self.assertEqual(bad.answer(8), (0, struct.pack("<Q", 10000)))

    def test_a_client_that_never_reads_holds_nobody_up_and_is_capped(self):
        bad = self.connect(self.server.addresses[0])
        bad.send(open_device("d"))
        bad.socket.setblocking(False)
        request = read_bytes_at(0, 10000) * 1000
        asked = 0
        try:
            # Once the server stops taking more, it has stopped collecting answers too.
            while asked < 200_000:
                asked += bad.socket.send(request) / len(request) * 1000
        except BlockingIOError:
            pass
        self.assertLess(asked, 200_000)
        self.assert_others_are_served()
        memory = self.resident_bytes()
        for _ in range(100):
            self.assert_others_are_served()
        self.assertLess(self.resident_bytes() - memory, 64 << 20)
        self.assertEqual(self.server.stop()[0], 0)

    def resident_bytes(self):
        with open(f"/proc/{self.server.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_a_byte_at_a_time_is_as_good_as_all_at_once(self):
        slow = self.connect(self.server.addresses[0])
        for byte in open_device("d") + read_bytes_at(3, 4):
            slow.send(bytes([byte]))
            self.assert_others_are_served()
        self.assertEqual(slow.answer(16)[0], 0)
        self.assertEqual(slow.answer(4), (0, b"3456"))

    def test_clients_that_vanish_in_the_middle(self):
        for size in range(1, 30):
            bad = self.connect(self.server.addresses[0])
            bad.send((open_device("d") + read_bytes_at(0, 10000) + write_bytes_at(0, b"0123"))[:size])
            bad.close()
        self.assert_others_are_served()

    def test_a_device_in_use_is_not_deleted_but_by_force(self):
        other = self.connect(self.server.addresses[0])
        other.send(open_device("d") + b"\xf4")
        status, uuid = other.answer(16)
        self.assertEqual(status, 0)
        self.assertEqual(other.answer()[0], harness.BUSY)
        other.send(b"\x7f\x43" + struct.pack("<I", 16) + uuid)
        self.assertEqual(other.answer()[0], 0)
        self.good.send(b"\x54")
        self.assertEqual(self.good.answer(8)[0], harness.NOT_FOUND)

    def test_more_connections_than_allowed_wait_for_their_turn(self):
        server = self.serve(":memory:", [f"unix:{self.folder}/few"], ["--connections", "2"])
        first, second, third = (self.connect(server.addresses[0]) for _ in range(3))
        for connection in (first, second):
            connection.send(b"\xfd\0\0")
            self.assertEqual(connection.answer(31)[0], 0)
        third.send(b"\xfd\0\0")
        first.close()
        self.assertEqual(third.answer(31)[0], 0)


if __name__ == "__main__":
    unittest.main()
