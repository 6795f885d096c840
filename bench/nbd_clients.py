"""The clients: a bare one of our own that sends in batches, the same one never sleeping, and fio with its nbd engine; and
what the disk does with no server in front of it."""

import dataclasses
import json

from subjects import Failure, run_tool


@dataclasses.dataclass(frozen=True)
class Sample:
    rate: float  # operations a second, the flush at the end included
    p50: float  # us, of an operation; of a flush where the row flushes
    p99: float
    processor: float  # us of the server's processors for an operation
    server_busy: float  # processors
    client_busy: float


def take(server, client, row, span, seconds, seed):
    """Lets a client loose on a server once."""
    before = server.processor_seconds()
    operations, elapsed, p50, p99, client_seconds = client(server, row, span, seconds, seed)
    used = server.processor_seconds() - before
    if operations == 0:
        raise Failure(f"{server.name} has done nothing in {elapsed:.2f} s")
    return Sample(operations / elapsed, p50, p99, used / operations * 1e6, used / elapsed, client_seconds / elapsed)


def disk_alone(row, path, span, seconds):
    """Operations a second of the disk with no server in front of it: fio straight on the peers' file, past the page
    cache. Writes that are durable together are one write, as if nothing had to be received or replied to."""
    at_once = max(row.durable_together, 1)
    engine = ({"ioengine": "psync", "sync": "dsync"} if row.durable_together
              else {"ioengine": "io_uring", "iodepth": row.depth})
    told = run_fio(row, span, seconds, filename=path, direct=1, bs=row.block * at_once, **engine)
    return told[row.way]["iops"] * at_once


def run_fio(row, span, seconds, **options):
    """What fio tells of its one job."""
    options = {"name": "row", "rw": {"random": "rand", "sequential": ""}[row.order] + row.way, "size": span,
               "runtime": seconds, "time_based": 1, "norandommap": 1, "randrepeat": 0, **options}
    output = run_tool("fio", "--output-format=json", *(f"--{name}={value}" for name, value in options.items()))
    # Warnings may stand in front of the JSON.
    job = json.loads(output[output.index("{"):])["jobs"][0]
    if job["error"]:
        raise Failure(f"fio: error {job['error']}")
    return job


class Bare:
    name = "bare"
    polls = False

    def __init__(self, build):
        self.program = build / "bench" / "bench_nbd_load"

    def takes(self, row):
        return True

    def __call__(self, server, row, span, seconds, seed):
        return self.load(server, row.way, row.order, row.block, row.depth, span, seconds, seed=seed, poll=int(self.polls),
                         flush_every=row.flush_every, fua=int(row.is_durable), check=int(row.way == "read"))

    def fill(self, server, span):
        """Writes every block once, with its number."""
        self.load(server, "write", "sequential", 1 << 20, 8, span, 3600, bytes=span)

    def load(self, server, way, order, block, depth, span, seconds, **more):
        options = {"socket": server.socket, "export": server.export, "way": way, "order": order, "block": block,
                   "depth": depth, "span": span, "seconds": seconds, "bytes": 0, "flush_every": 0, "fua": 0, "check": 0,
                   "poll": 0, "seed": 1, **more}
        told = json.loads(run_tool(self.program, *(f"{name}={value}" for name, value in options.items())))
        return told["operations"], told["seconds"], told["p50_us"], told["p99_us"], told["client_seconds"]


class Polling(Bare):
    """Never sleeps while it waits. One request at a time it shows what the server takes, and not what it takes to wake a
    client; with more under way it would have a processor that the peers' threads need."""

    name = "poll"
    polls = True

    def takes(self, row):
        return row.depth == 1


class Fio:
    name = "fio"
    polls = False

    def takes(self, row):
        return not row.is_durable  # its engine has no such writes

    def __call__(self, server, row, span, seconds, seed):
        options = {"ioengine": "nbd", "uri": server.uri, "thread": 1, "bs": row.block, "iodepth": row.depth,
                   "randseed": seed, "percentile_list": "50:99"}
        if row.way == "write":
            options["end_fsync"] = 1
        if row.flush_every:
            options["fsync"] = row.flush_every
        job = run_fio(row, span, seconds, **options)
        told = job[row.way]
        latency = job["sync"]["lat_ns"] if row.flush_every else told["clat_ns"]
        percentiles = latency.get("percentile", {"50.000000": 0, "99.000000": 0})
        elapsed = told["runtime"] / 1000
        client_seconds = (job["usr_cpu"] + job["sys_cpu"]) / 100 * elapsed
        return (told["total_ios"], elapsed, percentiles["50.000000"] / 1000, percentiles["99.000000"] / 1000,
                client_seconds)
