"""clang-tidy over every source, in parallel. What was clean stays clean until it, a header, or the rules change.

Most of its time goes into the headers of each file. So several files are checked as one, their texts behind one another,
and where that text is not clean each half of them is, down to the single file: nothing is reported that a file does not
have on its own.
"""

import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess

import sources
import units

# Version 16 is Debian 12's newest, and the first that understands std::expected's destructors.
CLANG_TIDY = "clang-tidy-16"
EXTRA_ARGUMENTS = [
    "-include",
    str(sources.ROOT / "tests" / "lint" / "clang_with_expected.h"),
    "-Wno-unknown-warning-option",
    "-Wno-string-conversion",  # assert(!"what cannot be")
]
# Names of one file may hide those of another; GCC says so where it is in one.
UNIT_ARGUMENTS = ["-Wno-shadow"]
FILES_IN_UNIT = 60
MEANINGLESS = ("-MD", "-fPIC", "-pthread", "-fvisibility=hidden")  # to a check


def compiler_arguments(entry):
    """Of an entry of compile_commands.json: what others may have, too (where it includes from, where the sources are),
    and all else that a check could depend on."""
    words, shared, others = iter(shlex.split(entry["command"])), [], []
    for word in words:
        if word in ("-o", "-c", "-MF", "-MQ"):
            next(words)
        elif word.startswith(("-I", "-DSOURCE_ROOT=")):
            shared.append(word)
        elif word.startswith("-") and not word.startswith("-O") and word not in MEANINGLESS:
            others.append(word)
    return shared, tuple(others)


def fingerprint(parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


class Tidy:
    def __init__(self, build):
        self.build = build
        self.cache = build / "tidy-cache"
        self.cache.mkdir(exist_ok=True)
        # A file that several programs compile is looked at once.
        self.arguments = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), sources.ROOT)
            self.arguments.setdefault(path, compiler_arguments(entry))
        headers = [(sources.ROOT / path).read_bytes() for path in sources.code() if path.endswith((".h", ".hpp", ".def"))]
        self.rules = fingerprint([(sources.ROOT / ".clang-tidy").read_bytes(), *headers]).encode()

    def text(self, path):
        return (sources.ROOT / path).read_text()

    def mark(self, path):
        return self.cache / fingerprint([self.rules, path.encode(), self.text(path).encode()])

    def arguments_of(self, paths):
        shared = {word for path in paths for word in self.arguments[path][0]}
        return *sorted(shared), *self.arguments[paths[0]][1]

    def run(self, path, arguments):
        command = [CLANG_TIDY, "--quiet", f"--config-file={sources.ROOT / '.clang-tidy'}"]
        command += [*(f"--extra-arg={argument}" for argument in EXTRA_ARGUMENTS), str(path), "--", *arguments]
        done = subprocess.run(command, cwd=self.build, capture_output=True, text=True)
        return [] if done.returncode == 0 else (done.stdout.strip() or done.stderr.strip()).splitlines()

    def problems(self, paths):
        if len(paths) == 1:
            return self.run(sources.ROOT / paths[0], self.arguments_of(paths))
        unit = self.cache / (fingerprint([path.encode() for path in paths]) + ".cpp")
        unit.write_text("".join(f"{self.text(path)}\n" for path in paths))
        problems = self.run(unit, (*self.arguments_of(paths), *UNIT_ARGUMENTS))
        unit.unlink()
        return problems

    def check_unit(self, paths):
        problems = self.problems(paths)
        if not problems:
            for path in paths:
                self.mark(path).touch()
            return []
        if len(paths) == 1:
            return problems
        middle = len(paths) // 2
        return self.check_unit(paths[:middle]) + self.check_unit(paths[middle:])

    def check(self):
        chosen = [path for path in sources.code() if path in self.arguments and not self.mark(path).exists()]
        files = ((path, units.key(self.arguments[path][1], self.text(path)), self.text(path)) for path in chosen)
        planned = units.plan(files, FILES_IN_UNIT)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            return [problem for problems in pool.map(self.check_unit, planned) for problem in problems]


def check(build):
    if not (build / "compile_commands.json").is_file():
        return [f"{build} has no compile_commands.json: it is no build folder"]
    return Tidy(build).check()
