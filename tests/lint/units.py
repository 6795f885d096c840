#!/usr/bin/env python3
"""Which files can be compiled as one. Headers take most of a small file's time, and in one text they are read once.

As a program: `units.py FOLDER FILE…` writes such texts into the folder and their names to standard output, for meson
(option `units`, which the sanitizers' build has, and each of CI's: ./dev). There -Wshadow sees a file's own names and
those of its neighbours together, so a parameter must not be called as a constant of another file of its folder.
"""

import pathlib
import re
import sys

FILES_IN_UNIT = 8

# What a line without indentation gives a name to, unless the name is qualified.
NAMESPACE = re.compile(r"^namespace ([\w:]+) {", re.MULTILINE)
DIRECTIVE = re.compile(r"^using namespace .*", re.MULTILINE)
TYPE = re.compile(r"^(?:template.*> )?(?:struct|class|union|enum(?: class)?|concept)\s+(\w+)\b(?!::)")
ALIAS = re.compile(r"^using (?:[\w:]*::)?(\w+)(?: =|;)|^namespace (\w+) =")
CONSTANT = re.compile(r"^inline const[^={(]*?\b(\w+) = ")
LIBRARY = re.compile(r'^#include ["<](?:chimera\.hpp|tests/embed/)', re.MULTILINE)
NO_NAME = r"(?![#/} ]|namespace|using|static_assert|TEST_CASE|(?:struct|class) \w+::)"
OTHER = re.compile(rf"^#define (\w+)|^{NO_NAME}[^({{=;\[]*?(?<!::)\b(\w+)\s*[({{=;\[]")


def file_scope_names(text):
    """Name to what must not be different where two files have it: an alias may be there twice, anything else may not."""
    namespace = found[1] if (found := NAMESPACE.search(text)) else ""
    names = {}
    for line in text.splitlines():
        for pattern in (TYPE, ALIAS, OTHER):
            if found := pattern.match(line):
                name = next(name for name in found.groups() if name)
                place = "" if name == "main" else namespace
                names[place, name] = line if pattern is ALIAS else object()
                break
    return names


def header_names(text):
    """The types and constants of a header. A file that gives such a name to something of its own has to stand alone,
    unless it includes the header, and then it would not compile."""
    namespace = found[1] if (found := NAMESPACE.search(text)) else ""
    matches = (TYPE.match(line) or CONSTANT.match(line) for line in text.splitlines() if not line.endswith(";") or "=" in line)
    return {(namespace, found[1]) for found in matches if found}


def hides_one_of(headers, text):
    """Constructors look like functions; they are of the header's own type."""
    return any(not re.search(rf"^(.* )?{name}::~?(?:{name}|operator)\b", text, re.MULTILINE)
               for _, name in headers & file_scope_names(text).keys())  # fmt: skip


def key(arguments, text):
    """What the files of a unit share: what the compiler is told, whose names they use as their own, and whether the
    library's `Program` is the one of include/ or that of isa/."""
    return arguments, frozenset(DIRECTIVE.findall(text)), LIBRARY.search(text) is not None


def plan(files, most):
    """Splits (path, key, text) into lists of paths whose texts can stand in one: of the same key, at most so many, and
    with no name that would be there twice. What this overlooks does not compile."""
    open_units, done = {}, []
    for path, shared, text in files:
        names = file_scope_names(text)
        candidates = open_units.setdefault(shared, [])
        fitting = (unit for unit in candidates if all(unit[0].get(name, line) == line for name, line in names.items()))
        unit = next(fitting, None)
        if unit is None:
            unit = ({}, [])
            candidates.append(unit)
            done.append(unit[1])
        unit[0].update(names)
        unit[1].append(path)
        if len(unit[1]) == most:
            candidates.remove(unit)
    return done


def write(folder, paths):
    folder.mkdir(parents=True, exist_ok=True)
    paths = list(map(pathlib.Path, paths))
    headers = {name for place in {path.parent for path in paths} for header in place.glob("*.h")
               for name in header_names(header.read_text())}  # fmt: skip
    texts = [(path, path.read_text()) for path in paths]
    alone = {path for path, text in texts if hides_one_of(headers, text)}
    files = ((path, key(path if path in alone else (), text), text) for path, text in texts)
    for n, unit in enumerate(plan(files, FILES_IN_UNIT)):
        name, text = folder / f"{folder.name}_{n}.cpp", "".join(f'#include "{path}"\n' for path in unit)
        if not name.exists() or name.read_text() != text:
            name.write_text(text)
        print(name)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), sys.argv[2:])
