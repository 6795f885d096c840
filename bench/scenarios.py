"""How each row is set up: which files it needs, what is measured against what."""

import contextlib
import dataclasses
import pathlib
import shutil
import tempfile

from rows import BY_NAME, ROWS
from subjects import Command, Failure, Fio, FioTail, OnCopies, Server, Subject, run_tool, settle, write_file

K, M, G = 1 << 10, 1 << 20, 1 << 30
# What makes a program of ours durable: "flush" behind it, or "commit" around it.
DURABLE = "commit"
# Rows in a transaction of SQLite's: its best of 1, 10, 100, 1,000 thousand.
SQLITE_BATCH = 100_000
DUCKDB = "@duckdb/node-bindings-linux-x64@1.5.6-r.1"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes, but where a name says otherwise."""

    byte_instructions: int  # of a program of hot reads
    hot_bytes: int  # device of the hot block reads
    hot_cache: int
    large_bytes: int  # device that does not fit the cache, and fio's file
    cache: int
    cold_reads: int  # in a sample
    written_bytes: int  # by a sample of sequential writes
    writes: int  # in a sample of random writes
    aged_store: int
    commits: int  # in a sample, one at a time
    table_rows: int
    number_rows: int
    value_bytes: int  # device whose values are written, one a row of the databases
    seconds: float  # of a sample of whatever is hot
    fio_seconds: int


FULL = Sizes(4 * M, 2 * G, 2304 * M, 8 * G, 256 * M, 256 * K, 2 * G, 256 * K, 4 * G, 16 * K, 1_000_000, 10_000_000, 1 * G, 1.0, 4)
QUICK = Sizes(1 * M, 256 * M, 384 * M, 1 * G, 128 * M, 32 * K, 256 * M, 32 * K, 512 * M, 2 * K, 50_000, 200_000, 64 * M, 0.25, 1)


@dataclasses.dataclass
class Bench:
    """Where things are. `wants(row names…)` tells whether one of them is to be measured; `measure(row, ours,
    reference)` measures one, if it is."""

    build: pathlib.Path
    data: pathlib.Path
    sizes: Sizes
    wants: callable
    measure: callable

    @property
    def chimera(self):
        return self.build / "chimera"

    def subject(self, name, **arguments):
        return lambda: Subject(self.build, name, **arguments)

    @contextlib.contextmanager
    def file(self, name):
        path = self.data / name
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            settle()

    @contextlib.contextmanager
    def store(self, name, size, *options):
        with self.file(name) as path:
            run_tool(self.chimera, "format", path, "--size", size, "--preallocate", *options)
            yield path

    @contextlib.contextmanager
    def full_store(self, name, size, device, *options):
        """A store with the large device, of which every block has been written."""
        with self.store(name, size, *options) as path:
            with Subject(self.build, "fill_device", store=path, cache=self.sizes.cache, bytes=device):
                pass
            yield path

    @contextlib.contextmanager
    def folder(self, name):
        path = self.data / name
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path)
            settle()


def embedded_bytes(bench):
    measure_bytes(bench, "embedded-bytes", "byte_reads", "switch_loop", count=bench.sizes.byte_instructions)


def embedded_implied(bench):
    measure_bytes(bench, "embedded-implied", "implied_byte_reads", "byte_scan")


def measure_bytes(bench, row, ours, reference, **arguments):
    arguments["seconds"] = bench.sizes.seconds
    with bench.store("hot.store", 1 * G) as store:
        ours = bench.subject(ours, store=store, cache=256 * M, **arguments)
        bench.measure(row, ours, bench.subject(reference, **arguments))


def embedded_blocks(bench):
    sizes = bench.sizes
    with bench.store("hot.store", 2 * sizes.hot_bytes) as store:
        arguments = {"bytes": sizes.hot_bytes, "seconds": sizes.seconds}
        ours = bench.subject("block_reads", store=store, cache=sizes.hot_cache, **arguments)
        bench.measure("embedded-blocks", ours, bench.subject("random_copy", **arguments))


def over_a_socket(row, size, way):
    def scenario(bench):
        # Names of sockets are short.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="chimera-bench-"))
        try:
            with bench.store("hot.store", 1 * G) as store:
                measure_server(bench, row, folder, store, size, way)
        finally:
            shutil.rmtree(folder)

    return [row], scenario


def measure_server(bench, row, folder, store, size, way):
    request_bytes = 25
    ours, plain = folder / "ours", folder / "plain"
    arguments = {"size": size, "way": way, "count": 1 * M if size == 1 else 64 * K, "seconds": bench.sizes.seconds}
    with (
        Server(bench.chimera, "serve", store, "--listen", f"unix:{ours}"),
        Server(bench.build / "bench" / "bench_plain_server", plain, request_bytes, 1 + size),
    ):
        bench.measure(
            row,
            bench.subject("client", socket=ours, server="chimera", **arguments),
            bench.subject("client", socket=plain, server="plain", **arguments),
        )


def reading(bench):
    sizes = bench.sizes
    with bench.store("large.store", 2 * sizes.large_bytes) as store:
        arguments = {"store": store, "cache": sizes.cache, "bytes": sizes.large_bytes}
        with Subject(bench.build, "fill_device", **arguments):
            pass
        if bench.wants(*READING):
            with fio_file(bench) as file:
                measure_reads(bench, arguments, file)
        if bench.wants(*OPENING):
            measure_opening(bench, store)


def measure_reads(bench, arguments, file):
    sizes = bench.sizes
    bench.measure(
        "cold-reads",
        bench.subject("random_reads", count=sizes.cold_reads, **arguments),
        lambda: Fio(file, "operations", rw="randread", bs="4k", iodepth=64, size=sizes.large_bytes,
                    runtime=sizes.fio_seconds, time_based=1),
    )
    bench.measure(
        "sequential-reads",
        bench.subject("sequential_reads", **{**arguments, "bytes": sizes.written_bytes}),
        lambda: Fio(file, "bytes", rw="read", bs="1M", iodepth=8, size=sizes.written_bytes),
    )


def measure_opening(bench, store):
    sizes = bench.sizes
    with bench.store("small.store", 2 * sizes.large_bytes) as small:
        with Subject(bench.build, "fill_device", store=small, cache=sizes.cache, bytes=8 * M):
            pass
        def opening(path):
            return bench.subject("opening", store=path, cache=sizes.cache)

        bench.measure("open", opening(store), opening(small))
        bench.measure(
            "open-process",
            lambda: Command(bench.chimera, "info", store),
            lambda: Command(bench.chimera, "info", small),
        )


def sequential_writes(bench):
    sizes = bench.sizes
    with bench.store("large.store", 2 * sizes.written_bytes) as store, fio_file(bench, sizes.written_bytes) as file:
        bench.measure(
            "sequential-writes",
            bench.subject("sequential_writes", store=store, cache=sizes.cache, bytes=sizes.written_bytes),
            lambda: Fio(file, "bytes", rw="write", bs="1M", iodepth=8, size=sizes.written_bytes, end_fsync=1),
        )


def random_writes(bench):
    # Room for each block that any sample writes, so that none is written twice.
    device = 4 * K * bench.sizes.writes * BY_NAME["random-writes"].samples
    with fio_file(bench) as file, bench.store("fresh.store", 2 * device) as store:
        measure_random_writes(bench, "random-writes", file, store, device, ageing=0)


def aged_writes(bench):
    device = bench.sizes.aged_store * 8 // 10 // M * M
    with fio_file(bench) as file, bench.store("aged.store", bench.sizes.aged_store) as store:
        with Subject(bench.build, "fill_device", store=store, cache=bench.sizes.cache, bytes=device):
            pass
        # Every block is overwritten once, in random order, before it counts.
        ageing = device // (4 * K) // 4096 * 4096
        measure_random_writes(bench, "aged-writes", file, store, device, ageing)


def measure_random_writes(bench, row, file, store, device, ageing):
    sizes = bench.sizes
    bench.measure(
        row,
        bench.subject("random_writes", store=store, cache=sizes.cache, bytes=device, count=sizes.writes, ageing=ageing),
        lambda: Fio(file, "operations", rw="randwrite", bs="4k", iodepth=64, size=sizes.large_bytes,
                    runtime=sizes.fio_seconds, time_based=1),
    )


def one_durable_write(bench, file):
    return lambda: Fio(file, "operations", rw="write", bs="4k", fdatasync=1, size=256 * M,
                       runtime=bench.sizes.fio_seconds, time_based=1)


def commits(bench):
    sizes = bench.sizes
    one = {"bytes": sizes.large_bytes, "count": sizes.commits, "clients": 1, "writes": 1, "size": 100,
           "durable": DURABLE, "cache": sizes.cache, "warm": 0}
    with fio_file(bench, 256 * M) as file, bench.store("commits.store", 2 * sizes.large_bytes) as store:
        bench.measure("commit", bench.subject("commits", target=store, **one), one_durable_write(bench, file))
        if not bench.wants("commit-socket", "commit-clients", "commit-blocks"):
            return
        with tempfile.TemporaryDirectory() as folder:
            socket = f"unix:{folder}/socket"
            with Server(bench.chimera, "serve", store, "--listen", socket):
                bench.measure("commit-socket", bench.subject("commits", target=socket, **one),
                              one_durable_write(bench, file))
                many = {**one, "clients": 64, "count": 8 * sizes.commits}
                bench.measure("commit-clients", bench.subject("commits", target=socket, **many),
                              bench.subject("commits", target=socket, **one))
                blocks = {**one, "clients": 16, "writes": 10, "size": 4096}
                bench.measure("commit-blocks", bench.subject("commits", target=socket, **blocks),
                              lambda: Fio(file, "operations", rw="randwrite", bs="4k", iodepth=64, size=256 * M,
                                          runtime=sizes.fio_seconds, time_based=1))


def values(bench):
    """Beside databases that do the same: their rows are as many as our device has values. Their files lie in the
    kernel's page cache, so ours has as much memory."""
    sizes = bench.sizes
    size = 1000
    rows = sizes.value_bytes // size // K * K
    memory = max(sizes.cache, 3 * sizes.value_bytes // 2)
    with bench.full_store("values.store", 2 * sizes.value_bytes, sizes.value_bytes) as store:
        for kind, batch, count in (("value", 1, sizes.commits), ("values", 100, sizes.commits // 16)):
            ours = {"bytes": rows * size, "clients": 1, "writes": batch, "size": size, "count": count, "target": store,
                    "durable": DURABLE, "cache": memory, "warm": 1}
            theirs = {"rows": rows, "size": size, "batch": batch, "count": count}
            for row, subject, extra in ((f"{kind}-sqlite", "sqlite_upserts", {"cache": memory}),
                                        (f"{kind}-lmdb", "lmdb_puts", {})):
                if not bench.wants(row):
                    continue
                with bench.folder("database") as folder:
                    bench.measure(row, bench.subject("commits", **ours),
                                  bench.subject(subject, file=folder / "values", **extra, **theirs))


def commit_tails(bench):
    sizes = bench.sizes
    rate, percentile, seconds = 20_000, 99.9, 4 * sizes.fio_seconds
    with (
        bench.full_store("tail.store", 4 * sizes.value_bytes, sizes.value_bytes) as store,
        fio_file(bench, 256 * M) as file,
        bench.file("background.data") as background,
        tempfile.TemporaryDirectory() as folder,
    ):
        write_file(background, sizes.value_bytes)
        socket = f"unix:{folder}/socket"
        with Server(bench.chimera, "serve", store, "--listen", socket):
            def latency(percentile):
                return bench.subject("commit_latency", target=socket, bytes=sizes.value_bytes, rate=rate,
                                     seconds=seconds, percentile=percentile, durable=DURABLE)

            bench.measure("commit-tail", latency(percentile), latency(50))
            bench.measure("commit-tail-fio", latency(percentile),
                          lambda: FioTail(file, background, rate, percentile, seconds))


def fetch_duckdb(folder):
    """DuckDB's library, unpacked into the folder."""
    if shutil.which("npm") is None:
        raise Failure("there is no npm to get DuckDB with")
    archive = run_tool("npm", "pack", "--silent", "--pack-destination", folder, DUCKDB).split()[-1]
    run_tool("tar", "--extract", "--file", folder / archive, "--directory", folder)
    return folder / "package" / "libduckdb.so"


def tables(bench):
    """The same tables in SQLite, whose cache holds all of them, as ours does."""
    sizes = bench.sizes
    rows = {"rows": sizes.table_rows, "size": 100, "cache": 2 * G}
    numbers = {"rows": sizes.number_rows, "cache": 2 * G}
    hot = {**rows, "seconds": sizes.seconds}
    for name, what, arguments, more in (
        ("table-insert", "inserts", {**rows, "order": "rising"}, {"batch": SQLITE_BATCH}),
        ("table-insert-random", "inserts", {**rows, "order": "random"}, {"batch": SQLITE_BATCH}),
        ("table-get", "gets", hot, {}),
        ("table-range", "ranges", {**hot, "span": min(1000, sizes.table_rows // 10)}, {}),
        ("table-sum", "sums", numbers, {}),
        ("table-space", "space", rows, {}),
    ):
        if not bench.wants(name):
            continue
        with bench.store("tables.store", 3 * G) as store, bench.folder("sqlite") as folder:
            bench.measure(name, bench.subject(f"table_{what}", store=store, **arguments),
                          bench.subject(f"sqlite_{what}", file=folder / "tables", **arguments, **more))


def duckdb(bench):
    """A database made for such sums. Its library comes from the npm registry, where there is npm."""
    arguments = {"rows": bench.sizes.number_rows, "cache": 2 * G}
    with bench.store("tables.store", 3 * G) as store, bench.folder("duckdb") as folder:
        library = fetch_duckdb(folder)
        bench.measure("table-sum-duckdb", bench.subject("table_sums", store=store, **arguments),
                      bench.subject("duckdb_sums", library=library, rows=arguments["rows"]))


def opening_after_a_crash(bench):
    """The journal begins a checkpoint when it is half full, so one of nearly twice the usual size holds as many records
    as a usual one can."""
    sizes = bench.sizes
    journal, share = (112 * M, 48) if sizes.value_bytes >= G else (8 * M, 40)
    store_bytes = 2 * sizes.value_bytes
    with (
        bench.full_store("crashed.store", store_bytes, sizes.value_bytes, "--journal", journal) as crashed,
        bench.file("orderly.store") as orderly,
        tempfile.TemporaryDirectory() as folder,
    ):
        shutil.copyfile(crashed, orderly)
        socket = f"unix:{folder}/socket"
        with Server(bench.chimera, "serve", crashed, "--listen", socket) as server:
            with Subject(bench.build, "fill_journal", target=socket, bytes=sizes.value_bytes, size=1000, share=share):
                pass
            server.kill()

        def opening(master):
            copy = bench.data / "opened.store"
            return lambda: OnCopies(bench.subject("opening", store=copy, cache=sizes.cache), master, copy)

        bench.measure("open-crashed", opening(crashed), opening(orderly))


@contextlib.contextmanager
def fio_file(bench, size=None):
    """A file that fio has written whole."""
    with bench.file("fio.data") as file:
        write_file(file, size or bench.sizes.large_bytes)
        settle()
        yield file


READING = ["cold-reads", "sequential-reads"]
OPENING = ["open", "open-process"]
TABLES = [row.name for row in ROWS if row.name.startswith("table-")]
# Rows that share what is expensive to prepare, and what measures them.
SCENARIOS = [
    (["embedded-bytes"], embedded_bytes),
    (["embedded-implied"], embedded_implied),
    (["embedded-blocks"], embedded_blocks),
    over_a_socket("socket-bytes", 1, "pipelined"),
    over_a_socket("socket-blocks", 4096, "pipelined"),
    over_a_socket("socket-byte", 1, "one_by_one"),
    over_a_socket("socket-block", 4096, "one_by_one"),
    (READING + OPENING, reading),
    (["sequential-writes"], sequential_writes),
    (["random-writes"], random_writes),
    (["aged-writes"], aged_writes),
    (["commit", "commit-socket", "commit-clients", "commit-blocks"], commits),
    (["value-sqlite", "value-lmdb", "values-sqlite", "values-lmdb"], values),
    (["commit-tail", "commit-tail-fio"], commit_tails),
    ([name for name in TABLES if name != "table-sum-duckdb"], tables),
    (["table-sum-duckdb"], duckdb),
    (["open-crashed"], opening_after_a_crash),
]
