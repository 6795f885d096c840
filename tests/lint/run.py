#!/usr/bin/env python3
"""`./dev lint`: every check of this folder; one line each, then what is wrong, then `N passed, N failed`."""

import argparse
import pathlib
import subprocess
import sys
import time

import arrows
import named_tests
import sources
import text
import tidy

MOST_SHOWN = 60  # lines of a check's output


def run_tool(command):
    done = subprocess.run(command, cwd=sources.ROOT, capture_output=True, text=True)
    return [] if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()


def format_problems():
    return run_tool(["clang-format", "--dry-run", "-Werror", *sources.code()])


def shell_problems():
    return run_tool(["shellcheck", *(path for path in sources.tracked() if sources.is_shell(path))])


def main():
    parser = argparse.ArgumentParser(description="Holds the sources to the house's rules.")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a configured build folder")
    build = parser.parse_args().build.resolve()
    checks = [
        ("arrows: who includes whom", arrows.check),
        ("text: lengths, whitespace, names, words", text.check),
        ("tests that documents name", named_tests.check),
        ("clang-format", format_problems),
        ("shellcheck", shell_problems),
        ("clang-tidy", lambda: tidy.check(build)),
    ]
    failed = 0
    for name, check in checks:
        started = time.monotonic()
        problems = check()
        verdict = "FAIL" if problems else "ok  "
        print(f"{verdict}  {name:<44} {time.monotonic() - started:6.1f} s", flush=True)
        for problem in problems[:MOST_SHOWN]:
            print(f"      {problem}")
        if len(problems) > MOST_SHOWN:
            print(f"      … and {len(problems) - MOST_SHOWN} lines more")
        failed += bool(problems)
    print(f"\n{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
