#!/usr/bin/env python3
"""A file with the options of chimera serve."""

import signal
import unittest

from harness import ChimeraTest, Server


class ConfigurationFile(ChimeraTest):
    maxDiff = None

    def config(self, text):
        return self.write_file("serve.conf", text)

    def faults(self, text, *options):
        """What is said of a file, line by line; it is the same whether it is only checked or used."""
        path = self.config(text)
        said = self.fails("serve", "--config", path, "--check-config", *options, status=2)
        self.assertEqual(self.fails("serve", "--config", path, *options, status=2), said)
        return said.replace(f"{path}:", "").splitlines()

    def test_it_gives_what_the_command_line_does_not(self):
        self.format()
        path = self.config(f"# A comment.\n\nstore = {self.store}\n  listen=unix:{self.folder}/a\r\n"
                           f"listen = \"unix:{self.folder}/b\"\nnbd = unix:{self.folder}/c\nread-only = true\n"
                           "cache = 130M\nconnections = 7\nstall-timeout = 30s\nio = posix\nsocket-mode = 0660")
        self.assertEqual(self.chimera("serve", "--config", path, "--check-config"), f"{path}: no problem\n")
        server = self.serve_with(path, 3)
        self.assertEqual(server.banner[0], f"{self.store}: posix I/O, a cache of 130M, at most 7 connections\n")
        self.assertEqual(server.addresses, [f"unix:{self.folder}/{name}" for name in "abc"])
        self.assertEqual((self.folder / "a").stat().st_mode & 0o777, 0o660)
        self.assertEqual(server.stop(), (0, ""))

    def test_the_command_line_overrules_it(self):
        path = self.config(f"store = missing\nlisten = unix:{self.folder}/a\nlisten = unix:{self.folder}/b\n"
                           "connections = 7\n")
        server = self.serve_with(path, 1, ":memory:", "--connections", "9", "--listen", f"unix:{self.folder}/c")
        self.assertIn("at most 9 connections", server.banner[0])
        self.assertEqual(server.addresses, [f"unix:{self.folder}/c"])

    def serve_with(self, path, addresses, *options):
        # The harness counts the addresses that it gives; these stand in the file.
        class Configured(Server):
            def __init__(self):
                super().__init__("--config", [], path, *options)

            def read_banner(self):
                while len(self.addresses) < addresses:
                    line = self.process.stdout.readline()
                    if not line:
                        raise AssertionError("the server did not start: " + self.process.communicate()[1])
                    self.banner.append(line)
                    if line.startswith("listening "):
                        self.addresses.append(line.split()[-1])

        server = Configured()
        self.addCleanup(server.kill)
        server.read_banner()
        return server

    def test_every_fault_is_named_with_its_line(self):
        self.assertEqual(
            self.faults("store = s\nlisten = nowhere\nlisten = unix:good\nlissten = unix:s\nconnections = 0\n"
                        "connections\ncache = 1M\n\nidle-timeout = soon\nread-only = yes\nio = magic\nmemory =\n"
                        "check-config = true\nconfig = other\nsocket-mode = 9\nmemory = 1G\nmemory = 2G\n"
                        "= 3\nattach = \"/srv\nlisten = unix:a\0b\n\33[31m = 1\n"),
            ['2: listen: nowhere is not an address: write unix:PATH or tcp:HOST:PORT',
             "4: there is no option lissten; did you mean listen?",
             "5: connections: Value 0 not in range 1 to 4096",
             "6: this is no line like `name = value`",
             "7: cache: the cache has to have at least 128M",
             '9: idle-timeout: "soon" is not a time: write 500ms, 10s, 5m or 2h, up to a year, or 0',
             '10: read-only is true or false, not "yes"',
             '11: io: it takes uring, posix or auto, and not "magic"',
             "12: memory has no value",
             "13: there is no option check-config",
             "14: there is no option config",
             '15: socket-mode: "9" is not a file mode: write octal digits like 0660',
             "17: memory has been given in line 16 already",
             "18: this is no line like `name = value`",
             "19: the value of attach begins with a double quote, and does not end with one",
             "20: there is a control character in this line",
             "21: there is a control character in this line"])

    def test_a_byte_order_mark_is_passed_over(self):
        path = self.config("\ufeffstore = :memory:\n")
        self.assertIn("no problem", self.chimera("serve", "--config", path, "--check-config"))

    def test_a_flag_that_is_false_is_as_if_it_were_not_there(self):
        path = self.config(f"store = :memory:\nnbd = unix:{self.folder}/a\nread-only = false\n")
        server = self.serve_with(path, 1)
        self.assertEqual(server.stop(signal.SIGINT), (0, ""))

    def test_what_is_missing(self):
        self.assertIn("cannot be read: No such file", self.fails("serve", "--config", "none", status=2))
        self.assertIn("cannot be read: Is a directory", self.fails("serve", "--config", self.folder, status=2))
        path = self.config("store = :memory:\n")
        self.assertIn("--listen or --nbd", self.fails("serve", "--config", path, status=2))
        # It may be meant for a server that is handed its sockets.
        self.assertIn("no problem", self.chimera("serve", "--config", path, "--check-config"))
        # What would hold for no client, and be taken to hold for those that there are.
        for option in (["--read-only"], ["--nbd-create", "1M"]):
            self.assertIn("--nbd (", self.fails("serve", ":memory:", "--listen", "tcp:0", *option, status=2))
        path = self.config("listen = tcp:0\n")
        self.assertIn("STORE is required", self.fails("serve", "--config", path, "--check-config", status=2))
        self.assertIn("--config is required", self.fails("serve", "--check-config", status=2))


if __name__ == "__main__":
    unittest.main()
