#!/usr/bin/env python3
"""The requests of NBD, byte by byte: extended headers, whatever is refused, limits, and devices that change meanwhile."""

import os
import struct
import threading
import unittest

import harness
import nbd_client as nbd
from nbd_client import NbdTest

MIB = 1 << 20
TIB = 1 << 40
ALLOCATION = ("base:allocation",)
DATA, HOLE = 0, 3
MOST_MEMORY = (900 if "ASAN_OPTIONS" in os.environ else 300) * MIB  # the sanitizer keeps what is freed


class Requests(NbdTest):
    def setUp(self):
        super().setUp()
        self.serve_nbd(prepare='create device "disk" "" "size=4M"\ncreate device "vast" "" "size=16T"\n')

    def every_client(self, name="disk"):
        """One of each kind of headers and replies."""
        return [self.attached(name, structured=False), self.attached(name, contexts=ALLOCATION),
                self.attached(name, extended=True, contexts=ALLOCATION)]

    def test_simple_replies_unless_structured_ones_are_agreed_upon(self):
        client = self.attached("disk", structured=False)
        for reply in (client.call(nbd.WRITE, 5, payload=b"abc"), client.call(nbd.READ, 4, 5),
                      client.call(nbd.READ, 4 * MIB, 1), client.call(nbd.FLUSH), client.call(99)):
            self.assertTrue(reply.is_simple)
        self.assertEqual(client.call(nbd.READ, 4, 5).data, b"\0abc\0")
        self.assertEqual(client.error(nbd.READ, 4, 5, nbd.DF), nbd.EINVAL)

    def test_what_is_refused_leaves_the_stream_in_step(self):
        past, end = 4 * MIB + 1, 4 * MIB
        cases = [
            (nbd.READ, past, 0, 0), (nbd.READ, end, 1, 0), (nbd.READ, 0, past, 0), (nbd.READ, 1, end, 0),
            (nbd.READ, (1 << 64) - 1, 2, 0), (nbd.READ, 1 << 63, 1, 0), (nbd.READ, 0, 0, 0),
            (nbd.TRIM, end, 1, 0), (nbd.TRIM, (1 << 64) - 4096, 0xFFFFFFFF, 0), (nbd.CACHE, end, 1, 0),
            (nbd.READ, 0, 1, nbd.NO_HOLE), (nbd.READ, 0, 1, nbd.REQ_ONE), (nbd.READ, 0, 1, 64), (nbd.READ, 0, 1, 1 << 15),
            (nbd.TRIM, 0, 1, nbd.NO_HOLE), (nbd.FLUSH, 0, 0, nbd.DF), (nbd.CACHE, 0, 1, nbd.FAST_ZERO),
            (nbd.WRITE_ZEROES, 0, 1, nbd.REQ_ONE), (8, 0, 0, 0), (9, 0, 1, 0), (0xFFFF, 0, 1, 0),
        ]
        for client in self.every_client():
            for command, offset, length, flags in cases:
                self.assertEqual(client.error(command, offset, length, flags), nbd.EINVAL, (command, offset, length))
            for command, offset, length in ((nbd.WRITE_ZEROES, end, 1), (nbd.WRITE_ZEROES, 1, end),
                                            (nbd.WRITE_ZEROES, (1 << 64) - 1, 1 << 31)):
                self.assertEqual(client.error(command, offset, length), nbd.ENOSPC)
            self.assertEqual(client.error(nbd.WRITE_ZEROES, 0, MIB, nbd.FAST_ZERO | nbd.NO_HOLE), nbd.ENOTSUP)
            self.assertEqual(client.call(nbd.READ, end - 3, 3).data, bytes(3))

    def test_the_payload_of_a_write_is_consumed_before_its_error(self):
        for client in self.every_client():
            for offset, size, flags, error in ((4 * MIB - 1, 2, 0, nbd.ENOSPC), (1 << 63, 5000, 0, nbd.ENOSPC),
                                               (0, 5000, nbd.DF, nbd.EINVAL), (0, (32 * MIB) + 1, 0, nbd.EINVAL)):
                self.assertEqual(client.error(nbd.WRITE, offset, flags=flags, payload=b"\x25" * size), error)
            self.assertEqual(client.call(nbd.READ, 0, 3).data, bytes(3))

    def test_nothing_is_as_good_as_something(self):
        for client in self.every_client():
            for command in (nbd.WRITE, nbd.TRIM, nbd.WRITE_ZEROES, nbd.CACHE, nbd.FLUSH):
                for flags in (0, nbd.FUA):
                    self.assertEqual(client.error(command, 0, 0, flags), 0, command)
            self.assertEqual(client.error(nbd.WRITE_ZEROES, 4 * MIB, 0, nbd.NO_HOLE), 0)

    def test_fua_is_accepted_on_every_command(self):
        client = self.attached("disk", contexts=ALLOCATION)
        for command in (nbd.READ, nbd.WRITE, nbd.FLUSH, nbd.TRIM, nbd.CACHE, nbd.WRITE_ZEROES, nbd.BLOCK_STATUS):
            payload = bytes(10) if command == nbd.WRITE else b""
            self.assertEqual(client.error(command, 0, 10, nbd.FUA, payload), 0, command)

    def test_cookies_are_anything(self):
        client = self.attached("disk")
        for cookie in (0, (1 << 64) - 1, 0x2560951325609513):
            client.send(client.header(nbd.READ, 0, 1, cookie=cookie))
            self.assertEqual(client.reply().cookie, cookie)

    def test_a_bad_magic_ends_it_when_all_is_answered(self):
        for client in self.every_client():
            client.request(nbd.WRITE, 100, payload=b"last words")
            client.send(bytes(40))
            self.assertEqual(client.reply().error, 0)
            self.assertTrue(client.at_end())
        self.assertEqual(self.attached("disk").call(nbd.READ, 100, 10).data, b"last words")

    def test_disconnecting_finishes_what_is_under_way(self):
        for client in self.every_client():
            client.request(nbd.WRITE_ZEROES, 0, 4 * MIB, nbd.NO_HOLE)
            client.request(nbd.WRITE, 7, payload=b"kept", flags=nbd.FUA)
            client.request(nbd.DISCONNECT)
            self.assertEqual([client.reply().error for _ in range(2)], [0, 0])
            self.assertTrue(client.at_end())

    def test_a_long_request_holds_up_no_short_one(self):
        client = self.attached("disk")
        # They arrive together, and the long one needs several turns.
        client.send(client.header(nbd.WRITE_ZEROES, 0, 4 * MIB, nbd.NO_HOLE, cookie=0) +
                    b"".join(client.header(nbd.READ, n, 1, cookie=n) for n in range(1, 21)))
        self.assertEqual(sorted(client.reply().cookie for _ in range(20)), list(range(1, 21)))
        self.assertEqual(client.reply().cookie, 0)

    def test_any_size_at_any_offset(self):
        client = self.attached("disk")
        expected = bytearray(4 * MIB)
        for n in range(200):
            offset, size = n * 7919 % (4 * MIB - 70000), n * n * 37 % 69997 + 1
            if n % 5 == 3:
                flags = (0, nbd.NO_HOLE, nbd.FAST_ZERO)[n % 3]
                self.assertEqual(client.error(nbd.WRITE_ZEROES, offset, size, flags), 0)
                expected[offset:offset + size] = bytes(size)
            else:
                data = bytes(i * n & 255 for i in range(size))
                self.assertEqual(client.error(nbd.WRITE, offset, payload=data), 0)
                expected[offset:offset + size] = data
            self.assertEqual(client.call(nbd.READ, offset, size, nbd.DF).data, expected[offset:offset + size])
        self.assertEqual(client.call(nbd.READ, 0, 4 * MIB).data, bytes(expected))

    def test_read_only_refuses_what_writes(self):
        self.send('open device "disk"\nclone device "disk@then"\n')
        for name, client in (("disk@then", self.attached("disk@then")),
                             ("disk@then", self.attached("disk@then", extended=True))):
            self.assertTrue(client.flags & nbd.READ_ONLY, name)
            self.assertFalse(client.flags & (nbd.CAN_TRIM | nbd.CAN_ZERO | nbd.CAN_FAST_ZERO))
            self.assertEqual(client.error(nbd.WRITE, 0, payload=bytes(70000)), nbd.EPERM)
            self.assertEqual(client.error(nbd.TRIM, 0, 1), nbd.EPERM)
            self.assertEqual(client.error(nbd.WRITE_ZEROES, 0, 1), nbd.EPERM)
            self.assertEqual(client.error(nbd.FLUSH), 0)
            self.assertEqual(client.error(nbd.READ, 0, 1), 0)


class Extended(NbdTest):
    def setUp(self):
        super().setUp()
        self.serve_nbd(prepare='create device "disk" "" "size=4M"\ncreate device "vast" "" "size=16T"\n')

    def test_lengths_of_64_bits(self):
        client = self.attached("vast", extended=True, contexts=ALLOCATION)
        self.assertEqual(client.size, 16 * TIB)
        self.assertEqual(client.error(nbd.WRITE, 8 * TIB, payload=b"x" * 4096), 0)
        everything = client.call(nbd.BLOCK_STATUS, 0, 16 * TIB).extents
        self.assertEqual(everything, [(8 * TIB, HOLE), (4096, DATA), (8 * TIB - 4096, HOLE)])
        self.assertEqual(client.call(nbd.BLOCK_STATUS, 1, 16 * TIB - 1, nbd.REQ_ONE).extents, [(8 * TIB - 1, HOLE)])
        self.assertEqual(client.error(nbd.BLOCK_STATUS, 1, 16 * TIB), nbd.EINVAL)
        self.assertEqual(client.error(nbd.WRITE_ZEROES, 1, 16 * TIB), nbd.ENOSPC)
        self.assertEqual(client.error(nbd.TRIM, 1, (1 << 64) - 1), nbd.EINVAL)
        self.assertEqual(client.error(nbd.READ, 0, 1 << 32), nbd.EINVAL)
        self.assertEqual(client.error(nbd.WRITE_ZEROES, 1, 16 * TIB - 1, nbd.FAST_ZERO), 0)
        self.assertEqual(client.call(nbd.BLOCK_STATUS, 0, 16 * TIB).extents, [(16 * TIB, HOLE)])
        self.assertEqual(client.error(nbd.WRITE, 8 * TIB, payload=b"x" * 4096), 0)
        self.assertEqual(client.error(nbd.TRIM, 0, 16 * TIB, nbd.FUA), 0)
        self.assertEqual(client.call(nbd.READ, 8 * TIB, 10).data, bytes(10))

    def test_compact_status_of_nearly_4_gib(self):
        client = self.attached("vast", contexts=ALLOCATION)
        self.assertEqual(client.call(nbd.BLOCK_STATUS, 5 * TIB + 1, 0xFFFFFFFF).extents, [(0xFFFFFFFF, HOLE)])
        self.assertEqual(client.call(nbd.BLOCK_STATUS, 5 * TIB + 1, 0xFFFFFFFF, nbd.REQ_ONE).extents,
                         [(0xFFFFFFFF, HOLE)])

    def test_a_status_never_reaches_past_what_was_asked_for(self):
        for extended in (False, True):
            client = self.attached("disk", extended=extended, contexts=ALLOCATION)
            self.assertEqual(client.error(nbd.TRIM, 0, 4 * MIB), 0)
            for n in range(0, 64, 2):
                self.assertEqual(client.error(nbd.WRITE, n * 4096, payload=b"x" * 4096), 0)
            for offset, length in ((0, 1), (0, 4096), (0, 4097), (1, 4096), (4095, 2), (8191, 100_001), (0, 4 * MIB),
                                   (4 * MIB - 1, 1)):
                extents = client.call(nbd.BLOCK_STATUS, offset, length).extents
                self.assertLessEqual(sum(size for size, _ in extents), length)
                for (_, flags), (_, following) in zip(extents, extents[1:]):
                    self.assertNotEqual(flags, following)
                one = client.call(nbd.BLOCK_STATUS, offset, length, nbd.REQ_ONE).extents
                self.assertEqual(one, extents[:1])

    def test_a_write_says_that_it_has_a_payload(self):
        client = self.attached("disk", extended=True)
        client.send(client.header(nbd.WRITE, 0, 5))  # none follows
        self.assertEqual(client.reply().error, nbd.EINVAL)
        for command in (nbd.READ, nbd.TRIM, nbd.FLUSH, nbd.WRITE_ZEROES, nbd.CACHE, 77):
            client.send(client.header(command, 0, 100, nbd.PAYLOAD_LEN) + b"\x21\xe4\x1c\x71" * 25)
            self.assertEqual(client.reply().error, nbd.EINVAL, command)
        self.assertEqual(client.error(nbd.WRITE, 0, payload=b"abc"), 0)
        self.assertEqual(client.call(nbd.READ, 0, 4).data, b"abc\0")

    def test_compact_headers_have_no_payload_flag(self):
        client = self.attached("disk")
        client.send(client.header(nbd.WRITE, 0, 5, nbd.PAYLOAD_LEN) + b"12345")
        self.assertEqual(client.reply().error, nbd.EINVAL)
        client.send(client.header(nbd.READ, 0, 5, nbd.PAYLOAD_LEN))
        self.assertEqual(client.reply().error, nbd.EINVAL)
        self.assertEqual(client.call(nbd.READ, 0, 5).data, bytes(5))

    def status(self, client, payload, offset=0):
        client.send(client.header(nbd.BLOCK_STATUS, offset, len(payload), nbd.PAYLOAD_LEN) + payload)
        return client.reply()

    def test_status_with_a_payload_that_names_contexts(self):
        client = self.attached("vast", extended=True, contexts=ALLOCATION)
        self.assertEqual(self.status(client, struct.pack(">QI", 5 * TIB, 1)).extents, [(5 * TIB, HOLE)])
        for payload in (struct.pack(">QI", 5 * TIB, 2), struct.pack(">QII", 5 * TIB, 1, 1), struct.pack(">Q", 5 * TIB),
                        struct.pack(">QII", 5 * TIB, 1, 2), struct.pack(">QI", 5 * TIB, 1)[:-1], b"x",
                        struct.pack(">QI", 0, 1), struct.pack(">QI", 16 * TIB + 1, 1), struct.pack(">QI", 1 << 63, 1),
                        struct.pack(">QI", 5 * TIB, 1) + bytes(100_000)):
            self.assertEqual(self.status(client, payload).error, nbd.EINVAL, payload[:16])
        self.assertEqual(self.status(client, struct.pack(">QI", 16 * TIB, 1), 1).error, nbd.EINVAL)
        self.assertEqual(self.status(client, struct.pack(">QI", 16 * TIB - 1, 1), 1).extents, [(16 * TIB - 1, HOLE)])
        without = self.attached("vast", extended=True)
        self.assertEqual(self.status(without, struct.pack(">QI", 5 * TIB, 1)).error, nbd.EINVAL)


class Limits(NbdTest):
    def setUp(self):
        super().setUp()
        self.serve_nbd(options=["--memory", "512M"], prepare='create device "disk" "" "size=128M"\n')

    def test_more_requests_than_may_be_under_way(self):
        for extended in (False, True):
            client = self.attached("disk", extended=extended)
            writes = [client.header(nbd.WRITE, 512 * n, 512, nbd.PAYLOAD_LEN if extended else 0) + bytes([n % 251]) * 512
                      for n in range(3000)]
            client.send(b"".join(writes))
            self.assertEqual({client.reply().error for _ in range(3000)}, {0})
            client.send(b"".join(client.header(nbd.READ, 512 * n, 512, cookie=n) for n in range(3000)))
            cookies = set(range(3000))
            for _ in range(3000):
                reply = client.reply()
                cookies.remove(reply.cookie)
                self.assertEqual(reply.data, bytes([reply.cookie % 251]) * 512)

    def test_more_bytes_than_may_be_under_way(self):
        client = self.attached("disk")
        before = self.memory_bytes()
        cookies = {client.request(nbd.READ, 0, 32 * MIB) for _ in range(20)}
        data = bytes(32 * MIB)
        for _ in range(20):
            reply = client.reply()
            self.assertEqual(reply.data, data)
            cookies.remove(reply.cookie)
        self.assertLess(self.memory_bytes() - before, MOST_MEMORY)

    def test_who_does_not_read_its_replies_is_bounded_and_holds_nobody_up(self):
        bad = self.attached("disk")
        before = self.memory_bytes()
        bad.socket.setblocking(False)
        sent = 0
        try:
            while sent < 50_000:
                bad.socket.send(bad.header(nbd.READ, 0, MIB))
                sent += 1
        except BlockingIOError:
            pass
        self.assertLess(sent, 50_000)
        good = self.attached("disk")
        for n in range(100):
            self.assertEqual(good.error(nbd.WRITE, n, payload=b"x"), 0)
        self.assertLess(self.memory_bytes() - before, MOST_MEMORY)
        bad.close()
        self.assertEqual(good.call(nbd.READ, 0, 3).data, b"xxx")

    def test_the_plan_of_memory_counts_the_larger_kind_of_connection(self):
        def planned(nbd_addresses):
            server = self.serve(":memory:", options=["--connections", "1"], nbd=nbd_addresses,
                                listen=[f"unix:{self.folder}/other"])
            self.assertEqual(server.stop()[0], 0)
            return next(line for line in server.banner if line.startswith("memory:"))

        self.assertIn("1 connections of 1.4M,", planned([]))
        self.assertIn("1 connections of 2.5M,", planned([f"unix:{self.folder}/another"]))

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "the address sanitizer takes memory of its own")
    def test_many_clients_with_the_largest_requests_take_turns(self):
        self.assertEqual(self.server.stop()[0], 0)
        self.serve_nbd(options=["--transfer-memory", "100M", "--memory", "40M"],
                       prepare='create device "disk" "" "size=32M"\n')
        before = self.memory_bytes()
        clients = [self.attached("disk") for _ in range(12)]
        wrong = []

        def talk(client):
            try:
                asked = [client.request(nbd.READ, 0, 32 * MIB) for _ in range(3)]
                replies = [client.reply() for _ in asked]
                wrong.extend(reply for reply in replies if reply.error or len(reply.data) != 32 * MIB)
                wrong.extend(filter(None, [client.error(nbd.WRITE, 0, payload=b"x" * 32 * MIB)]))
            except BaseException as fault:
                wrong.append(fault)

        threads = [threading.Thread(target=talk, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertLess(self.peak_bytes() - before, 32 * MIB + 100 * MIB + 12 * 3 * MIB)


class Stalling(NbdTest):
    def test_who_stops_within_a_header_is_let_go_and_who_is_between_requests_is_not(self):
        self.serve_nbd(options=["--stall-timeout", "300ms"], prepare='create device "disk" "" "size=1M"\n')
        idle = self.attached("disk")
        for size in (1, 13, 27):
            client = self.attached("disk")
            client.send(client.header(nbd.READ, 0, 4096)[:size])
            self.assertTrue(client.at_end(), size)
        self.assertEqual(idle.call(nbd.READ, 0, 4096).data, bytes(4096))

    def test_who_gets_on_by_a_byte_now_and_then_loses_its_part_of_the_budget_to_those_who_wait(self):
        self.serve_nbd(options=["--transfer-memory", "100M", "--transfer-timeout", "300ms", "--memory", "200M"],
                       prepare='create device "disk" "" "size=128M"\n')
        # Three hold nearly all of it and keep on sending, each byte well within the time. Nobody wants it yet.
        holders = [self.attached("disk") for _ in range(3)]
        for holder in holders:
            holder.send(holder.header(nbd.WRITE, 64 * MIB, 32 * MIB))
        over = threading.Event()
        kept = []  # who could go on to the end, a hundred times what is allowed

        def drip():
            alive = list(holders)
            for _ in range(1500):
                if not alive or over.wait(0.02):
                    return
                for holder in list(alive):
                    try:
                        holder.send(b"x")
                    except OSError:
                        alive.remove(holder)
            kept.extend(alive)
            for holder in alive:
                holder.close()

        dripping = threading.Thread(target=drip)
        dripping.start()
        self.addCleanup(dripping.join)
        self.addCleanup(over.set)
        waiting = [self.attached("disk") for _ in range(3)]
        for client in waiting:
            self.assertEqual(client.error(nbd.WRITE, 0, payload=b"y" * 32 * MIB), 0)
        stream = self.connect(self.streams)
        stream.send(harness.open_device("disk") + harness.write_bytes_at(32 * MIB, bytes(32 * MIB)))
        self.assertEqual([stream.answer(16)[0], stream.answer()[0]], [harness.OK, harness.OK])
        # What the others had sent of theirs has gone with them.
        self.assertEqual(waiting[0].call(nbd.READ, 64 * MIB, MIB).data, bytes(MIB))
        over.set()
        dripping.join()
        self.assertEqual(kept, [])


class Changing(NbdTest):
    """What others do to the device under a client."""

    UUID = "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11"

    def setUp(self):
        super().setUp()
        self.serve_nbd(prepare=f'create device {self.UUID} "disk"\nwrite length @1M\nwrite bytes @0 "abc"\n')

    def test_deleted_by_force(self):
        client = self.attached("disk", contexts=ALLOCATION)
        self.assertEqual(client.call(nbd.READ, 0, 3).data, b"abc")
        self.send(f"delete device by force {self.UUID}\n")
        for command in (nbd.READ, nbd.WRITE, nbd.TRIM, nbd.WRITE_ZEROES, nbd.CACHE, nbd.BLOCK_STATUS):
            payload = b"x" if command == nbd.WRITE else b""
            self.assertEqual(client.error(command, 0, 1, payload=payload), nbd.EIO, command)
        self.send('create device "disk" "" "size=2M"\n')  # another one
        self.assertEqual(client.error(nbd.READ, 0, 3), nbd.EIO)
        self.assertEqual(self.attached("disk").size, 2 * MIB)

    def test_an_open_export_is_busy(self):
        client = self.attached("disk")
        self.assertIn("busy", self.fails("send", self.streams, "-", text='open device "disk"\ndelete device\n'))
        client.close()

    def test_shrunk(self):
        client = self.attached("disk", contexts=ALLOCATION)
        self.send('open device "disk"\nwrite length @100\n')
        for command in (nbd.READ, nbd.CACHE, nbd.BLOCK_STATUS):
            self.assertEqual(client.error(command, 99, 2), nbd.EINVAL, command)
            self.assertEqual(client.error(command, 99, 1), 0)
        self.assertEqual(client.error(nbd.WRITE, 5000, payload=b"x"), 0)  # and it has grown again
        self.assertEqual(client.call(nbd.READ, 4999, 2).data, b"\0x")
        self.assertEqual(client.error(nbd.READ, 5000, 2), nbd.EINVAL)

    def test_zeros_and_trims_past_a_shrunk_end(self):
        client = self.attached("disk")
        self.send('open device "disk"\nwrite length @100\n')
        self.assertEqual(client.error(nbd.WRITE_ZEROES, 200, 10, nbd.NO_HOLE), 0)
        self.assertEqual(client.call(nbd.READ, 200, 10).data, bytes(10))
        self.send('open device "disk"\nwrite length @100\n')
        self.assertIn(client.error(nbd.TRIM, 50, 100), (0, nbd.EINVAL))
        self.assertIn(client.error(nbd.WRITE_ZEROES, 50, 100), (0, nbd.ENOSPC))

    def test_protected(self):
        client = self.attached("disk")
        self.send(f"protect device {self.UUID} 1\n")
        self.assertEqual(client.error(nbd.WRITE, 0, payload=b"x"), nbd.EPERM)
        self.assertEqual(client.call(nbd.READ, 0, 3).data, b"abc")
        self.assertTrue(self.attached("disk").flags & nbd.READ_ONLY)

    def test_no_space_is_left(self):
        self.assertEqual(self.server.stop()[0], 0)
        self.serve_nbd(options=["--memory", "4M"], prepare='create device "disk" "" "size=1G"\n')
        client = self.attached("disk")
        errors = [client.error(nbd.WRITE, n * MIB, payload=b"x" * MIB) for n in range(6)]
        self.assertEqual(errors[0], 0)
        self.assertEqual(errors[-1], nbd.ENOSPC)
        self.assertEqual(client.error(nbd.TRIM, 0, 6 * MIB), 0)
        self.assertEqual(client.error(nbd.WRITE, 5 * MIB, payload=b"x" * MIB), 0)

    def test_renamed_stays_what_it_is(self):
        client = self.attached("disk")
        self.send(f'rename device {self.UUID} "other"\n')
        self.assertEqual(client.call(nbd.READ, 0, 3).data, b"abc")
        self.assertEqual(self.attached("other").size, MIB)


if __name__ == "__main__":
    unittest.main()
