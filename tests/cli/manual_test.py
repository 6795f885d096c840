#!/usr/bin/env python3
"""The manual pages: made of the command line's own table and the instruction set's, and read by man and mandoc."""

import json
import os
import re
import shutil
import subprocess
import unittest

from harness import ChimeraTest


class Manual(ChimeraTest):
    @classmethod
    def setUpClass(cls):
        # A man that is not run from a terminal takes its encoding and width from these.
        cls.environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""}

    def setUp(self):
        super().setUp()
        self.chimera("manual", self.folder / "man")
        self.pages = {path.name: path for path in sorted((self.folder / "man").rglob("*.[17]"))}

    def commands(self, *group):
        """All of them, and those of groups behind these: ["table", "table insert", …]."""
        listed = self.chimera(*group, "--help").split("Subcommands:")
        names = []
        for line in listed[-1].splitlines() if len(listed) > 1 else []:
            if re.match(r"  [a-z]", line):
                path = [*group, line.split()[0]]
                names += [" ".join(path), *self.commands(*path)]
        return names

    @staticmethod
    def page_of(command):
        return "chimera-" + command.replace(" ", "-") + ".1"

    def rendered(self, name):
        """As a person sees it, without the breaks of lines."""
        done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", str(self.pages[name])], capture_output=True,
                              text=True, check=True)
        return re.sub(r".\x08", "", done.stdout)

    def test_there_is_a_page_for_each_command_and_one_for_the_instruction_set(self):
        wanted = {"chimera.1", "chimera-isa.7", *(self.page_of(command) for command in self.commands())}
        self.assertEqual(set(self.pages), wanted)
        for name, path in self.pages.items():
            self.assertEqual(path.parent.name, "man" + name[-1])

    @unittest.skipUnless(shutil.which("mandoc"), "there is no mandoc")
    def test_mandoc_finds_nothing_wrong(self):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *map(str, self.pages.values())],
                              capture_output=True, text=True)
        self.assertEqual((done.stdout, done.returncode), ("", 0))

    @unittest.skipUnless(shutil.which("man"), "there is no man")
    def test_man_warns_of_nothing(self):
        for name, path in self.pages.items():
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", str(path)],
                                  capture_output=True, text=True, env=self.environment)
            self.assertEqual((done.stderr, done.returncode), ("", 0), name)

    @unittest.skipUnless(shutil.which("mandoc"), "there is no mandoc")
    def test_every_option_and_every_example_of_the_help_stands_in_its_page(self):
        for command in self.commands():
            page = self.rendered(self.page_of(command))
            text = self.chimera(*command.split(), "--help")
            for option in re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.MULTILINE) if "Subcommands:" not in text else []:
                self.assertRegex(page, rf"(?m)^ +(-\w, )?{option}\b", command)
            for standard in re.findall(r"^  (?:.* )?--[\w-]+ N=(\w+)", text, re.MULTILINE):
                self.assertIn(f"(default {standard})", page)
            for example in re.findall(r"^  (chimera .*)$", text.split("Examples:")[-1], re.MULTILINE):
                self.assertIn(example, page)

    @unittest.skipUnless(shutil.which("mandoc"), "there is no mandoc")
    def test_every_instruction_stands_in_the_page_of_the_instruction_set(self):
        page = self.rendered("chimera-isa.7")
        flat = " ".join(page.split())
        for instruction in json.loads(self.chimera("isa", "--json"))["instructions"]:
            self.assertRegex(page, rf"(?m)^ +{instruction['mnemonic']}\b")
            self.assertIn(" ".join(instruction["meaning"].split()), flat)
        # Nothing of the Markdown that it comes from is left.
        self.assertNotRegex(page, r"\*\*|`|^#|\|---")

    def test_the_same_moment_gives_the_same_pages(self):
        os.environ["SOURCE_DATE_EPOCH"] = "86400"
        self.addCleanup(os.environ.pop, "SOURCE_DATE_EPOCH")
        self.chimera("manual", self.folder / "again")
        self.assertIn('.TH CHIMERA 1 "1970-01-02"', (self.folder / "again" / "man1" / "chimera.1").read_text())

    def test_where_it_cannot_be_written_it_says_so(self):
        self.assertIn("file/man1", self.fails("manual", self.write_file("file", "")))


if __name__ == "__main__":
    unittest.main()
