"""The rows of `./dev bench nbd`: what each asks of the servers, and what ours has to reach beside the better peer."""

import dataclasses

K, M = 1 << 10, 1 << 20


@dataclasses.dataclass(frozen=True)
class NbdRow:
    name: str
    title: str
    way: str  # "read" or "write"
    target: float  # rate of ours / rate of the better peer, at least
    depth: int
    is_hot: bool  # all of it lies in the server's memory, and in the peers' page cache
    block: int = 4 * K
    order: str = "random"
    flush_every: int = 0  # writes; 0: once, at the end
    is_durable: bool = False  # each write, when it is answered; by the bare client only
    is_direct: bool = False  # peers only with settings that pass the page cache by

    @property
    def durable_together(self):
        """Writes that one flush is for, or that are under way, each durable; 0 where none is."""
        return self.depth if self.is_durable else self.flush_every

    @property
    def waits_for_disk(self):
        return not self.is_hot or self.durable_together > 0

    @property
    def judge(self):
        """Whose measurement counts. Where one request at a time is answered at once, a client that sleeps measures how
        long it takes to wake it, whoever serves; so there it is the one that never does."""
        is_answered_at_once = self.flush_every == 0 and (self.is_hot or self.way == "write")
        return "poll" if self.depth == 1 and is_answered_at_once else "bare"

    @property
    def unit(self):
        return "k/s" if self.block < M else "MB/s"

    @property
    def scale(self):
        """Of operations a second to that unit."""
        return 1e-3 if self.block < M else self.block / 1e6


def random_rows(name, title, way, is_hot, targets, **more):
    return [NbdRow(f"{name}-{depth}", f"{title}, depth {depth}", way, target, depth, is_hot, **more)
            for depth, target in targets.items()]


def sequential(name, title, way, target, is_hot):
    return NbdRow(name, title, way, target, 8, is_hot, 1 * M, "sequential")


AHEAD, AS_FAST, HOT, TO_DISK = 1.0, 0.95, 1.3, 3.0
# Reads first: fio's writes leave blocks without the number that reads are checked by.
NBD_ROWS = [
    *random_rows("read-hot", "4 KiB random reads, hot", "read", True, {1: AHEAD, 16: HOT, 64: HOT}),
    sequential("scan-hot", "1 MiB sequential reads, hot", "read", AHEAD, True),
    *random_rows("read-cold", "4 KiB random reads, cold", "read", False, {1: AS_FAST, 16: AHEAD, 64: AHEAD}),
    sequential("scan-cold", "1 MiB sequential reads, cold", "read", AS_FAST, False),
    *random_rows("write-hot", "4 KiB random writes, hot", "write", True, {1: AHEAD, 16: HOT, 64: HOT}),
    *random_rows("fsync", "4 KiB writes, a flush behind each", "write", True, {1: AS_FAST}, flush_every=1),
    *random_rows("fsync", "4 KiB writes, a flush behind 64", "write", True, {64: TO_DISK}, flush_every=64),
    *random_rows("fua", "4 KiB writes, each durable", "write", True, {16: TO_DISK, 64: TO_DISK}, is_durable=True),
    *random_rows("write-cold", "4 KiB random writes, cold", "write", False, {1: TO_DISK, 16: TO_DISK, 64: TO_DISK}),
    *random_rows("write-direct", "4 KiB random writes, peers direct", "write", False, {16: TO_DISK, 64: TO_DISK}, is_direct=True),
    sequential("fill-cold", "1 MiB sequential writes", "write", AS_FAST, False),
]
NBD_BY_NAME = {row.name: row for row in NBD_ROWS}
