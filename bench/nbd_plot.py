"""The results as an SVG, drawn by hand: how fast, how long a request takes, how much processor time it costs."""

import math
from xml.sax.saxutils import escape

from nbd_report import SERVERS, judged_of

COLOURS = {"chimera": "#1b6ca8", "qemu-nbd": "#e08e45", "nbdkit": "#8aa399"}
LABELS, PANEL, GAP, BAR, ROW, TOP = 290, 270, 36, 8, 34, 76
STYLE = ("text{font-family:sans-serif;font-size:12px;fill:#222}.small{font-size:10px;fill:#555}"
         ".title{font-size:15px;font-weight:bold}.axis{stroke:#ccc;stroke-width:1}.one{stroke:#888;stroke-width:1}")


class Panel:
    """One column of bars, on a scale of powers of ten."""

    def __init__(self, index, title, values):
        """`values`: for each result, those of the servers by name."""
        self.left = LABELS + index * (PANEL + GAP)
        self.title = title
        self.values = values
        positive = [value for row in values for value in row.values() if value > 0]
        self.low = math.floor(math.log10(min(positive, default=1)))
        self.high = max(math.ceil(math.log10(max(positive, default=10))), self.low + 1)

    def place(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.left + PANEL * min(max(share, 0.004), 1)

    def draw(self, bottom):
        yield f'<text x="{self.left}" y="{TOP - 26}">{escape(self.title)}</text>'
        for power in range(self.low, self.high + 1):
            x = self.place(10.0**power) if power > self.low else self.left
            yield f'<line class="axis" x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom}"/>'
            yield f'<text class="small" text-anchor="middle" x="{x:.1f}" y="{TOP - 9}">{10.0**power:g}</text>'
        for number, row in enumerate(self.values):
            for place, name in enumerate(SERVERS):
                if row.get(name, 0) <= 0:
                    continue
                y = TOP + number * ROW + 3 + place * (BAR + 1)
                yield (f'<rect x="{self.left}" y="{y}" width="{self.place(row[name]) - self.left:.1f}" height="{BAR}" '
                       f'fill="{COLOURS[name]}"><title>{escape(name)}: {row[name]:,.2f}</title></rect>')


def values_of(results, field, scale=lambda row: 1):
    return [{name: side.median(field) * scale(result.row) for name, side in result.servers.items()}
            for result in results]


def draw(results, report):
    """Of the clients' results by which the rows are judged, or of all where there are none. A whole SVG."""
    shown = judged_of(results)
    panels = [Panel(0, "thousand requests/s; of 1 MiB: MB/s", values_of(shown, "rate", lambda row: row.scale)),
              Panel(1, "p99, us", values_of(shown, "p99")),
              Panel(2, "processor time of the server, us a request", values_of(shown, "processor"))]
    bottom = TOP + len(shown) * ROW
    width = LABELS + len(panels) * (PANEL + GAP)
    machine = report["machine"]
    subtitle = (f"{machine['cores']} × {machine['processor']}, Linux {machine['kernel']}"
                f"{', small sizes: says nothing' if report['quick'] else ''}")
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 20}" '
             f'viewBox="0 0 {width} {bottom + 20}">', f"<style>{STYLE}</style>",
             f'<rect width="{width}" height="{bottom + 20}" fill="white"/>',
             '<text class="title" x="12" y="24">NBD servers on one disk, a client that sends in batches</text>',
             f'<text class="small" x="12" y="40">{escape(subtitle)}</text>', *legend(width)]
    for number, result in enumerate(shown):
        y = TOP + number * ROW
        parts.append(f'<text x="12" y="{y + 14}">{escape(result.row.title)}</text>')
        parts.append(f'<text class="small" x="12" y="{y + 26}">{result.ratio:.2f} × {result.better}, to be '
                     f'≥ {result.row.target:g}</text>')
        parts.append(f'<line class="axis" x1="12" y1="{y}" x2="{width - 12}" y2="{y}"/>')
    for panel in panels:
        parts.extend(panel.draw(bottom))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def legend(width):
    for place, name in enumerate(SERVERS):
        x = width - 330 + place * 110
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{COLOURS[name]}"/>'
        yield f'<text x="{x + 18}" y="24">{name}</text>'
