#!/usr/bin/env python3
"""Runs every test and closes with a line `N passed, N failed`. `./dev test` builds and then calls this.

What counts as a test:
  - each test program that meson knows, from the sanitized build, and those of PLAIN from the plain one too: doctest's
    own test cases;
  - each tests/cli/*_test.py, against the plain program and the sanitized one, and tests/lint/*_test.py: unittest's;
  - the fuzz targets, run briefly: one;
  - with --command NAME=COMMAND, anything else: one, or what its last line `N passed, N failed` says.
A program that crashes, times out, or runs no test at all is a failure more.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 2400
FUZZ_SECONDS = 4
LOG_TAIL_LINES = 60
LONGEST_SHOWN = 8

# The test programs that run as the optimiser makes them, too: where crashes, time and memory matter, or the library is
# linked as a host links it. The others are only built with the sanitizers; all of the plain program runs in tests/cli.
PLAIN = ("devices", "devices_mutants", "embed", "embed_memory", "server", "simulation_1", "simulation_2",
         "simulation_sequences", "tables_mutants", "vm")  # fmt: skip

# What the names of the longest jobs begin with, in the order in which they are started: the last to end is a short one,
# and no core waits for it. The report ends with those that took longest.
STARTED_FIRST = ("sanitized/devices", "lint", "plain/simulation", "sanitized/vm", "fuzz", "sanitized/", "plain/devices")

DOCTEST = re.compile(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed")
UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_BAD = re.compile(r"\b(?:failures|errors|unexpected successes)=(\d+)")
UNITTEST_SKIPPED = re.compile(r"\bskipped=(\d+)")
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)


@dataclasses.dataclass
class Job:
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Result:
    job: Job
    passed: int
    failed: int
    seconds: float
    remark: str
    log: pathlib.Path


def count(output, exit_status):
    """What a program's output says of its tests: passed, failed, and a remark if there is something odd."""
    if found := DOCTEST.findall(output):
        total, passed, failed = (int(number) for number in found[-1])
        if total == 0:
            return 0, 1, "ran no test case"
    elif found := UNITTEST.findall(output):
        last_line = output.rstrip().splitlines()[-1]
        failed = sum(int(number) for number in UNITTEST_BAD.findall(last_line))
        skipped = sum(int(number) for number in UNITTEST_SKIPPED.findall(last_line))
        # A class that is skipped as a whole counts as skipped and not as run.
        passed = max(int(found[-1]) - failed - skipped, 0)
        if int(found[-1]) == 0 and skipped == 0:
            return 0, 1, "ran no test"
    elif found := SUMMARY.findall(output):
        passed, failed = (int(number) for number in found[-1])
    else:
        passed, failed = (1, 0) if exit_status == 0 else (0, 1)
    if exit_status != 0 and failed == 0:
        return passed, 1, f"ended with {describe_exit(exit_status)}"
    return passed, failed, ""


def describe_exit(exit_status):
    if exit_status < 0:
        return f"signal {signal.Signals(-exit_status).name}"
    return f"exit status {exit_status}"


def run(job, log_folder, scratch):
    started = time.monotonic()
    log = log_folder / (job.name.replace("/", "-") + ".log")
    with open(log, "wb") as sink:
        process = subprocess.Popen(
            job.command,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": scratch, **job.environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            exit_status = process.wait(TIMEOUT_SECONDS)
            timed_out = False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            exit_status = process.wait()
            timed_out = True
    passed, failed, remark = count(log.read_text(errors="replace"), exit_status)
    if timed_out:
        remark = f"did not end within {TIMEOUT_SECONDS} s"
    return Result(job, passed, failed, time.monotonic() - started, remark, log)


def meson_tests(build):
    output = subprocess.run(
        ["meson", "introspect", "--tests", str(build)], check=True, capture_output=True, text=True
    ).stdout
    return [(test["name"], test["cmd"]) for test in json.loads(output)]


def plain_programs(build):
    """Their names for ninja."""
    known = dict(meson_tests(build))
    return sorted({os.path.relpath(known[name][0], build) for name in PLAIN})


def jobs_for(label, build, environment):
    environment = {**environment, "CHIMERA": str(build / "chimera"), "CHIMERA_BUILD": str(build)}
    for name, command in meson_tests(build):
        if label != "plain" or name in PLAIN:
            yield Job(f"{label}/{name}", command, environment)
    for script in sorted((ROOT / "tests" / "cli").glob("*_test.py")):
        yield Job(f"{label}/cli/{script.stem}", [sys.executable, str(script)], environment)


def turn(job):
    return next((n for n, start in enumerate(STARTED_FIRST) if job.name.startswith(start)), len(STARTED_FIRST))


def all_jobs(arguments):
    sanitizer_options = {
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    yield from jobs_for("plain", arguments.plain, {})
    yield from jobs_for("sanitized", arguments.sanitized, sanitizer_options)
    for text in arguments.command:
        name, command = text.split("=", 1)
        yield Job(name, shlex.split(command))
    for script in sorted((ROOT / "tests" / "lint").glob("*_test.py")):
        yield Job(f"lint/{script.stem}", [sys.executable, str(script)])
    yield Job("fuzz", ["fuzz/run.sh", str(arguments.sanitized), str(FUZZ_SECONDS)])


def report(result):
    verdict = "ok  " if result.failed == 0 else "FAIL"
    counts = f"{result.passed} passed" + (f", {result.failed} failed" if result.failed else "")
    remark = f"  ({result.remark})" if result.remark else ""
    print(f"{verdict}  {result.job.name:<32} {counts:<24} {result.seconds:7.1f} s{remark}", flush=True)
    if result.failed:
        lines = result.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        print("\n".join("      | " + line for line in lines), flush=True)


def report_longest(results):
    longest = sorted(results, key=lambda result: -result.seconds)[:LONGEST_SHOWN]
    print("\nThe longest:", ", ".join(f"{result.job.name} {result.seconds:.0f} s" for result in longest))


def main():
    parser = argparse.ArgumentParser(description="Runs every test.")
    parser.add_argument("--plain", type=pathlib.Path, required=True, help="the plain build's folder")
    parser.add_argument("--sanitized", type=pathlib.Path, default="build-sanitize", help="the sanitized build's folder")
    parser.add_argument("--command", action="append", default=[], metavar="NAME=COMMAND", help="another test")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--only", default="", help="run only jobs whose name contains this")
    parser.add_argument("--plain-programs", action="store_true", help="only name what has to be built in the plain folder")
    arguments = parser.parse_args()
    arguments.plain = arguments.plain.resolve()
    arguments.sanitized = arguments.sanitized.resolve()

    if arguments.plain_programs:
        print(*plain_programs(arguments.plain))
        return 0
    log_folder = arguments.plain / "test-logs"
    log_folder.mkdir(exist_ok=True)
    jobs = sorted((job for job in all_jobs(arguments) if arguments.only in job.name), key=turn)
    results = []
    # What a test that was killed leaves behind goes with this folder, and no run meets what another has left.
    with (
        tempfile.TemporaryDirectory(prefix="chimera-run-", ignore_cleanup_errors=True) as scratch,
        concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool,
    ):
        for future in concurrent.futures.as_completed([pool.submit(run, job, log_folder, scratch) for job in jobs]):
            results.append(future.result())
            report(results[-1])
    report_longest(results)
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    if passed + failed == 0:
        print("No test ran.")
        failed = 1
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
