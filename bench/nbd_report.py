"""The table of `./dev bench nbd`, and the same as JSON."""

import dataclasses
import statistics

from nbd_clients import Sample
from nbd_rows import NBD_BY_NAME

OURS = "chimera"
PEERS = ["qemu-nbd", "nbdkit"]
SERVERS = [OURS, *PEERS]
# A thread that is on its processor for so much of the time has nothing left to give.
SATURATED = 0.9


class Measured:
    """The samples of one server."""

    def __init__(self, samples):
        self.samples = samples

    def median(self, field):
        return statistics.median(getattr(sample, field) for sample in self.samples)

    def spread(self):
        rates = [sample.rate for sample in self.samples]
        return (max(rates) - min(rates)) / statistics.median(rates)


class NbdResult:
    def __init__(self, row, client, samples, settings, tried, resident_share, disk):
        self.row = row
        self.client = client
        self.servers = {name: Measured(taken) for name, taken in samples.items()}
        self.settings = settings
        self.tried = tried
        self.resident_share = resident_share
        self.disk = disk  # operations a second of the disk alone; None where the row does not wait for it
        self.peers = [name for name in PEERS if name in self.servers]
        self.better = max(self.peers, key=self.rate)
        self.ratio = self.rate(OURS) / self.rate(self.better)
        self.processor_ratio = self.processor(OURS) / min(self.processor(name) for name in self.peers)
        self.met = self.ratio >= row.target
        self.is_thrifty = self.processor_ratio < 1

    @classmethod
    def of(cls, told):
        """What `json` has made of it."""
        samples = {name: [Sample(**sample) for sample in taken] for name, taken in told["servers"].items()}
        return cls(NBD_BY_NAME[told["name"]], told["client"], samples, told["settings"], told["tried"],
                   told["page_cache_share"], told.get("disk_alone"))

    def rate(self, name):
        return self.servers[name].median("rate")

    def processor(self, name):
        return self.servers[name].median("processor")

    def limit(self):
        """What our server waits for, or it itself."""
        ours = self.servers[OURS]
        # A client that never sleeps has all of a processor, whatever it could do besides.
        if self.client != "poll" and ours.median("client_busy") >= SATURATED:
            return "client" if ours.median("server_busy") < SATURATED else "both"
        return "server" if ours.median("server_busy") >= SATURATED else "disk" if not self.row.is_hot else ""

    def verdict(self):
        if self.met:
            return "met"
        return "missed, client full" if self.limit() == "client" else "MISSED"

    def line(self):
        rates = ", ".join(f"{name} {self.rate(name) * self.row.scale:,.1f}" for name in self.servers)
        return f"{self.row.name} by {self.client}: {rates} {self.row.unit}; {self.ratio:.2f}"

    def cells(self):
        row = self.row

        def each(text):
            return [text(self.servers[name]) if name in self.servers else "-" for name in SERVERS]

        rates = each(lambda side: f"{side.median('rate') * row.scale:,.1f} ±{side.spread() * 50:.0f}%")
        latencies = each(lambda side: f"{side.median('p50'):,.0f} {side.median('p99'):,.0f}")
        processor = each(lambda side: f"{side.median('processor'):.1f}")
        busy = self.servers[OURS]
        disk = f"{self.disk * row.scale:,.1f}" if self.disk else "-"
        return [row.name, row.title, self.client, row.unit, *rates, disk, f"{self.ratio:.2f}", f"≥ {row.target:g}",
                self.verdict(), *latencies, *processor, "less" if self.is_thrifty else "MORE",
                f"{busy.median('server_busy'):.2f} {busy.median('client_busy'):.2f}", self.limit()]

    def json(self):
        return {"name": self.row.name, "title": self.row.title, "client": self.client, "target": self.row.target,
                "ratio": self.ratio, "met": self.met, "processor_ratio": self.processor_ratio, "limit": self.limit(),
                "settings": self.settings, "tried": self.tried, "page_cache_share": self.resident_share,
                "disk_alone": self.disk,
                "servers": {name: [dataclasses.asdict(sample) for sample in side.samples]
                            for name, side in self.servers.items()}}


class NbdFailed:
    client = "none"

    def __init__(self, row, why):
        self.row = row
        self.why = why

    def line(self):
        return f"{self.row.name}: failed: {self.why}"

    def cells(self):
        return [self.row.name, self.row.title, "", "", "FAILED"] + [""] * (len(HEADINGS) - 5)

    def json(self):
        return {"name": self.row.name, "title": self.row.title, "failed": self.why, "met": False}


HEADINGS = ["ROW", "WHAT", "CLIENT", "UNIT", *map(str.upper, SERVERS), "DISK", "RATIO", "TARGET", "",
            *(f"p50 p99 {name}" for name in ("ours", "qemu", "kit")), *(f"cpu {name}" for name in ("ours", "qemu", "kit")),
            "", "busy", "LIMIT"]
LEFT = {"ROW", "WHAT", "CLIENT", "UNIT", "", "LIMIT"}


def table(results):
    lines = [HEADINGS] + [result.cells() for result in results]
    widths = [max(map(len, column)) for column in zip(*lines)]
    rows = "\n".join(
        "  ".join(cell.ljust(width) if heading in LEFT else cell.rjust(width)
                  for cell, width, heading in zip(line, widths, HEADINGS)).rstrip()
        for line in lines
    )
    return rows + "\n\n" + notes([result for result in results if isinstance(result, NbdResult)])


def judged_of(results):
    return [result for result in results if result.client == result.row.judge] or results


def notes(results):
    lines = ["DISK: the disk alone, no server in front of it; of rows that flush or are durable, all writes as one.",
             "Other writes it carries out one by one and in place, where a server may gather them.",
             "RATIO: ours / the better peer. p50, p99: us, of an operation; of a flush where the row flushes.",
             "cpu: us of the server's processors for an operation. busy: processors of our server, and of its client."]
    hot = [result for result in results if result.row.is_hot]
    if hot:
        least = min(result.resident_share for result in hot)
        lines.append(f"Hot: {least:.0%} of the peers' file lay in the page cache, for random rows in folios of 4 KiB. "
                     "Cold: nothing of it did, before each sample.")
    for result in results:
        settings = ", ".join(f"{name} {result.settings[name]}" for name in result.peers)
        if result.client == result.row.judge:
            lines.append(f"{result.row.name}: {settings}")
    lines.append("Judged by the bare client; where one request at a time is answered at once, by the one that never sleeps.")
    judged = judged_of(results)
    lines.append(f"{sum(result.met for result in judged)} of {len(judged)} rows met their targets, "
                 f"{sum(result.is_thrifty for result in judged)} with less processor time than either peer.")
    return "\n".join(lines)
