"""Who may include whom. The folders are the architecture; this holds them to it."""

import pathlib
import re

import sources

EVERYTHING = {"isa", "io", "assembler", "devices", "vm", "types", "tables", "nbd", "server", "links", "include", "embed",
              "cli"}
MAY_INCLUDE = {
    "isa": set(),
    "io": {"isa"},
    "assembler": {"isa"},
    "devices": {"isa", "io"},
    "vm": {"isa", "io", "devices"},
    "types": {"isa"},
    "tables": {"isa", "types"},
    "nbd": {"isa", "io", "vm"},
    "server": {"isa", "io", "vm", "nbd"},
    "links": {"isa", "vm", "server", "types", "tables", "include"},
    "include": set(),
    "embed": {"isa", "io", "assembler", "devices", "vm", "server", "include"},
    "cli": EVERYTHING - {"nbd", "embed", "include"},
    "tests": EVERYTHING,
    "bench": EVERYTHING,
    "fuzz": EVERYTHING | {"tests"},
    "examples": set(),
}
# What is installed for C++ programs, by way of all that it includes, needs no more than this.
INSTALLED = "links/installed.h"
INSTALLED_OF = {"include", "isa", "types", "tables", "links"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def allowed(path):
    """The folders that this file may include from, or None for a file that stands in no folder with a rule."""
    parts = pathlib.PurePath(path).parts
    if parts[0] not in MAY_INCLUDE:
        return None
    return MAY_INCLUDE[parts[0]] | {parts[0]}


def violations(path, text):
    """One line for each include that goes against the arrows."""
    may_include = allowed(path)
    if may_include is None:
        return [f"{path}: a C++ file outside the folders that have a rule"]
    problems = []
    for included in INCLUDE.findall(text):
        folder = pathlib.PurePath(included).parts[0]
        if folder not in may_include:
            allowed_text = ", ".join(sorted(may_include))
            problems.append(f"{path}: includes {included}, but may include only from {allowed_text}")
    return problems


def installed_violations(read):
    """One line for each include behind the installed header that is of no installed folder. `read`: a path's text."""
    problems = []
    reached, waiting = {INSTALLED}, [INSTALLED]
    while waiting:
        path = waiting.pop()
        for included in INCLUDE.findall(read(path)):
            if pathlib.PurePath(included).parts[0] not in INSTALLED_OF:
                problems.append(f"{path}: includes {included}, but is part of the installed header")
            elif included not in reached:
                reached.add(included)
                waiting.append(included)
    return problems


def check():
    problems = installed_violations(lambda path: (sources.ROOT / path).read_text())
    for path in sources.code():
        problems += violations(path, (sources.ROOT / path).read_text())
    return problems
