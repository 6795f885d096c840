#!/usr/bin/env python3
"""The handshake of NBD, byte by byte: what the usual clients never say, and what they say wrong."""

import os
import struct
import unittest

import harness
import nbd_client as nbd
from nbd_client import NbdTest, context_query, export_query, string

SIZE = 1 << 20


class Handshake(NbdTest):
    def setUp(self):
        super().setUp()
        self.serve_nbd(prepare='create device "disk" "" "size=1M"\ncreate device "other" "" "size=2M"\n'
                               'open device "disk"\nclone device "disk@then"\n')

    def test_a_list_names_every_device_by_pages(self):
        self.send("".join(f'create device "n{i:04}"\n' for i in range(1100)))
        replies = self.client().option(nbd.LIST)
        self.assertEqual([kind for kind, _ in replies], [nbd.SERVER] * 1103 + [nbd.ACK])
        names = [data for _, data in replies[:-1]]
        self.assertEqual(names[:2], [string("disk"), string("disk@then")])
        self.assertEqual(names[2:-1], [string(f"n{i:04}") for i in range(1100)])

    def test_unknown_options_stay_in_step(self):
        client = self.client()
        for option, data in ((12, b""), (0, b"abc"), (4, b"x" * 65536), (1 << 31, b"IHAVEOPT" * 3), (0xFFFFFFFF, b"")):
            self.assertEqual(client.result(option, data), nbd.UNSUP)
        self.assertEqual(client.result(nbd.STARTTLS), nbd.UNSUP)
        self.assertEqual(client.go("disk")[0], SIZE)

    def test_options_that_are_too_long_are_passed_over(self):
        client = self.client()
        for option in (nbd.GO, nbd.INFO, nbd.LIST, nbd.SET_META, 77):
            client.send_option(option, size=(1 << 20) + 1)
            client.send(b"IHAVEOPT" * (1 << 17))
            client.send(b"x")
            self.assertEqual(client.option_reply(option)[0], nbd.TOO_BIG)
        self.assertEqual(client.go("disk")[0], SIZE)

    def test_lengths_that_do_not_fit_are_invalid(self):
        client = self.client()
        client.agree_on(nbd.STRUCTURED_REPLY)
        cases = [
            (nbd.LIST, b"x"), (nbd.STRUCTURED_REPLY, b"x"), (nbd.EXTENDED_HEADERS, b"x"),
            (nbd.GO, b""), (nbd.GO, b"\0\0\0"), (nbd.GO, export_query("disk")[:-1]), (nbd.GO, export_query("disk") + b"x"),
            (nbd.GO, struct.pack(">I", 5) + b"disk"), (nbd.GO, struct.pack(">I", 0xFFFFFFFF) + b"disk\0\0"),
            (nbd.INFO, export_query("disk", 1, 2, 3)[:-2]), (nbd.INFO, string("disk") + b"\xff\xff\0\0"),
            (nbd.GO, export_query("n" * 4097)),
            (nbd.SET_META, b""), (nbd.SET_META, string("disk")), (nbd.SET_META, context_query("disk", "base:")[:-1]),
            (nbd.SET_META, string("disk") + struct.pack(">I", 0xFFFFFFFF)),
            (nbd.LIST_META, context_query("disk") + b"x"), (nbd.LIST_META, context_query("disk", "c" * 4097)),
        ]
        for option, data in cases:
            with self.subTest(option=option, data=data[:40]):
                self.assertEqual(client.result(option, data), nbd.INVALID)
        self.assertEqual(client.go("disk")[0], SIZE)

    def test_names_that_no_device_can_have(self):
        client = self.client()
        for name in ("nobody", "n" * 255, "n" * 256, "n" * 4096, b"\xff\xfe", "line\nbreak", "a\0b", "", "disk@now",
                     "00000000-0000-0000-0000-000000000000", "zzzzzzzz-0000-0000-0000-000000000000", "disk\0"):
            for option in (nbd.INFO, nbd.GO):
                with self.subTest(name=name, option=option):
                    self.assertEqual(client.result(option, export_query(name)), nbd.UNKNOWN)
        self.assertEqual(client.go("disk")[0], SIZE)

    def test_info_says_what_go_says_each_thing_once(self):
        client = self.client()
        wanted = (1, 2, 3, 3, 3, 1, 0, 77)
        said = client.option(nbd.INFO, export_query("disk", *wanted))
        self.assertEqual(said, client.option(nbd.GO, export_query("disk", *wanted)))
        self.assertEqual([kind for kind, _ in said], [nbd.INFO_REPLY] * 4 + [nbd.ACK])
        infos = {struct.unpack(">H", data[:2])[0]: data[2:] for _, data in said[:-1]}
        self.assertEqual(struct.unpack(">Q", infos[0][:8])[0], SIZE)
        self.assertEqual(infos[1], b"disk")
        self.assertRegex(infos[2].decode(), r"^\w+ device [0-9a-f]{8}-")
        self.assertEqual(struct.unpack(">III", infos[3]), (1, 4096, 32 << 20))

    def test_export_name_with_and_without_zeroes(self):
        for flags, zeroes in ((1, 124), (3, 0), (0, 124)):
            client = self.client(flags)
            client.send_option(nbd.EXPORT_NAME, b"disk")
            reply = client.read(10 + zeroes)
            size, transmission = struct.unpack(">QH", reply[:10])
            self.assertEqual((size, reply[10:]), (SIZE, bytes(zeroes)))
            self.assertTrue(transmission & nbd.HAS_FLAGS and not transmission & nbd.CAN_DF)
            self.assertEqual(client.call(nbd.READ, 0, 10).data, bytes(10))

    def test_export_name_that_fails_closes(self):
        for name, extended in ((b"nobody", False), (b"", False), (b"n" * 5000, False), (b"n" * 70000, False),
                               (b"disk", True)):
            client = self.client()
            if extended:
                client.agree_on(nbd.EXTENDED_HEADERS)
            client.send_option(nbd.EXPORT_NAME, name)
            self.assertTrue(client.at_end())

    def test_abort_is_acknowledged_and_closes(self):
        client = self.client()
        client.send_option(nbd.ABORT)
        client.send_option(nbd.GO, export_query("disk"))
        self.assertEqual(client.option_reply(nbd.ABORT)[0], nbd.ACK)
        self.assertTrue(client.at_end())

    def test_who_does_not_begin_like_a_client_is_closed(self):
        for beginning in (struct.pack(">I", 4), struct.pack(">I", 0x80000001), b"GET / HTTP/1.1\r\n\r\n",
                          struct.pack(">I", 3) + b"IHAVEOPS" + bytes(8), struct.pack(">I", 3) + bytes(100)):
            client = self.client(None)
            client.send(beginning)
            self.assertTrue(client.at_end())

    def test_replies_before_bad_bytes_still_come(self):
        client = self.client()
        client.send_option(99)
        client.send(bytes(100_000))
        self.assertEqual(client.option_reply(99)[0], nbd.UNSUP)
        self.assertTrue(client.at_end())

    def test_options_may_come_in_one_go_or_by_the_byte(self):
        every = b"".join(b"IHAVEOPT" + struct.pack(">II", option, len(data)) + data for option, data in (
            (nbd.STRUCTURED_REPLY, b""), (nbd.INFO, export_query("other")), (nbd.LIST, b""), (99, b"abc"),
            (nbd.SET_META, context_query("disk", "base:allocation")), (nbd.GO, export_query("disk"))))
        for step in (1, 7, len(every)):
            client = self.client()
            client.is_structured = True
            request = every + client.header(nbd.READ, 5, 5) + client.header(nbd.BLOCK_STATUS, 0, SIZE)
            for at in range(0, len(request), step):
                client.send(request[at:at + step])
            kinds = [client.option_reply(option)[0] for option in (
                [nbd.STRUCTURED_REPLY] + [nbd.INFO] * 2 + [nbd.LIST] * 4 + [99] + [nbd.SET_META] * 2 + [nbd.GO] * 2)]
            self.assertEqual(kinds, [nbd.ACK, nbd.INFO_REPLY, nbd.ACK] + [nbd.SERVER] * 3 +
                             [nbd.ACK, nbd.UNSUP, nbd.META_CONTEXT, nbd.ACK, nbd.INFO_REPLY, nbd.ACK])
            replies = {reply.cookie: reply for reply in (client.reply(), client.reply())}
            self.assertEqual(replies[1].data, bytes(5))
            self.assertEqual(replies[2].extents, [(SIZE, 3)])

    def test_half_closed_is_answered_before_the_end(self):
        client = self.client()
        client.send_option(nbd.LIST)
        client.socket.shutdown(1)
        self.assertEqual([client.option_reply(nbd.LIST)[0] for _ in range(4)], [nbd.SERVER] * 3 + [nbd.ACK])
        self.assertTrue(client.at_end())


class ManyExports(NbdTest):
    COUNT, MIB = 60_000, 1 << 20

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "the address sanitizer takes memory of its own")
    def test_a_list_waits_page_by_page_for_whoever_does_not_read_it(self):
        self.serve_nbd()
        names = [f"{number:0200d}" for number in range(self.COUNT)]
        for first in range(0, self.COUNT, 1000):
            connection = self.connect(self.streams)
            connection.send(b"".join(map(harness.create_device, names[first:first + 1000])))
            self.assertEqual({connection.answer(16)[0] for _ in range(1000)}, {harness.OK})
            connection.close()
        before = self.memory_bytes()
        clients = [self.client() for _ in range(16)]
        for client in clients:
            client.send_option(nbd.LIST)
        # A list has 12 MB. All have begun theirs, and none goes on.
        first = [client.option_reply(nbd.LIST) for client in clients]
        self.assertEqual({kind for kind, _ in first}, {nbd.SERVER})
        # Another one is served meanwhile, to its end; by then they have come as far as they will.
        other = self.client().option(nbd.LIST)
        self.assertEqual([data[4:].decode() for _, data in other[:-1]], names)
        self.assertLess(self.peak_bytes() - before, 17 * 3 * self.MIB)
        listed = [first[0][1]]
        while len(listed) < self.COUNT:
            listed.append(clients[0].option_reply(nbd.LIST)[1])
        self.assertEqual([data[4:].decode() for data in listed], names)
        self.assertEqual(clients[0].option_reply(nbd.LIST), (nbd.ACK, b""))


class Contexts(NbdTest):
    def setUp(self):
        super().setUp()
        self.serve_nbd(prepare='create device "disk" "" "size=1M"\ncreate device "other" "" "size=2M"\n')

    def names(self, client, *queries):
        replies = client.option(nbd.LIST_META, context_query("disk", *queries))
        self.assertEqual(replies[-1][0], nbd.ACK)
        return [data[4:] for kind, data in replies[:-1]]

    def test_need_structured_replies(self):
        client = self.client()
        for option in (nbd.LIST_META, nbd.SET_META):
            self.assertEqual(client.result(option, context_query("disk", "base:allocation")), nbd.INVALID)
        client.go("disk")
        self.assertEqual(client.error(nbd.BLOCK_STATUS, 0, SIZE), nbd.EINVAL)

    def test_are_listed_by_name_and_wildcard(self):
        client = self.client()
        client.agree_on(nbd.STRUCTURED_REPLY)
        for queries, listed in (((), True), (("base:",), True), (("base:allocation",), True), (("qemu:", "base:"), True),
                                (("base",), False), (("base:alloc",), False), (("qemu:dirty-bitmap:x",), False),
                                (("",), False)):
            self.assertEqual(self.names(client, *queries), [b"base:allocation"] if listed else [], queries)
        client.go("disk")  # a list selects nothing
        self.assertEqual(client.error(nbd.BLOCK_STATUS, 0, SIZE), nbd.EINVAL)

    def test_set_replaces_also_when_it_fails(self):
        wants = context_query("disk", "base:allocation")
        for last, expected in ((context_query("disk"), nbd.ACK), (context_query("disk", "base:"), nbd.ACK),
                               (wants[:-1], nbd.INVALID), (context_query("nobody", "base:allocation"), nbd.UNKNOWN)):
            client = self.client()
            client.agree_on(nbd.STRUCTURED_REPLY)
            self.assertEqual(client.result(nbd.SET_META, wants), nbd.ACK)
            self.assertEqual(client.result(nbd.SET_META, last), expected)
            client.go("disk")
            self.assertEqual(client.error(nbd.BLOCK_STATUS, 0, SIZE), nbd.EINVAL, last)

    def test_belong_to_the_name_that_they_were_set_for(self):
        for contexts_of, error in (("disk", 0), ("other", nbd.EINVAL)):
            client = self.client()
            client.agree_on(nbd.STRUCTURED_REPLY)
            self.assertEqual(list(client.set_contexts(contexts_of, "x:y", "base:allocation")), ["base:allocation"])
            client.go("disk")
            self.assertEqual(client.error(nbd.BLOCK_STATUS, 0, SIZE), error)

    def test_extended_headers_take_precedence(self):
        client = self.client()
        client.agree_on(nbd.STRUCTURED_REPLY)
        client.agree_on(nbd.EXTENDED_HEADERS)
        self.assertEqual(client.result(nbd.STRUCTURED_REPLY), nbd.EXT_HEADER_REQD)
        self.assertTrue(client.go("disk")[1] & nbd.STATUS_PAYLOAD)


class Creating(NbdTest):
    def test_a_new_name_makes_a_device_of_that_size(self):
        self.serve_nbd(options=["--nbd-create", "3M"])
        self.assertEqual(self.client().go("made")[0], 3 << 20)
        self.assertEqual(self.client().go("made")[0], 3 << 20)
        client = self.client()
        for name in ("", "made@then", "n" * 256, "00000000-0000-0000-0000-000000000000"):
            self.assertIn(client.result(nbd.INFO, export_query(name)), (nbd.UNKNOWN, nbd.ACK), name)
        self.assertEqual([data for kind, data in client.option(nbd.LIST) if kind == nbd.SERVER], [string("made")])

    def test_not_unless_told_and_never_read_only(self):
        for options in ([], ["--nbd-create", "3M", "--read-only"]):
            self.serve_nbd(options=options)
            client = self.client()
            self.assertEqual(client.result(nbd.GO, export_query("made")), nbd.UNKNOWN)
            client.close()
            self.assertEqual(self.server.stop()[0], 0)


class GoingAway(NbdTest):
    """Wherever a client stops, the server goes on, and nothing keeps its device open."""

    def conversation(self, client):
        client.is_structured = True
        options = ((nbd.STRUCTURED_REPLY, b""), (nbd.SET_META, context_query("disk", "base:allocation")),
                   (nbd.LIST, b""), (nbd.GO, export_query("disk", 1)))
        return (struct.pack(">I", 3) +
                b"".join(b"IHAVEOPT" + struct.pack(">II", option, len(data)) + data for option, data in options) +
                client.header(nbd.WRITE, 3, 20, nbd.FUA) + bytes(20) + client.header(nbd.READ, 0, 4096) +
                client.header(nbd.WRITE_ZEROES, 0, SIZE, nbd.NO_HOLE) + client.header(nbd.BLOCK_STATUS, 0, SIZE) +
                client.header(nbd.FLUSH) + client.header(nbd.DISCONNECT))

    def setUp(self):
        super().setUp()
        self.serve_nbd(prepare='create device "disk" "" "size=1M"\n')

    def assert_let_go(self):
        """The device can be deleted when the server has noticed."""

        def deletes():
            done = self.run_command("send", self.streams, "-", text='open device "disk"\ndelete device\n')
            if done.returncode != 0:
                self.assertIn(b"busy", done.stdout + done.stderr)
            return done.returncode == 0

        harness.wait_until(deletes, "everybody to let go of the device", self.server.process)

    def test_at_every_byte(self):
        size = len(self.conversation(self.client(None)))
        for end in range(0, size + 1, 1):
            client = nbd.Client(self.nbd, None)
            client.send(self.conversation(client)[:end])
            client.close()
        self.assert_let_go()

    def test_at_every_byte_within_and_reading_to_the_end(self):
        size = len(self.conversation(self.client(None)))
        for end in range(0, size + 1, 13):
            client = nbd.Client(self.nbd, None)
            client.send(self.conversation(client)[:end])
            client.socket.shutdown(1)
            while client.socket.recv(1 << 16):
                pass
            client.close()
        self.assert_let_go()

    def test_garbage_in_place_of_any_part(self):
        size = len(self.conversation(self.client(None)))
        for start in range(0, size, 5):
            client = nbd.Client(self.nbd, None)
            whole = self.conversation(client)
            try:
                client.send(whole[:start] + bytes(n * 37 & 255 for n in range(16)) + whole[start:])
            except OSError:
                pass
            client.close()
        self.assert_let_go()


if __name__ == "__main__":
    unittest.main()
