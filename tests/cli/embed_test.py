#!/usr/bin/env python3
"""The library as it is installed: a C program finds it by pkg-config, is built against either kind and works; nothing but
what the header declares is to be seen of it."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import unittest

from harness import ROOT, TIMEOUT_SECONDS, ChimeraTest

BUILD = pathlib.Path(os.environ.get("CHIMERA_BUILD", str(ROOT / "build")))
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]

CPP_PROGRAM = r"""
#include <chimera.hpp>
#include <cstdio>

int main() {
  chimera::Store store;
  if (store.open(":memory:") != CHIMERA_OK) return 1;
  chimera::Session session(store);
  chimera::Program program;
  program.assemble("create device \"d\" \"\"\nappend bytes \"words\"\nread bytes @0 #5");
  if (session.submit(program) != CHIMERA_OK) return 2;
  std::vector<chimera::Result> results;
  if (store.reap(results, -1) != 1 || results[0].status != CHIMERA_OK) return 3;
  for (const chimera::Answer& answer : results[0].all()) std::printf("%zu ", answer.size);
  std::printf("%.*s\n", 5, results[0].all().at(2).text().data());
  return store.close();
}
"""


def build_option(name):
    options = subprocess.run(["meson", "introspect", "--buildoptions", str(BUILD)], check=True, capture_output=True,
                             text=True).stdout
    return next(option["value"] for option in json.loads(options) if option["name"] == name)


class Installed(ChimeraTest):
    @classmethod
    def setUpClass(cls):
        sanitizers = build_option("b_sanitize")
        cls.extra = [] if sanitizers == "none" else [f"-fsanitize={sanitizers}"]
        prefix = build_option("prefix").lstrip("/")
        cls.libraries = pathlib.Path(prefix) / build_option("libdir")
        cls.headers = pathlib.Path(prefix) / build_option("includedir")

    def setUp(self):
        super().setUp()
        self.root = self.folder / "root"
        self.call("meson", "install", "-C", BUILD, "--destdir", self.root, "--no-rebuild", "--quiet")

    def call(self, *command, environment=None, status=0):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=self.folder,
                              timeout=TIMEOUT_SECONDS, env={**os.environ, **(environment or {})})
        self.assertEqual(done.returncode, status, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def flags(self, *options, package="chimera"):
        folder = self.root / self.libraries / "pkgconfig"
        environment = {"PKG_CONFIG_PATH": str(folder), "PKG_CONFIG_SYSROOT_DIR": str(self.root)}
        # The sysroot goes before the folders of the libraries that ours needs, too, which are not there.
        return shlex.split(self.call("pkg-config", *options, package, environment=environment))

    def build(self, compiler, source, program, *flags):
        self.call(*compiler, *STRICT, *self.extra, source, *flags, "-o", self.folder / program)
        return self.folder / program

    def use(self, program, environment=None):
        """The example does what it says, in memory, on a file, and behind a server."""
        def run(*words, status=0):
            return self.call(program, *words, environment=environment, status=status)

        self.assertIn("usage: embed", run(status=2))
        self.assertEqual(run(":memory:", "put", "key", "value"), "")
        place = self.folder / f"{program.name}.img"
        run(place, "put", "language", "C")
        run(place, "put", "year", "1972")
        self.assertEqual(run(place, "get", "language"), "C\n")
        self.assertEqual(run(place, "get", "nothing", status=1), "embed: there is no such key\n")
        run(place, "put", "language", "C11")
        self.assertEqual(run(place, "get", "language"), "C11\n")
        self.assertIn("No problem", self.chimera("check", place))
        server = self.serve(place)
        self.assertEqual(run(server.addresses[0], "get", "year"), "1972\n")
        self.assertIn("in use", run(place, "get", "year", status=1))
        self.assertEqual(server.stop()[0], 0)
        self.assertIn("510 bytes at most", run(place, "put", "key", "x" * 508, status=1))
        self.assertIn("cannot be opened", run(self.folder, "put", "a", "b", status=1))
        letter = self.write_file("letter", "shorter than a block")
        self.assertIn("no Chimera store", run(letter, "put", "a", "b", status=1))

    def test_the_example_against_the_shared_library(self):
        program = self.build(["gcc", "-std=c11"], ROOT / "examples" / "embed.c", "shared", *self.flags("--cflags", "--libs"))
        needed = self.call("objdump", "-p", program)
        self.assertIn("libchimera.so.0\n", needed)
        self.assertIn("CHIMERA_0", needed)
        self.use(program, {"LD_LIBRARY_PATH": str(self.root / self.libraries)})

    def test_the_example_against_the_static_library(self):
        for library in (self.root / self.libraries).glob("libchimera.so*"):
            library.unlink()
        program = self.build(["gcc", "-std=c11"], ROOT / "examples" / "embed.c", "static",
                             *self.flags("--static", "--cflags", "--libs"))
        self.assertNotIn("libchimera", self.call("objdump", "-p", program))
        self.use(program)

    def test_the_layer_for_cpp(self):
        source = self.write_file("program.cpp", CPP_PROGRAM)
        for standard in ("c++17", "c++20"):
            program = self.build(["g++", f"-std={standard}", "-Wshadow", "-Wconversion"], source, standard,
                                 *self.flags("--cflags", "--libs"))
            said = self.call(program, environment={"LD_LIBRARY_PATH": str(self.root / self.libraries)})
            self.assertEqual(said, "16 8 5 words\n")

    def use_collections(self, program, place, environment=None, number=1):
        """The example finds what it has left there when it was run before."""
        def run(*words, status=0):
            return self.call(program, place, *words, environment=environment, status=status)

        plants, cat = "water the plants", "feed the cat"
        run("add", plants)
        run("add", cat)
        self.assertEqual(run("next"), [plants, cat][number - 1] + "\n")
        self.assertEqual(run("words"), "".join(f"{word} {number * (2 if word == 'the' else 1)}\n"
                                               for word in ("cat", "feed", "plants", "the", "water")))
        self.assertEqual(run("done", 'at > "2026-01-01"'), "".join(f"{task}\n" for task in [plants, cat][:number]))
        self.assertEqual(run("done", f'task = "{cat}"'), f"{cat}\n" * (number - 1))
        self.assertIn("where:1:6", run("done", "task ? 1", status=1))

    def test_the_example_of_tables_and_collections(self):
        arguments = ["g++", "-std=c++2b", "-Wshadow", "-Wconversion"]
        source = ROOT / "examples" / "collections.cpp"
        flags = self.flags("--cflags", "--libs", package="chimera-tables")
        program = self.build(arguments, source, "tables_shared", *flags)
        self.assertIn("libchimera.so.0\n", self.call("objdump", "-p", program))
        environment = {"LD_LIBRARY_PATH": str(self.root / self.libraries)}
        place = self.folder / "tasks.img"
        self.use_collections(program, place, environment)
        server = self.serve(place)
        self.use_collections(program, server.addresses[0], environment, number=2)
        self.assertIn("in use", self.call(program, place, "next", environment=environment, status=1))
        self.assertEqual(server.stop()[0], 0)
        self.assertIn("No problem", self.chimera("check", place))
        self.assertIn("Is a server running there",
                      self.call(program, server.addresses[0], "next", environment=environment, status=1))

        for library in (self.root / self.libraries).glob("libchimera.so*"):
            library.unlink()
        program = self.build(arguments, source, "tables_static",
                             *self.flags("--static", "--cflags", "--libs", package="chimera-tables"))
        self.assertNotIn("libchimera", self.call("objdump", "-p", program))
        self.use_collections(program, self.folder / "others.img")

    def test_nothing_is_seen_of_it_but_what_the_header_declares(self):
        header = (self.root / self.headers / "chimera.h").read_text()
        declared = set(re.findall(r"^CHIMERA_API [^;]*?\b(chimera_\w+)\(", header, re.MULTILINE))
        self.assertGreater(len(declared), 25)
        library = self.root / self.libraries / "libchimera.so.0"
        seen = [line.split()[-1] for line in self.call("nm", "-D", "--defined-only", library).splitlines()]
        self.assertEqual(sorted(set(seen) - {"CHIMERA_0"}), sorted(f"{name}@@CHIMERA_0" for name in declared))
        # What packages of programs go by to know which version they need.
        listed = [line.split()[0] for line in (ROOT / "debian" / "libchimera0.symbols").read_text().splitlines()[2:]]
        self.assertEqual(listed, ["CHIMERA_0@CHIMERA_0", *sorted(f"{name}@CHIMERA_0" for name in declared)])


if __name__ == "__main__":
    unittest.main()
