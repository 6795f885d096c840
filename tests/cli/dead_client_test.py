#!/usr/bin/env python3
"""A TCP client whose computer is gone: no reset comes, no end, nothing."""

import time
import unittest

import harness
import namespaces
from harness import ChimeraTest, create_device, open_device, read_bytes_at, write_bytes_at


class DeadClient(ChimeraTest):
    @classmethod
    def setUpClass(cls):
        namespaces.enter_network_namespace()

    def setUp(self):
        super().setUp()
        namespaces.set_loopback(True)
        self.server = self.serve(":memory:", ["tcp:127.0.0.1:0", f"unix:{self.folder}/socket"],
                                 ["--stall-timeout", "2s"])

    def wait_until_closed(self, name):
        """A device can be deleted when nobody else has it open."""
        other = self.connect(self.server.addresses[1])
        other.send(open_device(name))
        self.assertEqual(other.answer(16)[0], harness.OK)

        def deletes():
            other.send(b"\xf4")
            return other.answer()[0] == harness.OK

        harness.wait_until(deletes, "the connection of a client that is gone to be closed", self.server.process)

    def test_one_that_was_idle_is_given_up(self):
        client = self.connect(self.server.addresses[0])
        client.send(create_device("d"))
        self.assertEqual(client.answer(16)[0], harness.OK)
        namespaces.set_loopback(False)
        self.wait_until_closed("d")

    def test_one_that_answers_were_on_their_way_to_is_given_up(self):
        client = self.connect(self.server.addresses[0])
        client.send(create_device("d") + write_bytes_at((1 << 20) - 1, b"x") + read_bytes_at(0, 1 << 20) * 64)
        self.assertEqual(client.answer(16)[0], harness.OK)
        namespaces.set_loopback(False)
        self.wait_until_closed("d")

    def test_a_living_one_stays_however_long_it_asks_for_nothing(self):
        client = self.connect(self.server.addresses[0])
        client.send(create_device("d"))
        self.assertEqual(client.answer(16)[0], harness.OK)
        time.sleep(5)  # the kernel has asked several times, and been answered
        client.send(b"\x54")
        self.assertEqual(client.answer(8)[0], harness.OK)


if __name__ == "__main__":
    unittest.main()
