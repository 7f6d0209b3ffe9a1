"""The figure of the neighbour map: gain over the share of right lookups, and real miners against the prediction."""

import math
from typing import Any

from sslrepro.parts.stand_in import DISTANCES
from sslrepro.report.figures import half
from sslrepro.report.formats import format_cell, number
from sslrepro.report.headings import short_names
from sslrepro.report.map_curve import SCORES, curve, miners, rise
from sslrepro.report.plots import PALETTE, Figure, csv_of, new_plot, own_style, style
from sslrepro.study.results import Results, cell_of

LOOKS = dict(zip(DISTANCES, zip(PALETTE[:3], "osD", strict=True), strict=True))


@own_style()
def figure(results: Results) -> Figure:
    """Gain over share by distance, with real miners in gray; the same of the k-NN probe; prediction against gain."""
    plot, axes = new_plot(1, 3, size=(13, 4.4))
    alts = [gain_panel(results, axis, score) for axis, score in zip(axes, SCORES, strict=False)]
    alts.append(prediction_panel(results, axes[2]))
    style(plot, list(axes))
    alt = f"Three panels. {' '.join(alts)} Bars are 95% intervals of paired differences over seeds."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", csv_of(plot))


def gain_panel(results: Results, axis: Any, score: str) -> str:
    """Gain over no lookup by share of right lookups: a line per distance, miners in gray, the break-even as a band."""
    axis.axhline(0, color="#555555", linewidth=1)
    parts = []
    for place, (right, (colour, marker)) in enumerate(LOOKS.items()):
        cells = {share: cell for share, by in curve(results, right, score=score).items() if (cell := cell_of(by))}
        if len(cells) < 2:  # no right neighbours at all: a point that all distances share
            continue
        x = [100 * share + 0.7 * (place - 1) for share in cells]
        axis.errorbar(
            x,
            [c.mean for c in cells.values()],
            [half(c) for c in cells.values()],
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.2,
            capsize=2,
            elinewidth=0.9,
            label=f"{right} right neighbours",
        )
        values = ", ".join(f"{share:.0%} {format_cell(cell, sign=True)}" for share, cell in cells.items())
        parts.append(f"{right} {values or 'not run'}")
    random = {
        share: cell
        for share, by in curve(results, wrong="random", score=score).items()
        if share < 1 and (cell := cell_of(by))
    }
    if random:
        axis.plot(
            [100 * share for share in random],
            [cell.mean for cell in random.values()],
            "^:",
            color=PALETTE[3],
            markersize=5,
            linewidth=1.2,
            label="nearest, wrong at random",
        )
    placed = miners(results, score)
    axis.plot(
        [100 * miner.share for miner in placed],
        [miner.gain.mean for miner in placed],
        "x",
        color="#6b7079",
        markersize=5,
        label="real miners",
    )
    line = rise(results, score=score)
    if line.verdict == "rises" and line.zero_set and math.isfinite(line.zero_set[0]):
        low, high = (100 * min(max(end, 0.0), 1.0) for end in line.zero_set)
        axis.axvspan(low, high, color=PALETTE[0], alpha=0.1, linewidth=0, label="break-even of the nearest, 95%")
    axis.set_xlabel("lookups that share the class, %", fontsize=9)
    axis.set_title(f"{short_names(results, SCORES)[score]}: gain over no lookup, points", fontsize=10)
    axis.legend(fontsize=7.5, frameon=False, loc="best")
    return f"{short_names(results, SCORES)[score]}, gain by share of right lookups: {'; '.join(parts)}."


def prediction_panel(results: Results, axis: Any) -> str:
    """Real miners: the map's prediction against the measured gain."""
    placed = miners(results)
    axis.errorbar(
        [miner.predicted for miner in placed],
        [miner.gain.mean for miner in placed],
        [half(miner.gain) for miner in placed],
        fmt="x",
        color="#6b7079",
        elinewidth=0.6,
    )
    ends = [value for miner in placed for value in (miner.predicted, miner.gain.mean)] or [0.0, 1.0]
    low, high = min(ends) - 2, max(ends) + 2
    axis.plot([low, high], [low, high], color="#555555", linestyle="--", linewidth=1)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_xlabel("gain that the map says, points (dashed: equal; long bars are cut)", fontsize=8)
    axis.set_title("real miners: measured gain, points", fontsize=10)
    values = ", ".join(
        f"{miner.row} {number(miner.predicted, sign=True)} and {number(miner.gain.mean, sign=True)}" for miner in placed
    )
    return f"Real miners, predicted and measured gain: {values or 'not placed yet'}."
