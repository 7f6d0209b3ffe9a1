"""Do other images help, and when? The front page's three sentences and its one figure."""

import functools
import html
import math

from diagrams import BLUE, GREEN, ORANGE, PINK, text
from docutils import nodes
from docutils.parsers.rst import Directive
from scale_strip import in_words
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.report import mining_gain
from sslrepro.report.formats import format_cell, html_table, number
from sslrepro.report.mining_gain import Gain

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 34, 52  # margins of the plot, px
LEAST, MOST = 5.0, 110.0  # ends of the logarithmic axis, % of mined items
TICKS = (5, 10, 20, 40, 100)
GROUPS = (  # (label, families, colour, mark)
    ("NNCLR, NNSiam", ("nnclr", "nnsiam"), BLUE, "circle"),
    ("IFND", ("ifnd", "ifnd_moco", "ifnd_swav"), ORANGE, "square"),
    ("SePP-ID", ("seppid",), GREEN, "diamond"),
    (
        "PCL, LA, ISL, InvP, FNC, MSF",
        ("pcl", "la", "isl", "isl_moco", "invp", "invp_moco", "fnc", "msf"),
        PINK,
        "triangle",
    ),
    ("labels choose (SupCon)", ("supcon",), "currentColor", "ring"),
)


@functools.cache
def gains() -> tuple[Gain, ...]:
    """Every comparison at `cpu` scale, from the ledger."""
    return tuple(mining_gain.gains("cpu"))


def mark(kind: str, x: float, y: float, colour: str) -> str:
    """A point of the plot, told apart by shape as well as colour."""
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2" fill="{colour}"/>'
    if kind == "ring":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="{colour}" stroke-width="2.2"/>'
    if kind == "square":
        return f'<rect x="{x - 3.7:.1f}" y="{y - 3.7:.1f}" width="7.4" height="7.4" fill="{colour}"/>'
    corners = {"diamond": ((0, -5.2), (5.2, 0), (0, 5.2), (-5.2, 0)), "triangle": ((0, -5), (4.8, 3.8), (-4.8, 3.8))}
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners[kind])
    return f'<polygon points="{points}" fill="{colour}"/>'


def across(share: float) -> float:
    """Where a share in % stands on the logarithmic axis, in px; cut at its ends."""
    part = math.log(min(max(share, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + part * (WIDTH - LEFT - RIGHT)


def figure(rows: tuple[Gain, ...], paper_share: float) -> str:
    """The plot as SVG: text and lines take the page's colour, so that it can be read in light, dark and print."""
    ends = [row.gain.mean + sign * row.gain.half_width for row in rows for sign in (-1, 1)]
    low, high = 10 * math.floor(min(ends) / 10), 10 * math.ceil(max(ends) / 10)

    def up(points: float) -> float:
        return TOP + (high - points) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for tick in range(low, high + 1, 10):
        strong = ' style="opacity:.8"' if tick == 0 else ' style="opacity:.16"'
        parts.append(f'<path class="line" d="M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}"{strong}/>')
        parts.append(text(LEFT - 8, up(tick) + 4, number(tick, 0, sign=tick != 0), "soft", "end"))
    for tick in TICKS:
        parts.append(text(across(tick), HEIGHT - BOTTOM + 18, f"{tick}%", "soft", "middle"))
    for share, words, anchor in (
        (rows[0].chance, "chance", "start"),
        (paper_share, "NNCLR's paper, ImageNet", "end"),
    ):
        x = across(share)
        parts.append(f'<path class="line" stroke-dasharray="4 4" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(text(x + (5 if anchor == "start" else -5), HEIGHT - BOTTOM - 7, words, "soft", anchor))
    parts.append(text(LEFT, 16, "gain over the same method without mining, points of linear probe", "head"))
    parts.append(
        text(WIDTH - RIGHT, HEIGHT - 12, "mined items that share the anchor's class (log axis)", "head", "end")
    )
    for _, families, colour, kind in GROUPS:
        for row in (row for row in rows if row.family in families):
            x, y, share, gain = across(row.share.mean), up(row.gain.mean), row.share, row.gain
            left, right = across(share.mean - share.half_width), across(share.mean + share.half_width)
            bars = (
                f"M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {up(gain.mean - gain.half_width):.1f}"
                f"V{up(gain.mean + gain.half_width):.1f}"
            )
            words = f"{row.pair.name}: {format_cell(share)}% share the class; "
            words += f"gain {format_cell(gain, sign=True)} points"
            parts.append(
                f'<g><title>{html.escape(words)}</title><path class="bar" style="stroke:{colour}" d="{bars}"/>'
                f"{mark(kind, x, y, colour)}</g>"
            )
    shares, points = [row.share.mean for row in rows], [row.gain.mean for row in rows]
    alt = (
        f"{len(rows)} comparisons. Across: share of mined items of the anchor's class, {min(shares):.0f} to "
        f"{max(shares):.0f}%. Upward: gain over the same method without mining, {min(points):.0f} to "
        f"{max(points):.0f} points."
    )
    head = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{html.escape(alt, quote=True)}">'
    )
    return f"{head}{''.join(parts)}</svg>"


def legend(rows: tuple[Gain, ...]) -> str:
    """What the marks mean, in HTML that wraps on a phone."""
    families = {row.family for row in rows}
    signs = [
        f'<span><svg viewBox="0 0 14 14" aria-hidden="true">{mark(kind, 7, 7, colour)}</svg>{label}</span>'
        for label, own, colour, kind in GROUPS
        if families & set(own)
    ]
    return f'<div class="marks">{"".join(signs)}</div>'


def every_row(rows: tuple[Gain, ...]) -> str:
    """The numbers behind the figure, each with its baseline."""
    head = ["mines", "share of the class, %", "gain, points", "n", "compared with"]
    body = [
        [
            html.escape(row.pair.name),
            format_cell(row.share) if row.score else "all, by labels",
            format_cell(row.gain, sign=True),
            str(row.gain.n),
            html.escape(row.pair.why),
        ]
        for row in sorted(rows, key=lambda row: -row.gain.mean)
    ]
    left_out = "; ".join(f"{name}: {why}" for name, why in mining_gain.UNPAIRED.items())
    return (
        f"<details><summary>All {len(rows)} comparisons, and the methods that have none</summary>"
        f'{html_table(head, body)}<p class="caption">Without a baseline of their own: {html.escape(left_out)}.</p>'
        "</details>"
    )


class MiningAnswer(Directive):
    """The question's answer at this scale, the figure, and what it must not be taken for."""

    def run(self) -> list[nodes.Node]:
        rows = gains()
        share = papers.text_value("nnclr", "nn_match_end")
        sentences = mining_gain.answer(list(rows), share, in_words("cpu"))
        caution = (
            "Each point is a row of a table at cpu scale: its mean over seeds, with the 95% interval of both "
            "numbers (cut at the left end of the axis). Rows are not independent: many share a baseline, a "
            "method, images and seeds, so a trend over points is not a test, and an interval is for one row. "
            "Eliminated images count as mined too. Hover over a point for its name."
        )
        shown_html = (
            f'<div class="answer">{"".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)}</div>'
            f'<figure class="diagram"><div class="scroll">{figure(rows, share)}</div>{legend(rows)}'
            f"<figcaption>{html.escape(caution)}</figcaption></figure>{every_row(rows)}"
        )
        return [nodes.raw("", shown_html, format="html")]


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("mining-answer", MiningAnswer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
