#!/usr/bin/env python3
"""The house's own checks find what they are there to find."""

import unittest

import arrows
import named_tests
import text
import tidy
import units


class Arrows(unittest.TestCase):
    def test_an_include_against_the_arrows_is_found(self):
        self.assertTrue(arrows.violations("isa/decoder.cpp", '#include "io/loop.h"\n'))
        self.assertTrue(arrows.violations("vm/machine.cpp", '#include <vector>\n  #  include "server/listener.h"\n'))
        self.assertTrue(arrows.violations("io/disk.cpp", '#include "tests/io/scratch.h"\n'))

    def test_an_include_along_the_arrows_is_not(self):
        self.assertFalse(arrows.violations("vm/machine.cpp", '#include "vm/a.h"\n#include "devices/store.h"\n'))
        self.assertFalse(arrows.violations("tests/devices/pool_test.cpp", '#include "vm/machine.h"\n'))
        self.assertFalse(arrows.violations("cli/main.cpp", '#include "assembler/assembler.h"\n'))

    def test_what_the_installed_header_may_not_bring_with_it_is_found(self):
        texts = {"links/installed.h": '#include "tables/a.h"\n', "tables/a.h": '#include "tables/b.h"\n',
                 "tables/b.h": '#include "tables/a.h"\n#include "isa/c.h"\n', "isa/c.h": ""}
        self.assertFalse(arrows.installed_violations(texts.get))
        texts["tables/b.h"] += '#include "vm/machine.h"\n'
        self.assertEqual(len(arrows.installed_violations(texts.get)), 1)

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


class NamedTests(unittest.TestCase):
    NAMES = named_tests.test_names(['TEST_CASE("a flush "\n    "waits") {', "def test_it_ends(self):"])

    def problems(self, shown_by):
        row = f"| a trap | its answer | `a.cpp` | {shown_by} |"
        return named_tests.trap_problems("a.md", f"## Traps\n\n| trap | answer | in | shown by |\n|---|---|---|---|\n{row}\n", self.NAMES)

    def test_a_trap_that_nothing_shows_is_found(self):
        self.assertTrue(self.problems(""))
        self.assertTrue(self.problems("somewhere"))

    def test_a_test_case_that_is_not_there_is_found(self):
        self.assertTrue(self.problems('"a flush goes", `flush_test.cpp`'))
        self.assertTrue(self.problems('"a flush"'))

    def test_what_is_there_is_good(self):
        for good in ('"a flush waits"', '"a flush…"', '"it ends"', "crash_test; its mutant"):
            self.assertFalse(self.problems(good), good)

    def test_a_file_that_is_not_there_is_found(self):
        self.assertTrue(named_tests.file_problems("a.md", "`tests/cli/gone_test.py`", {"here_test.py"}))
        self.assertFalse(named_tests.file_problems("a.md", "`here_test.py`: all", {"here_test.py"}))


class TidyUnits(unittest.TestCase):
    def units(self, *texts, key=()):
        return units.plan(((f"{n}.cpp", units.key(key, text), text) for n, text in enumerate(texts)), 10)

    def test_files_that_get_along_are_one(self):
        alias = "namespace a {\nusing Bytes = std::vector<char>;\n"
        self.assertEqual(self.units(alias + "int one() {\n", alias + "int two() {\n"), [["0.cpp", "1.cpp"]])
        self.assertEqual(self.units("struct Store::One : Base {\n", "struct Store::Two : Base {\n"), [["0.cpp", "1.cpp"]])
        own = "namespace {\nstruct Rig {\n"
        self.assertEqual(self.units("namespace a {\n" + own, "namespace b {\n" + own), [["0.cpp", "1.cpp"]])

    def test_files_that_do_not_compile_together_are_apart(self):
        for one, other in (
            ("int one() {\n", "void one(int x) {\n"),
            ("struct Rig {\n", "class Rig;\n"),
            ("using Kind = A::Kind;\n", "using Kind = B::Kind;\n"),
            ("using Form = A::Kind;\n", "using Form = B::Form;\n"),
            ("namespace a {\n}\nint main() {\n", "int main(int count, char** words) {\n"),
            ("constexpr int mebi = 1;\n", "constexpr int mebi = 1;\n"),
            ("#define X 1\n", "#define X 2\n"),
            ("using namespace a;\n", "using namespace b;\n"),
            ('#include "chimera.hpp"\n', '#include "isa/builder.h"\n'),
        ):
            self.assertEqual(self.units(one, other), [["0.cpp"], ["1.cpp"]], one)

    def test_a_unit_has_an_end(self):
        texts = [f"int f{n}() {{\n" for n in range(11)]
        self.assertEqual([len(paths) for paths in self.units(*texts)], [10, 1])

    def test_of_the_compilers_arguments_those_stay_that_mean_something(self):
        command = "c++ -Ia.p -I.. -O3 -fPIC -DX=1 -DSOURCE_ROOT=x -MD -MQ a.o -MF a.d -o a.o -c ../a.cpp"
        self.assertEqual(tidy.compiler_arguments({"command": command}), (["-Ia.p", "-I..", "-DSOURCE_ROOT=x"], ("-DX=1",)))


if __name__ == "__main__":
    unittest.main()
