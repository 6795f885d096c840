#!/usr/bin/env python3
"""`./dev coverage`: branches of journal, recovery, maps and decoder that no test takes.

Builds the test programs without optimisation in a folder of their own, runs them and asks gcov. Each missing branch is
printed with file and line. docs/coverage.md names those that are known, by the text of their line, and why they are
missing; one that is not there fails, and what is there without being missing is told.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KNOWN = ROOT / "docs" / "coverage.md"
PARTS = {
    "journal": ["devices/journal.h", "devices/journal.cpp", "devices/journal_format.h", "devices/journal_writer.h",
                "devices/journal_writer.cpp", "devices/journal_scan.cpp", "devices/journal_damage.cpp",
                "vm/handlers_journal.cpp"],
    "recovery": ["vm/recovery.cpp", "devices/open_store.cpp", "devices/pool_open.cpp", "devices/remains.h",
                 "devices/remains.cpp", "devices/salvage.cpp", "devices/salvage_survey.h", "devices/salvage_survey.cpp",
                 "vm/salvage.cpp"],
    "maps": ["devices/tree.h", "devices/tree.cpp", "devices/tree_walks.cpp", "devices/space_map.h",
             "devices/space_map.cpp", "devices/space_summary.cpp", "devices/reference_counts.h",
             "devices/reference_counts.cpp"],
    "decoder": ["isa/decoder.cpp"],
}
PROGRAMS = ["isa/test_isa", "devices/test_devices", "vm/test_vm"]
# A broken invariant stops the program; a line that only closes a scope has the compiler's clean-up of what was in it.
LEFT_OUT = re.compile(r"\bassert\(|^[})\];]*$")
ENTRY = re.compile(r"^- `(?P<text>.+)` (?P<branches>\d+(?:, \d+)*) of (?P<count>\d+): (?P<why>.+)$")

# A branch: of which line of which file (by its text), the how manyth of how many.
Branch = collections.namedtuple("Branch", "file text number count")


def build_and_run(build):
    if not (build / "build.ninja").is_file():
        options = ["-Db_coverage=true", "-Doptimization=0", "-Ddebug=false", "-Dwerror=false"]
        subprocess.run(["meson", "setup", str(build), *options], cwd=ROOT, check=True)
    subprocess.run(["ninja", "-C", str(build), *(f"tests/{program}" for program in PROGRAMS)], check=True)
    for counters in build.rglob("*.gcda"):
        counters.unlink()
    for program in PROGRAMS:
        print(f"running {program}", flush=True)
        subprocess.run([build / "tests" / program], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def measured_files(build):
    """What gcov says of the sources, from each object that has code of them."""
    wanted = {path for paths in PARTS.values() for path in paths}
    for counters in sorted(build.rglob("*.gcda")):
        command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", str(counters)]
        output = subprocess.run(command, cwd=build, check=True, capture_output=True, text=True).stdout
        for document in map(json.loads, output.splitlines()):
            for file in document["files"]:
                path = (build / file["file"]).resolve()
                if path.is_relative_to(ROOT) and str(path.relative_to(ROOT)) in wanted:
                    yield str(path.relative_to(ROOT)), file


def decisions(branches):
    """The counts of the branches that are ours: a call that may throw has two, one for its return and one behind it."""
    counts = []
    for branch in branches:
        if branch["throw"]:
            counts.pop()
        else:
            counts.append(branch["count"])
    return counts


def counters_of(build):
    """For each source, line, and function that has code in it, the counts of its branches in each instance.

    A function is where it begins. Instances of a template begin at the same place, and a lambda elsewhere than the
    function around it, so what is added up is always the same branch. That it is called is a branch too.
    """
    found = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    for path, file in measured_files(build):
        begins = {}
        for function in file["functions"]:
            begin = begins[function["name"]] = (function["start_line"], function["start_column"])
            found[path][begin[0]][(*begin, "call")].append([function["execution_count"]])
        for line in file["lines"]:
            if counts := decisions(line["branches"]):
                found[path][line["line_number"]][begins[line["function_name"]]].append(counts)
    return found


def taken(functions):
    """How often each branch of a line was, those of the functions one after the other."""
    sums = []
    for function in sorted(functions, key=str):
        instances = functions[function]
        if len(set(map(len, instances))) > 1:
            raise SystemExit(f"coverage: instances of the function at line {function[0]} have other branches")
        sums += map(sum, zip(*instances))
    return sums


def missing_branches(build):
    """(Branch, line number) for each, and for each part how many there are and how many are taken."""
    missing, totals = [], {}
    counters = counters_of(build)
    for part, paths in PARTS.items():
        count = covered = 0
        for path in paths:
            source = (ROOT / path).read_text().splitlines()
            if path not in counters:
                raise SystemExit(f"coverage: nothing was measured of {path}")
            for number, functions in sorted(counters[path].items()):
                text = source[number - 1].strip()
                if LEFT_OUT.search(text):
                    continue
                sums = taken(functions)
                count += len(sums)
                covered += sum(times > 0 for times in sums)
                missing += [(Branch(path, text, n, len(sums)), number)
                            for n, times in enumerate(sums, 1) if times == 0]
        totals[part] = (covered, count)
    return missing, totals


def known_branches():
    """The reasons for each; as many as there are lines of that text in the file of which it is missing."""
    known, file = collections.defaultdict(list), None
    for paragraph in re.split(r"\n(?! )", KNOWN.read_text()):
        line = re.sub(r"\n +", " ", paragraph)
        if line.startswith("## "):
            file = line[3:].strip()
        elif line.startswith("- `"):
            entry = ENTRY.match(line)
            if entry is None:
                raise SystemExit(f"{KNOWN.name}: not `text` N, N of N: why: {line}")
            for branch in entry["branches"].split(", "):
                known[Branch(file, entry["text"], int(branch), int(entry["count"]))].append(entry["why"])
    return known


def main():
    parser = argparse.ArgumentParser(prog="./dev coverage", description="Branches that no test takes.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-coverage")
    parser.add_argument("--as-it-is", action="store_true", help="look at what the last run has counted")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if not arguments.as_it_is:
        build_and_run(build)
    missing, totals = missing_branches(build)
    known = known_branches()
    new = 0
    for branch, line in missing:
        why = known[branch].pop(0) if known[branch] else None
        new += why is None
        print(f"{branch.file}:{line}: branch {branch.number} of {branch.count}: {why or 'NEW'}\n    {branch.text}")
    for branch in [branch for branch, whys in known.items() for _ in whys]:
        print(f"{KNOWN.name}: {branch.file}: `{branch.text}` {branch.number} of {branch.count} is not missing")
    print()
    for part, (covered, count) in totals.items():
        print(f"{part:<12}{covered:>6} of {count:>6} branches, {100 * covered / count:.1f} %")
    print(f"{len(missing)} are missing, {new} of them unknown to {KNOWN.relative_to(ROOT)}")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
