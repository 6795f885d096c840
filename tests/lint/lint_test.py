#!/usr/bin/env python3
"""The house's own checks find what they are there to find."""

import unittest

import arrows
import text


class Arrows(unittest.TestCase):
    def test_an_include_against_the_arrows_is_found(self):
        self.assertTrue(arrows.violations("isa/decoder.cpp", '#include "io/loop.h"\n'))
        self.assertTrue(arrows.violations("vm/machine.cpp", '#include <vector>\n  #  include "server/listener.h"\n'))
        self.assertTrue(arrows.violations("io/disk.cpp", '#include "tests/io/scratch.h"\n'))

    def test_an_include_along_the_arrows_is_not(self):
        self.assertFalse(arrows.violations("vm/machine.cpp", '#include "vm/a.h"\n#include "devices/store.h"\n'))
        self.assertFalse(arrows.violations("tests/devices/pool_test.cpp", '#include "vm/machine.h"\n'))
        self.assertFalse(arrows.violations("cli/main.cpp", '#include "assembler/assembler.h"\n'))

    def test_a_file_in_a_folder_without_a_rule_is_found(self):
        self.assertTrue(arrows.violations("misc/helper.cpp", ""))


class Text(unittest.TestCase):
    def test_a_long_file_is_found(self):
        self.assertTrue(text.length_problems("vm/big.cpp", "x\n" * (text.MOST_LINES + 1)))
        self.assertFalse(text.length_problems("vm/big.cpp", "x\n" * text.MOST_LINES))
        self.assertFalse(text.length_problems("docs/big.md", "x\n" * 5000))

    def test_tabs_blanks_and_a_missing_last_line_end_are_found(self):
        for bad in ("\tx\n", "x \n", "x"):
            self.assertEqual(len(text.whitespace_problems("a.cpp", bad)), 1, repr(bad))
        self.assertFalse(text.whitespace_problems("a.cpp", "  x\n"))

    def test_names(self):
        for good in ("vm/machine.cpp", "docs/store-format.md", "README.md", ".clang-tidy", "examples/a_b.asm"):
            self.assertFalse(text.name_problems(good), good)
        for bad in ("vm/Machine.cpp", "vm/my-file.cpp", "docs/Store_Format.md", "Vm/machine.cpp"):
            self.assertTrue(text.name_problems(bad), bad)

    def test_stray_words(self):
        self.assertTrue(text.word_problems("a.cpp", "// TO" + "DO: later\n"))
        self.assertTrue(text.word_problems("a.cpp", '"/ho' + 'me/somebody"\n'))
        self.assertFalse(text.word_problems("a.cpp", "// the method does\n"))


if __name__ == "__main__":
    unittest.main()
