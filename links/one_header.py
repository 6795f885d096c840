#!/usr/bin/env python3
"""one_header.py ROOT HEADER TARGET DEPFILE: a header of the sources with all of theirs that it includes, as one text."""

import pathlib
import re
import sys

OWN = re.compile(r'#include "(.+)"\n')
SYSTEM = re.compile(r"#include <(.+)>\n")
ONCE = "#pragma once\n"


def closure(root, name, done):
    """The header behind those that it includes, in `done`: name to text."""
    text = (root / name).read_text()
    for included in OWN.findall(text):
        if included not in done:
            closure(root, included, done)
    done[name] = text


def put_together(texts):
    # The interface in C is installed by itself.
    foreign = {name: f"#include <{pathlib.PurePath(name).name}>\n" for name in texts if name.startswith("include/")}
    *parts, introduction = (text.replace(ONCE, "").strip() + "\n" for name, text in texts.items() if name not in foreign)
    system = sorted({found for part in parts for found in SYSTEM.findall(part)})
    head = [ONCE, OWN.sub("", introduction), *foreign.values(), *(f"#include <{name}>\n" for name in system)]
    body = (re.sub(r"\n{3,}", "\n\n", SYSTEM.sub("", OWN.sub("", part))) for part in parts)
    return "".join(head) + "\n" + "\n".join(body)


def main(root, header, target, depfile):
    texts = {}
    closure(root, header, texts)
    pathlib.Path(target).write_text(put_together(texts))
    pathlib.Path(depfile).write_text(f"{target}: {' '.join(str(root / name) for name in texts)}\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
