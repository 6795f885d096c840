#!/usr/bin/env python3
"""`./dev bench`: measures every row of rows.py, ours and its reference in turns, and prints a table. See README.md."""

import argparse
import contextlib
import json
import pathlib
import shutil
import sys
import tempfile
import time

from report import Failed, Result, machine, settle_alternatives, table
from rows import BY_NAME, ROWS
from scenarios import FULL, QUICK, SCENARIOS, TABLES, Bench
from subjects import Failure


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measures, beside a reference of the same run.")
    parser.add_argument("rows", nargs="*", metavar="NAME", help="the rows to measure (all): " + ", ".join(BY_NAME))
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how fast")
    parser.add_argument("--samples", type=int, metavar="N", help="of each side (default: by row, 3 to 7)")
    parser.add_argument("--data", type=pathlib.Path, metavar="FOLDER", help="for up to 17 GiB (default: build/)")
    parser.add_argument("--build", type=pathlib.Path, default="build", metavar="FOLDER")
    arguments = parser.parse_args()
    if "tables" in arguments.rows:
        arguments.rows = [name for name in arguments.rows if name != "tables"] + TABLES
    unknown = [name for name in arguments.rows if name not in BY_NAME]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return arguments


class Measurements:
    def __init__(self, chosen, samples):
        self.chosen = chosen
        self.samples = samples
        self.results = {}

    def wants(self, *names):
        return any(name in self.chosen and name not in self.results for name in names)

    def measure(self, name, make_ours, make_reference):
        """`make_…`: prepare a side, as a context in which it can be sampled."""
        if not self.wants(name):
            return
        row = BY_NAME[name]
        started = time.monotonic()
        try:
            result = Result(row, *self.take_samples(row, make_ours, make_reference))
        except Failure as failure:
            result = Failed(row, str(failure))
        self.results[name] = result
        print(f"{name}: {result.line()} ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)

    def take_samples(self, row, make_ours, make_reference):
        ours, reference = [], []
        with contextlib.ExitStack() as stack:
            sides = [(stack.enter_context(make_reference()), reference), (stack.enter_context(make_ours()), ours)]
            for _ in range(self.samples or row.samples):
                for side, samples in sides:
                    samples.append(side.sample())
        return ours, reference

    def run(self, bench):
        for names, scenario in SCENARIOS:
            if not self.wants(*names):
                continue
            try:
                scenario(bench)
            except Failure as failure:  # while preparing what these rows have in common
                for name in names:
                    if self.wants(name):
                        self.results[name] = Failed(BY_NAME[name], str(failure))
                        print(f"{name}: {self.results[name].line()}", file=sys.stderr, flush=True)


def main():
    arguments = parse_arguments()
    build = arguments.build.resolve()
    chosen = arguments.rows or list(BY_NAME)
    measurements = Measurements(chosen, arguments.samples)
    if (load := machine()["load"]) > 0.5:
        print(f"The computer is busy (load {load:.1f}): what is measured now says little.", file=sys.stderr)
    started = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-data-", dir=arguments.data or build))
    try:
        sizes = QUICK if arguments.quick else FULL
        measurements.run(Bench(build, folder, sizes, measurements.wants, measurements.measure))
    finally:
        shutil.rmtree(folder)
    results = [measurements.results[row.name] for row in ROWS if row.name in measurements.results]
    settle_alternatives(results)
    print(table(results))
    report = {"machine": machine(), "quick": arguments.quick, "seconds": time.monotonic() - started,
              "rows": [result.json() for result in results]}
    (build / "bench.json").write_text(json.dumps(report, indent=2) + "\n")
    judged = [result for result in results if result.row.target.is_any or not result.met]
    met = sum(result.met for result in judged)
    print(f"\n{met} of {len(judged)} met their targets; {build / 'bench.json'} has every sample")
    return 1 if any(isinstance(result, Failed) for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
