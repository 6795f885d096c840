"""What every file has to keep to, whatever its language: length, whitespace, names, words."""

import pathlib
import re

import sources

MOST_LINES = 450
LENGTH_SUFFIXES = {".c", ".cpp", ".h", ".hpp", ".py", ".sh", ""}
LENGTH_EXEMPT = {"LICENSE", "clients/python/chimera.py"}  # the latter is one file, to be copied as it is
FILE_NAME = re.compile(r"^[a-z0-9_]+(\.[a-z0-9]+)*$")
DOCUMENT_NAME = re.compile(r"^([a-z0-9-]+|README|CONTRIBUTING|CHANGELOG|LICENSE)(\.md)?$")
# Built so that this file does not match itself.
WORDS = [
    (re.compile(r"/(?:home|work|root|Users)/\w"), "an absolute path of somebody's machine"),
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b"), "a mark of unfinished work"),
]


def length_problems(path, text):
    suffix = pathlib.PurePath(path).suffix
    lines = text.count("\n")
    if suffix in LENGTH_SUFFIXES and path not in LENGTH_EXEMPT and lines > MOST_LINES:
        return [f"{path}: {lines} lines, more than {MOST_LINES}: perhaps two concepts"]
    return []


def whitespace_problems(path, text):
    problems = []
    if text and not text.endswith("\n"):
        problems.append(f"{path}: the last line has no end")
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            problems.append(f"{path}:{number}: a tab")
        if line != line.rstrip():
            problems.append(f"{path}:{number}: blanks at the end of the line")
    return problems


def name_problems(path):
    *folders, name = pathlib.PurePath(path).parts
    # What stands in debian/ is named by its tools.
    if any(part.startswith(".") for part in (*folders, name)) or folders[:1] == ["debian"]:
        return []
    pattern = DOCUMENT_NAME if name.endswith(".md") or name.isupper() else FILE_NAME
    if not pattern.match(name) or not all(FILE_NAME.match(folder) for folder in folders):
        return [f"{path}: names are snake_case (documents: words-with-dashes.md)"]
    return []


def word_problems(path, text):
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        problems += [f"{path}:{number}: {meaning}" for word, meaning in WORDS if word.search(line)]
    return problems


def check():
    problems = []
    for path in sources.tracked():
        problems += name_problems(path)
        data = (sources.ROOT / path).read_bytes()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue  # a golden binary
        if "\0" in text:
            continue
        problems += length_problems(path, text) + word_problems(path, text)
        if not path.startswith(("tests/golden/", "fuzz/corpus/")):
            problems += whitespace_problems(path, text)
    return problems
