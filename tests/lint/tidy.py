"""clang-tidy over every source, in parallel. What was clean stays clean until it, a header, or the rules change."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
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


def fingerprint(parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def tidy(path, build):
    command = [CLANG_TIDY, "--quiet", "-p", str(build)]
    command += [f"--extra-arg={argument}" for argument in EXTRA_ARGUMENTS]
    done = subprocess.run([*command, path], cwd=sources.ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return (done.stdout.strip() or done.stderr.strip()).splitlines()


def check(build):
    if not (build / "compile_commands.json").is_file():
        return [f"{build} has no compile_commands.json: run ./dev build first"]
    cache = build / "tidy-cache"
    cache.mkdir(exist_ok=True)
    known = {
        str(pathlib.Path(entry["directory"], entry["file"]).resolve().relative_to(sources.ROOT))
        for entry in json.loads((build / "compile_commands.json").read_text())
    }
    headers = [(sources.ROOT / path).read_bytes() for path in sources.code() if path.endswith((".h", ".hpp", ".def"))]
    rules = fingerprint([(sources.ROOT / ".clang-tidy").read_bytes(), *headers])

    def run(path):
        mark = cache / fingerprint([rules.encode(), path.encode(), (sources.ROOT / path).read_bytes()])
        if mark.exists():
            return []
        problems = tidy(path, build)
        if not problems:
            mark.touch()
        return problems

    chosen = [path for path in sources.code() if path in known]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        return [problem for problems in pool.map(run, chosen) for problem in problems]
