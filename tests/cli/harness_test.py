#!/usr/bin/env python3
"""The harness itself: a test that hangs fails and says where, and nothing that a test has started outlives it."""

import subprocess
import threading
import unittest

from harness import BoundedTest, wait_until


class Hangs(BoundedTest):
    longest_seconds = 0.2
    started = []

    def start(self):
        """A process with another behind it; its output ends when both have."""
        process = subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"], stdout=subprocess.PIPE)
        self.started.append(process)
        return process

    def read(self):
        self.start().stdout.read()

    def wait_at_the_end_of_a_block(self):
        with self.start():
            threading.Event().wait()

    def hang_while_cleaning_up(self):
        self.addCleanup(self.start().wait)

    def leave_something(self):
        self.start()


class Bounds(unittest.TestCase):
    def run_one(self, name):
        """What is said of it, if it fails. All that it has started has ended."""
        result = unittest.TestResult()
        Hangs(name).run(result)
        process = Hangs.started.pop()
        self.assertEqual(process.stdout.read() if not process.stdout.closed else b"", b"")
        process.stdout.close()
        self.assertEqual(process.wait(), -9)
        self.assertEqual(result.errors, [])
        return "".join(said for _, said in result.failures)

    def test_what_hangs_fails_where_it_hangs(self):
        for name, where in (("read", "in read"), ("wait_at_the_end_of_a_block", "in wait_at_the_end_of_a_block"),
                            ("hang_while_cleaning_up", "in wait")):
            with self.subTest(name):
                said = self.run_one(name)
                self.assertIn("this test has not ended within 0.2 s", said)
                self.assertIn(where, said)

    def test_what_is_left_is_ended(self):
        self.assertEqual(self.run_one("leave_something"), "")

    def test_a_wait_says_what_for(self):
        process = subprocess.Popen(["false"])
        with self.assertRaisesRegex(AssertionError, "waiting for what never comes: the process has ended with 1"):
            wait_until(lambda: False, "what never comes", process)
        answers = iter((0, None, "this"))
        self.assertEqual(wait_until(lambda: next(answers), "an answer"), "this")


if __name__ == "__main__":
    unittest.main()
