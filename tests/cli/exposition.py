"""A strict reader of Prometheus' text format 0.0.4: whatever is odd is an error."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Family:
    def __init__(self, name, help_text):
        self.name = name
        self.help = help_text
        self.type = None
        self.samples = {}  # (name, labels without le, le) to value


def fail(number, line, why):
    raise ValueError(f"line {number}: {why}: {line}")


def parse(text):
    """Families by name, checked."""
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    families = {}
    family = None
    for number, line in enumerate(text[:-1].split("\n"), 1):
        if line.startswith("# HELP "):
            name, _, help_text = line.removeprefix("# HELP ").partition(" ")
            if not re.fullmatch(NAME, name) or name in families or not help_text:
                fail(number, line, "a HELP that is odd or comes again")
            family = families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            if family is None or family.name != name or family.type or family.samples or kind not in SUFFIXES:
                fail(number, line, "a TYPE that does not stand behind its HELP")
            family.type = kind
        else:
            take_sample(number, line, family)
    for family in families.values():
        check(family)
    return families


def take_sample(number, line, family):
    found = SAMPLE.fullmatch(line)
    if not found or family is None or family.type is None or not NUMBER.fullmatch(found[3]):
        fail(number, line, "no sample")
    name, labels, value = found.groups()
    if name not in [family.name + suffix for suffix in SUFFIXES[family.type]]:
        fail(number, line, "a sample of another family")
    pairs = [pair.split("=", 1) for pair in re.findall(LABEL, labels or "")]
    names = [pair[0] for pair in pairs]
    if len(names) != len(set(names)) or ("le" in names) != name.endswith("_bucket"):
        fail(number, line, "labels")
    bound = next((math.inf if v == '"+Inf"' else float(v[1:-1]) for n, v in pairs if n == "le"), None)
    key = (name, tuple(sorted((n, v[1:-1]) for n, v in pairs if n != "le")), bound)
    if key in family.samples:
        fail(number, line, "comes again")
    family.samples[key] = float(value) if value != "+Inf" else math.inf


def check(family):
    if family.type is None or not family.samples:
        raise ValueError(f"{family.name} has no type or no sample")
    if (family.type == "counter") != family.name.endswith("_total"):
        raise ValueError(f"{family.name}: counters end with _total, and nothing else does")
    if any(value < 0 or math.isinf(value) for value in family.samples.values()):
        raise ValueError(f"{family.name} has a value that cannot be")
    if family.type == "histogram":
        for labels in {key[1] for key in family.samples}:
            check_histogram(family, labels)


def check_histogram(family, labels):
    buckets = [(bound, value) for (name, which, bound), value in family.samples.items()
               if which == labels and bound is not None]
    if [bound for bound, _ in buckets] != sorted(bound for bound, _ in buckets) or buckets[-1][0] != math.inf:
        raise ValueError(f"{family.name}: bounds do not rise to +Inf")
    counts = [count for _, count in buckets]
    if counts != sorted(counts) or counts[-1] != family.samples[(family.name + "_count", labels, None)]:
        raise ValueError(f"{family.name}: counts do not rise to the whole")
    if (family.name + "_sum", labels, None) not in family.samples:
        raise ValueError(f"{family.name} has no sum")


def histogram(family, labels=()):
    """Its count, and what is in each bucket by itself, by bound, those that are empty left out."""
    buckets, before = {}, 0
    for (_, which, bound), value in family.samples.items():
        if which == labels and bound is not None:
            if value != before:
                buckets[bound] = value - before
            before = value
    return family.samples[(family.name + "_count", labels, None)], buckets
