#!/usr/bin/env python3
"""`./dev bench nbd`: Chimera beside qemu-nbd and nbdkit, on the same disk, by the same clients. See README.md."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import zlib

import nbd_clients
import nbd_plot
import nbd_servers
from nbd_report import NbdFailed, NbdResult, table
from nbd_rows import NBD_BY_NAME, NBD_ROWS
from page_cache import CachedFile
from report import machine
from subjects import Failure, run_tool, settle

M, G = 1 << 20, 1 << 30


@dataclasses.dataclass(frozen=True)
class Sizes:
    hot: int  # bytes of a device that lies in memory, and of the peers' file
    hot_cache: int
    cold: int  # of one that does not
    cold_cache: int
    seconds: float  # of a sample
    probe_seconds: float  # of a look at one of a peer's settings
    samples: int


FULL = Sizes(512 * M, 2 * G, 8 * G, 256 * M, 1.0, 0.3, 3)
QUICK = Sizes(64 * M, 256 * M, 512 * M, 128 * M, 0.2, 0.1, 1)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench nbd", description="Measures beside qemu-nbd and nbdkit.")
    parser.add_argument("rows", nargs="*", metavar="NAME", help="the rows to measure (all): " + ", ".join(NBD_BY_NAME))
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how fast")
    parser.add_argument("--samples", type=int, metavar="N", help="of each server and client (3)")
    parser.add_argument("--client", choices=["bare", "poll", "fio"], action="append", help="one of the clients only")
    parser.add_argument("--data", type=pathlib.Path, metavar="FOLDER", help="for up to 26 GiB (default: build/)")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="where the SVG goes (default: build/)")
    parser.add_argument("--add", action="store_true", help="to the rows of the last run, which stay unless measured again")
    parser.add_argument("--build", type=pathlib.Path, default="build", metavar="FOLDER")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in NBD_BY_NAME]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(NBD_BY_NAME)}")
    return arguments


class Side:
    """The rows of one temperature: a store and a file of the same size, both filled with the same blocks."""

    def __init__(self, is_hot, build, data, sockets, sizes, clients):
        self.is_hot = is_hot
        self.sockets = sockets
        self.sizes = sizes
        self.clients = clients
        self.span = sizes.hot if is_hot else sizes.cold
        self.bare = nbd_clients.Bare(build)
        self.chimera = build / "chimera"
        self.store = data / "nbd.store"
        self.file = CachedFile(data / "nbd.raw", self.span)

    @contextlib.contextmanager
    def prepared(self):
        """Gives our server, running."""
        cache = self.sizes.hot_cache if self.is_hot else self.sizes.cold_cache
        run_tool(self.chimera, "format", self.store, "--size", 2 * self.span + 512 * M, "--preallocate")
        with open(self.file.path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.span)
        try:
            with nbd_servers.nbdkit(self.file.path, self.sockets, 4, "normal") as peer:
                self.bare.fill(peer, self.span)
            settle()
            with nbd_servers.chimera(self.chimera, self.store, cache, self.span, self.sockets) as ours:
                self.bare.fill(ours, self.span)
                # Hot: everything comes into the cache. Cold: the map does.
                self.bare.load(ours, "read", "sequential", 1 << 20, 8, self.span, 60, bytes=self.span, check=1)
                yield ours
        finally:
            self.store.unlink(missing_ok=True)
            self.file.path.unlink(missing_ok=True)

    def arrange(self, row):
        """Before each sample, whoever it is of: what others have left to be written is written now."""
        settle()
        if self.is_hot:
            self.file.warm(row.order)
        else:
            self.file.drop()

    def sample(self, server, client, row, seconds, seed):
        self.arrange(row)
        return nbd_clients.take(server, client, row, self.span, seconds, seed)

    def best_settings(self, row, client):
        """Each peer with those of its settings that do best by this client, and what all of them did."""
        best, tried = [], {}
        for name, settings in nbd_servers.peer_settings(row, self.file.path, self.sockets).items():
            rates = {}
            for server in settings:
                with server:
                    rates[server] = self.sample(server, client, row, self.sizes.probe_seconds, 1).rate
            winner = max(rates, key=rates.get)
            best.append(winner)
            tried[name] = {server.settings: rate for server, rate in rates.items()}
        return best, tried

    def disk_alone(self, row):
        self.arrange(row)
        rate = nbd_clients.disk_alone(row, self.file.path, self.span, self.sizes.seconds)
        self.file.drop()  # in part it has: what is written past the page cache leaves it
        return rate

    def measure(self, ours, row, samples):
        """One result for each client."""
        disk = self.disk_alone(row) if row.waits_for_disk else None
        best = {}
        for client in filter(lambda client: client.takes(row), self.clients):
            # fio takes as long to start as such a look.
            looks = client if client.polls else self.bare
            if looks.name not in best:
                best[looks.name] = self.best_settings(row, looks)
            peers, tried = best[looks.name]
            with contextlib.ExitStack() as stack:
                servers = [*(stack.enter_context(peer) for peer in peers), ours]
                taken = {server.name: [] for server in servers}
                for number in range(samples):
                    # Its own, or a cold row would find in our cache what another has brought there.
                    seed = zlib.crc32(f"{row.name} {client.name} {number}".encode())
                    for server in servers:
                        taken[server.name].append(self.sample(server, client, row, self.sizes.seconds, seed))
                share = self.file.resident_share() if self.is_hot else 0.0
                settings = {server.name: server.settings for server in servers}
            yield NbdResult(row, client.name, taken, settings, tried, share, disk)


def measure_rows(side, rows, samples, results):
    try:
        with side.prepared() as ours:
            for row in rows:
                started = time.monotonic()
                try:
                    for result in side.measure(ours, row, samples):
                        results.append(result)
                        print(result.line(), file=sys.stderr, flush=True)
                except Failure as failure:
                    results.append(NbdFailed(row, str(failure)))
                    print(results[-1].line(), file=sys.stderr, flush=True)
                print(f"    {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    except Failure as failure:  # while preparing what they have in common
        results.extend(NbdFailed(row, str(failure)) for row in rows)
        print(f"failed: {failure}", file=sys.stderr, flush=True)


def earlier(path, is_quick):
    """The results of a run with sizes like these, if there was one."""
    if not path.exists():
        return []
    told = json.loads(path.read_text())
    if told["quick"] != is_quick:
        return []
    return [NbdResult.of(row) for row in told["rows"] if "failed" not in row and row["name"] in NBD_BY_NAME]


def main():
    arguments = parse_arguments()
    build = arguments.build.resolve()
    sizes = QUICK if arguments.quick else FULL
    chosen = [row for row in NBD_ROWS if not arguments.rows or row.name in arguments.rows]
    clients = [nbd_clients.Bare(build), nbd_clients.Polling(build), nbd_clients.Fio()]
    if arguments.client:
        clients = [client for client in clients if client.name in arguments.client]
    if (load := machine()["load"]) > 0.5:
        print(f"The computer is busy (load {load:.1f}): what is measured now says little.", file=sys.stderr)
    started = time.monotonic()
    data = pathlib.Path(tempfile.mkdtemp(prefix="bench-data-", dir=arguments.data or build))
    sockets = pathlib.Path(tempfile.mkdtemp(prefix="chimera-bench-"))  # names of sockets are short
    results = []
    try:
        for is_hot in (True, False):
            rows = [row for row in chosen if row.is_hot == is_hot]
            if rows:
                side = Side(is_hot, build, data, sockets, sizes, clients)
                measure_rows(side, rows, arguments.samples or sizes.samples, results)
    finally:
        shutil.rmtree(data)
        shutil.rmtree(sockets)
    if arguments.add:
        again = {(result.row.name, result.client) for result in results}
        results += [result for result in earlier(build / "bench-nbd.json", arguments.quick)
                    if (result.row.name, result.client) not in again]
    order = [row.name for row in NBD_ROWS]
    results.sort(key=lambda result: order.index(result.row.name))
    print(table(results))
    report = {"machine": machine(), "quick": arguments.quick, "seconds": time.monotonic() - started,
              "rows": [result.json() for result in results]}
    (build / "bench-nbd.json").write_text(json.dumps(report, indent=2) + "\n")
    plot = arguments.plot or build / "bench-nbd.svg"
    plot.write_text(nbd_plot.draw([result for result in results if isinstance(result, NbdResult)], report))
    print(f"\n{build / 'bench-nbd.json'} has every sample, {plot} shows them")
    return 1 if any(isinstance(result, NbdFailed) for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
