"""clang-tidy over every source, in parallel. What was clean stays clean until it, a header, or the rules change.

Most of its time goes into the headers of each file. So several files are checked as one, their texts behind one another,
and only where that text is not clean is each of its files checked by itself: nothing is reported that a file does not
have on its own.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess

import sources

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
FILES_IN_UNIT = 10

# What a line without indentation gives a name to, unless the name is qualified.
NAMESPACE = re.compile(r"^namespace ([\w:]+) {", re.MULTILINE)
DIRECTIVE = re.compile(r"^using namespace .*", re.MULTILINE)
TYPE = re.compile(r"^(?:template.*> )?(?:struct|class|union|enum(?: class)?|concept)\s+(\w+)")
ALIAS = re.compile(r"^using (?:.*::)?(\w+)(?: =|;)|^namespace (\w+) =")
NO_NAME = r"(?![#/} ]|namespace|using|static_assert|TEST_CASE)"
OTHER = re.compile(rf"^#define (\w+)|^{NO_NAME}[^({{=;\[]*?(?<!::)\b(\w+)\s*[({{=;\[]")


def file_scope_names(text):
    """Name to what must not be different where two files have it: an alias may be there twice, anything else may not."""
    namespace = found[1] if (found := NAMESPACE.search(text)) else ""
    names = {}
    for line in text.splitlines():
        for pattern in (TYPE, ALIAS, OTHER):
            if found := pattern.match(line):
                name = next(name for name in found.groups() if name)
                names[namespace, name] = line if pattern is ALIAS else object()
                break
    return names


def unit_key(arguments, text):
    """What the files of a unit share: what the compiler is told, and whose names they use as their own."""
    return arguments, frozenset(DIRECTIVE.findall(text))


def units(files):
    """Splits (path, key, text) into lists of paths whose texts can stand in one: of the same key, at most FILES_IN_UNIT,
    and with no name that would be there twice. What this overlooks does not compile, and each file is checked alone."""
    open_units, done = {}, []
    for path, key, text in files:
        names = file_scope_names(text)
        candidates = open_units.setdefault(key, [])
        fitting = (unit for unit in candidates if all(unit[0].get(name, line) == line for name, line in names.items()))
        unit = next(fitting, None)
        if unit is None:
            unit = ({}, [])
            candidates.append(unit)
            done.append(unit[1])
        unit[0].update(names)
        unit[1].append(path)
        if len(unit[1]) == FILES_IN_UNIT:
            candidates.remove(unit)
    return done


def compiler_arguments(entry):
    """Of an entry of compile_commands.json: where it includes from, and all else but its own name and its outputs'."""
    words, includes, others = iter(shlex.split(entry["command"])), [], []
    for word in words:
        if word in ("-o", "-c", "-MF", "-MQ"):
            next(words)
        elif word.startswith("-I"):
            includes.append(word)
        elif word.startswith("-") and word not in ("-MD", "-fPIC", "-pthread", "-fvisibility=hidden"):
            others.append(word)
    return includes, tuple(others)


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
        includes = {word for path in paths for word in self.arguments[path][0]}
        return *sorted(includes), *self.arguments[paths[0]][1]

    def run(self, path, arguments):
        command = [CLANG_TIDY, "--quiet", f"--config-file={sources.ROOT / '.clang-tidy'}"]
        command += [*(f"--extra-arg={argument}" for argument in EXTRA_ARGUMENTS), str(path), "--", *arguments]
        done = subprocess.run(command, cwd=self.build, capture_output=True, text=True)
        return [] if done.returncode == 0 else (done.stdout.strip() or done.stderr.strip()).splitlines()

    def check_unit(self, paths):
        if len(paths) > 1:
            unit = self.cache / (fingerprint([path.encode() for path in paths]) + ".cpp")
            unit.write_text("".join(f"{self.text(path)}\n" for path in paths))
            problems = self.run(unit, (*self.arguments_of(paths), *UNIT_ARGUMENTS))
            unit.unlink()
            if not problems:
                for path in paths:
                    self.mark(path).touch()
                return []
        found = []
        for path in paths:
            problems = self.run(sources.ROOT / path, self.arguments_of([path]))
            if not problems:
                self.mark(path).touch()
            found += problems
        return found

    def check(self):
        chosen = [path for path in sources.code() if path in self.arguments and not self.mark(path).exists()]
        planned = units((path, unit_key(self.arguments[path][1], self.text(path)), self.text(path)) for path in chosen)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            return [problem for problems in pool.map(self.check_unit, planned) for problem in problems]


def check(build):
    if not (build / "compile_commands.json").is_file():
        return [f"{build} has no compile_commands.json: run ./dev build first"]
    return Tidy(build).check()
