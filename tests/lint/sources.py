"""The files that lint looks at: all that git tracks or would track."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CODE_SUFFIXES = {".c", ".cpp", ".h", ".hpp"}


def tracked():
    """Paths relative to the root, with forward slashes, sorted."""
    output = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(path for path in output.split("\0") if path and (ROOT / path).is_file())


def code():
    return [path for path in tracked() if pathlib.PurePath(path).suffix in CODE_SUFFIXES]


def is_shell(path):
    """Whether a file without a suffix, or with .sh, is a shell script."""
    if pathlib.PurePath(path).suffix not in {"", ".sh"}:
        return False
    with open(ROOT / path, "rb") as file:
        first_line = file.readline(80)
    return first_line.startswith(b"#!") and first_line.rstrip().endswith(b"bash")
