"""The table, and the same as JSON."""

import os
import platform
import statistics


class Figure:
    def __init__(self, samples, scale):
        self.samples = [sample * scale for sample in samples]
        self.median = statistics.median(self.samples)

    def spread(self):
        """How far the samples lie apart, of their median."""
        return (max(self.samples) - min(self.samples)) / self.median

    def text(self):
        digits = 0 if self.median >= 1000 else 1 if self.median >= 100 else 2
        return f"{self.median:,.{digits}f} ±{self.spread() * 50:.0f}%"

    def json(self):
        return {"median": self.median, "least": min(self.samples), "most": max(self.samples), "samples": self.samples}


class Result:
    def __init__(self, row, ours, reference):
        self.row = row
        self.ours = Figure(ours, row.scale)
        self.reference = Figure(reference, row.scale)
        self.ratio = self.ours.median / self.reference.median
        self.met = row.target.holds(self.ours.median, self.reference.median)
        self.met_by = row.name if self.met else None

    def line(self):
        return f"{self.ours.text()} against {self.reference.text()} {self.row.unit}"

    def cells(self):
        row = self.row
        return [row.name, row.title, row.unit, self.ours.text(), self.reference.text(), row.reference,
                f"{self.ratio:.2f}", target_text(row), self.verdict()]

    def verdict(self):
        if not self.row.target.is_any:
            return ""
        return "MISSED" if not self.met else "met" if self.met_by == self.row.name else f"met by {self.met_by}"

    def json(self):
        return {**described(self.row), "ours": self.ours.json(), "reference": self.reference.json(),
                "ratio": self.ratio, "met": self.met}


class Failed:
    met = False

    def __init__(self, row, why):
        self.row = row
        self.why = why

    def line(self):
        return f"failed: {self.why}"

    def cells(self):
        row = self.row
        return [row.name, row.title, row.unit, "failed", "", row.reference, "", target_text(row), "FAILED"]

    def json(self):
        return {**described(self.row), "failed": self.why, "met": False}


def target_text(row):
    target, parts = row.target, []
    for sign, value in (("≥", target.at_least), ("≤", target.at_most)):
        if value is not None:
            parts.append(f"{sign} {value:g} {row.unit}")
    for sign, value in (("≥", target.ratio_at_least), ("≤", target.ratio_at_most)):
        if value is not None:
            parts.append(f"{sign} {value:g} ×")
    if target.excess_at_most is not None:
        parts.append(f"≤ reference + {target.excess_at_most:g} {row.unit}")
    return ", ".join(parts) + (f", or {row.or_row}" if row.or_row else "")


def settle_alternatives(results):
    """Where it is enough that one of two rows meets its target."""
    by_name = {result.row.name: result for result in results}
    for result in results:
        other = by_name.get(result.row.or_row)
        if not result.met and isinstance(result, Result) and other is not None and other.met:
            result.met, result.met_by = True, other.row.name


def described(row):
    words = {"name": row.name, "title": row.title, "unit": row.unit, "reference_is": row.reference}
    return {**words, "target": target_text(row)}


HEADINGS = ["ROW", "WHAT", "UNIT", "OURS", "REFERENCE", "WHICH IS", "RATIO", "TARGET", ""]
RIGHT = {"OURS", "REFERENCE", "RATIO"}


def table(results):
    lines = [HEADINGS] + [result.cells() for result in results]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if heading in RIGHT else cell.ljust(width)
            for cell, width, heading in zip(line, widths, HEADINGS)
        ).rstrip()
        for line in lines
    )


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine():
    return {"processor": processor(), "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}
