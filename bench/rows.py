"""The rows of the table: what each says, in which unit, and what it has to reach."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Target:
    """Any that is given has to hold. `ratio` is ours / reference."""

    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None
    excess_at_most: float | None = None  # ours - reference, in the row's unit

    @property
    def is_any(self):
        return self != Target()

    def holds(self, ours, reference):
        ratio = ours / reference
        return (
            (self.at_least is None or ours >= self.at_least)
            and (self.at_most is None or ours <= self.at_most)
            and (self.ratio_at_least is None or ratio >= self.ratio_at_least)
            and (self.ratio_at_most is None or ratio <= self.ratio_at_most)
            and (self.excess_at_most is None or ours - reference <= self.excess_at_most)
        )


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    reference: str
    unit: str  # of the figures as they are shown
    scale: float  # of a sample to that unit
    target: Target
    samples: int
    or_row: str | None = None  # it is enough if that one meets its target


def rate(name, title, reference, target, samples=5):
    return Row(name, title, reference, "M/s", 1e-6, target, samples)


def bandwidth(name, title, reference, target, samples=5, block=1):
    return Row(name, title, reference, "GB/s", block * 1e-9, target, samples)


def thousands(name, title, reference, target, samples=5):
    return Row(name, title, reference, "k/s", 1e-3, target, samples)


def microseconds(name, title, reference, target, samples=7):
    return Row(name, title, reference, "us", 1e6, target, samples)


def milliseconds(name, title, reference, target, samples=7):
    return Row(name, title, reference, "ms", 1e3, target, samples)


def tail(name, reference, ratio_at_most, or_row):
    title = "99.9 % of commits beside 20,000 blocks/s take"
    return Row(name, title, reference, "us", 1e6, Target(ratio_at_most=ratio_at_most), 3, or_row)


AHEAD = Target(ratio_at_least=1)
QUICK_TO_OPEN = Target(at_most=200, excess_at_most=10)
ROWS = [
    rate("embedded-bytes", "hot `read byte D O`, embedded", "switch loop", Target(at_least=20)),
    rate("embedded-implied", "hot one-byte form, embedded", "switch loop", Target(at_least=80)),
    bandwidth("embedded-blocks", "hot `read block D O`, embedded", "memcpy", Target(ratio_at_least=0.7), 5, 4096),
    rate("socket-bytes", "`read byte D O`, pipelined", "bare socket", Target(at_least=8)),
    bandwidth("socket-blocks", "`read block D O`, pipelined", "bare socket", Target(at_least=2), 5, 4096),
    microseconds("socket-byte", "one `read byte D O` at a time", "bare ping-pong", Target(ratio_at_most=1.25)),
    microseconds("socket-block", "one `read block D O` at a time", "bare ping-pong", Target(ratio_at_most=1.25)),
    thousands("cold-reads", "cold random `read block`", "fio randread", Target(ratio_at_least=0.9)),
    bandwidth("sequential-reads", "sequential reads of 1 MiB", "fio read", Target(ratio_at_least=0.85)),
    milliseconds("open", "opening a full store", "a store of 8 MiB", QUICK_TO_OPEN),
    milliseconds("open-process", "`chimera info` of a full store", "of a store of 8 MiB", QUICK_TO_OPEN),
    bandwidth("sequential-writes", "sequential writes of 1 MiB, flushed", "fio write", Target(ratio_at_least=0.85), 9),
    thousands("random-writes", "random `write block`, flush each 4,096", "fio randwrite", Target(ratio_at_least=4)),
    thousands("aged-writes", "the same, store aged at 80 % full", "fio randwrite", Target(ratio_at_least=2)),
    thousands("commit", "one durable write of 100 bytes at a time", "fio fdatasync=1", Target(ratio_at_least=0.8)),
    thousands("commit-socket", "the same over a unix socket", "fio fdatasync=1", Target(ratio_at_least=0.6)),
    thousands("commit-clients", "the same, 64 clients over the socket", "one client", Target(ratio_at_least=6)),
    thousands("commit-blocks", "10 durable random blocks a program, 16 clients", "fio randwrite", Target(ratio_at_least=1)),
    thousands("value-sqlite", "one durable value of 1,000 bytes at a time", "SQLite upsert", AHEAD),
    thousands("value-lmdb", "the same", "LMDB put", AHEAD),
    thousands("values-sqlite", "100 of them at a time, values", "SQLite upserts", AHEAD),
    thousands("values-lmdb", "the same", "LMDB puts", AHEAD),
    tail("commit-tail", "their median", 10, "commit-tail-fio"),
    tail("commit-tail-fio", "fio fdatasync=1", 1.5, "commit-tail"),
    rate("table-insert", "a million rows of 100 bytes, keys rising", "SQLite", AHEAD, 3),
    rate("table-insert-random", "the same, keys in random order", "SQLite", AHEAD, 3),
    thousands("table-get", "rows by key, hot", "SQLite", Target(ratio_at_least=0.8)),
    thousands("table-range", "ranges of 1,000 rows, hot", "SQLite", AHEAD),
    rate("table-sum", "sum with a condition, ten million rows", "SQLite", Target(ratio_at_least=5)),
    rate("table-sum-duckdb", "the same", "DuckDB, 2 threads", Target()),
    Row("table-space", "bytes of the million rows", "SQLite", "MB", 1e-6, Target(ratio_at_most=1.5), 1),
    milliseconds("open-crashed", "opening behind a full journal", "no record waits", Target(at_most=2000), 3),
]
BY_NAME = {row.name: row for row in ROWS}
