"""The tests that documents name exist, and every trap that they list has one."""

import pathlib
import re

import sources

TRAPS = ("docs/architecture.md", "docs/tables.md")
TEST_FILE = re.compile(r"`(?:[\w/]+/)?(\w+_test\.(?:cpp|py))`")
QUOTED = re.compile(r'"([^"]+)"')
CASE = re.compile(r'(?:TEST_CASE|SUBCASE)\(\s*((?:"[^"]*"\s*)+)')
METHOD = re.compile(r"def test_(\w+)")
# What a cell may name beside test cases: tests that have no case of their own.
OTHERS = re.compile(r"crash_test|_test\b|its mutant|the row `|simulated disk")


def test_names(texts):
    """Names of test cases in C++, and of Python's test methods in words."""
    names = set()
    for text in texts:
        names |= {"".join(QUOTED.findall(found)) for found in CASE.findall(text)}
        names |= {found.replace("_", " ") for found in METHOD.findall(text)}
    return names


def trap_problems(path, text, names):
    """What is wrong with the tables of traps, whose last column says by which tests each is shown."""
    problems = []
    for line in text.partition("## Traps")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("trap", "---"):
            continue
        shown_by = cells[-1]
        quoted = QUOTED.findall(shown_by)
        if not quoted and not OTHERS.search(shown_by):
            problems.append(f"{path}: nothing shows the answer to: {cells[0]}")
        for name in quoted:
            stem = name.removesuffix("…")
            if not any(known == name or (stem != name and known.startswith(stem)) for known in names):
                problems.append(f'{path}: there is no test case "{name}"')
    return problems


def file_problems(path, text, files):
    return [f"{path}: there is no {name}" for name in TEST_FILE.findall(text) if name not in files]


def check():
    tests = [path for path in sources.tracked() if path.startswith("tests/") and path.endswith((".cpp", ".py"))]
    names = test_names((sources.ROOT / path).read_text() for path in tests)
    files = {pathlib.PurePath(path).name for path in tests}
    problems = []
    for path in TRAPS:
        problems += trap_problems(path, (sources.ROOT / path).read_text(), names)
    for path in sources.tracked():
        if path.endswith(".md"):
            problems += file_problems(path, (sources.ROOT / path).read_text(), files)
    return problems
