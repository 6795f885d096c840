#!/usr/bin/env python3
"""Help for everything, and exit status 2 for wrong usage."""

import unittest

from harness import ChimeraTest

SUBCOMMANDS = ("format run serve send asm disasm import export info devices check grow journal create rename protect "
               "delete snapshot clone rollback diff isa stats top completion").split()
GROUPS = {"table": "create describe list insert export get scan count aggregate update delete truncate rename drop".split(),
          "table column": "add drop rename get put compress decompress".split(), "table index": ["add", "drop"], "blob": "put get append rm list digest".split()}


class Usage(ChimeraTest):
    def test_help_names_every_subcommand(self):
        text = self.chimera("--help")
        for name in SUBCOMMANDS:
            self.assertRegex(text, rf"(?m)^  {name} ")

    def test_every_subcommand_has_help_with_examples(self):
        for name in SUBCOMMANDS:
            with self.subTest(name):
                text = self.chimera(name, "--help")
                self.assertIn("Examples:", text)
                self.assertIn(f"chimera {name}", text)

    def test_every_command_of_a_group_has_help_with_examples(self):
        for group, commands in GROUPS.items():
            listed = self.chimera(*group.split(), "--help")
            for name in commands:
                with self.subTest(f"{group} {name}"):
                    self.assertRegex(listed, rf"(?m)^  {name} ")
                    text = self.chimera(*group.split(), name, "--help")
                    self.assertIn("Examples:", text)
                    self.assertIn(f"chimera {group} {name} ", text)

    def test_version(self):
        self.assertRegex(self.chimera("--version"), r"^chimera \d+\.\d+\.\d+\n$")

    def test_wrong_usage_ends_with_status_2(self):
        wrong = [
            [],
            ["frobnicate"],
            ["format"],
            ["format", "a", "b"],
            ["format", "a", "--size", "12Q"],
            ["format", "a", "--size", "-1"],
            ["format", "a", "--frobnicate"],
            ["run", ":memory:"],
            ["run", ":memory:", "p", "--io", "magic"],
            ["run", ":memory:", "p", "--cache", "1M"],
            ["run", ":memory:", "p", "--raw", "--json"],
            ["run", ":memory:", "p", "--text", "--binary"],
            ["run", "unix:socket", "p"],
            ["send", "store.img", "p"],
            ["serve", ":memory:"],
            ["serve", ":memory:", "--listen", "nowhere"],
            ["serve", ":memory:", "--listen", "tcp:localhost:99999"],
            ["serve", ":memory:", "--listen", "unix:s", "--socket-mode", "rw"],
            ["serve", ":memory:", "--listen", "unix:s", "--connections", "0"],
            ["serve", ":memory:", "--listen", "unix:s", "--connections", "4097"],
            *(["serve", ":memory:", "--listen", "unix:s", "--idle-timeout", time]
              for time in ("", "5", "-1s", "s", "5 m", "5d", "1.5s", "9000h", "99999999999999999999s")),
            ["import", "store.img", "file"],
            ["export", "store.img"],
            ["grow", "store.img"],
            ["journal"],
            ["journal", "store.img", "--records", "-1"],
            ["journal", "store.img", "--records", "some"],
            ["snapshot", "store.img"],
            ["snapshot", "store.img", "disk="],
            ["snapshot", "store.img", "disk", "=name"],
            ["clone", "store.img", "disk"],
            ["rollback", "store.img", "disk"],
            ["diff", "store.img", "disk"],
            ["diff", "store.img", "disk", "other", "third"],
            ["isa", "write", "--json"],
        ]
        for arguments in wrong:
            with self.subTest(arguments):
                self.fails(*arguments, status=2)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_wrong_usage_says_what_is_wrong(self):
        for arguments, said in ((["formt", "a"], "there is no command formt; did you mean format?"),
                                (["frobnicate"], "there is no command frobnicate."),
                                ([], "no command was given."),
                                (["--frobnicate"], "there is no option --frobnicate."),
                                (["run", ":memory:", "p", "--io", "magic"],
                                 '--io: it takes uring, posix or auto, and not "magic".'),
                                (["serve", "a", "--lisen", "unix:s"],
                                 "there is no option --lisen; did you mean --listen?"),
                                (["serve", "a", "--nbd", "unix:s", "--nbd-create", "0"], "a size of 0 is none"),
                                (["format", "a", "b"], "not expected: b.")):
            with self.subTest(arguments):
                self.assertIn(said, self.fails(*arguments, status=2))

    def test_help_of_format_says_the_least_size_and_what_is_looked_at(self):
        text = self.chimera("format", "--help")
        self.assertIn("at least 16M", text)
        self.assertIn("first and last MiB", text)

    def test_one_listen_takes_one_address(self):
        # The store may stand behind it.
        server = self.serve("--listen", [f"unix:{self.folder}/one"], [f"unix:{self.folder}/two", ":memory:"])
        self.assertEqual(server.stop()[0], 0)

    def test_isa(self):
        self.assertIn("| read byte |", self.chimera("isa"))
        self.assertIn("<device> <offset64>", self.chimera("isa", "read byte"))
        self.assertIn('"mnemonic"', self.chimera("isa", "--json"))
        self.assertIn("syntax", self.chimera("isa", "--vim"))
        self.assertIn("frobnicate", self.fails("isa", "frobnicate"))


if __name__ == "__main__":
    unittest.main()
