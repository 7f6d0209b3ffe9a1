"""The figure of the budget sweep: accuracies, gains, right neighbours and public numbers over lengths."""

from typing import Any

from sslrepro.claims import Cell, stated_value
from sslrepro.report.figures import half
from sslrepro.report.formats import format_cell, number
from sslrepro.report.plots import PALETTE, Figure, csv_of, new_plot, own_style, style
from sslrepro.report.sweep_effects import (
    EFFECTS,
    LEARNERS,
    TIMES_CHANCE,
    chance,
    difference,
    lengths,
    public_numbers,
    right,
    values,
)
from sslrepro.study.results import Results, cell_of

EDGE = 2**0.3  # from the shortest and the longest length to the frame: their marks stand sideways of them
LOOKS = dict(zip(LEARNERS, zip(("#000000", *PALETTE[:4]), "^oDsv", strict=True), strict=True))


@own_style()
def figure(results: Results) -> Figure:
    """Accuracy, the neighbour's effect, right neighbours, and NNCLR minus SimCLR beside what others published."""
    plot, axes = new_plot(2, 2, size=(11, 7.6))
    alts = [
        accuracy_panel(results, axes[0, 0]),
        effect_panel(results, axes[0, 1]),
        right_panel(results, axes[1, 0]),
        public_panel(results, axes[1, 1]),
    ]
    here = list(lengths(results).values())
    for axis in (axes[0, 0], axes[0, 1], axes[1, 0]):
        axis.set_xscale("log", base=2)
        axis.set_xticks(here, list(map(str, here)))
        axis.set_xlim(here[0] / EDGE, here[-1] * EDGE)  # of all lengths, run or not
        axis.minorticks_off()
        axis.set_xlabel("epochs", fontsize=9)
    style(plot, list(axes.flat))
    alt = f"Four panels. {' '.join(alts)} Bars are 95% intervals over seeds."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", csv_of(plot))


def over_lengths(results: Results, axis: Any, cells: dict[int, Cell | None], place: int, of: int, **look: Any) -> None:
    """Means with intervals over the lengths, moved a little sideways so that bars do not hide each other."""
    measured = {n: cell for n, cell in cells.items() if cell is not None}
    x = [n * 2 ** (0.07 * (place - (of - 1) / 2)) for n in measured]
    axis.errorbar(
        x,
        [c.mean for c in measured.values()],
        [half(c) for c in measured.values()],
        capsize=2,
        elinewidth=0.9,
        markersize=5,
        **look,
    )


def accuracy_panel(results: Results, axis: Any) -> str:
    """Linear probe of every learner."""
    parts = []
    for place, row in enumerate(LEARNERS):
        colour, marker = LOOKS[row]
        cells = {n: cell_of(values(results, row, name, "linear_top1")) for name, n in lengths(results).items()}
        over_lengths(results, axis, cells, place, len(LEARNERS), color=colour, marker=marker, linewidth=1.2, label=row)
        parts.append(f"{row} {', '.join(format_cell(c) for c in cells.values())}")
    axis.set_title("linear probe, %", fontsize=10)
    axis.legend(fontsize=8, frameon=False, loc="best")
    return f"Linear probe over {', '.join(map(str, lengths(results).values()))} epochs: {'; '.join(parts)}."


def effect_panel(results: Results, axis: Any) -> str:
    """What the neighbour does, against no lookup and against SimCLR."""
    axis.axhline(0, color="#555555", linewidth=1)
    parts = []
    pairs = [
        ("neighbour minus no lookup", PALETTE[0], "o"),
        ("neighbour minus SimCLR", PALETTE[1], "s"),
        ("oracle minus no lookup", PALETTE[2], "v"),
    ]
    for place, (label, colour, marker) in enumerate(pairs):
        cells = {n: cell_of(difference(results, EFFECTS[label], name)) for name, n in lengths(results).items()}
        over_lengths(results, axis, cells, place, len(pairs), color=colour, marker=marker, linewidth=1.2, label=label)
        parts.append(f"{label} {', '.join(format_cell(c, sign=True) for c in cells.values())}")
    axis.set_title("difference in linear probe, points, paired over seeds", fontsize=10)
    axis.legend(fontsize=8, frameon=False, loc="best")
    return f"Differences: {'; '.join(parts)}."


def right_panel(results: Results, axis: Any) -> str:
    """How often neighbours share the class at the end of training."""
    cells = {n: right(results, name) for name, n in lengths(results).items()}
    over_lengths(results, axis, cells, 0, 1, color=PALETTE[0], marker="o", linewidth=1.2, label="nearest neighbour")
    for level, text in (
        (chance(results), "chance"),
        (TIMES_CHANCE * chance(results), "least for\na test"),
        (stated_value("nnclr", "nn_match_end"), "NNCLR on\nImageNet, end\nof training"),
    ):
        axis.axhline(level, color="#555555", linestyle="--", linewidth=1)
        axis.annotate(
            text,
            (1, level),
            xycoords=axis.get_yaxis_transform(),
            xytext=(4, 0),  # beside the panel: within it an interval may cross any place
            va="center",
            fontsize=8,
            textcoords="offset points",
            color="#555555",
        )
    axis.set_ylim(0, None)
    axis.set_title("neighbours that share the class at the end, %", fontsize=10)
    shares = ", ".join(format_cell(c) for c in cells.values())
    return f"Right neighbours at the end: {shares}%; chance {chance(results):.1f}%."


def public_panel(results: Results, axis: Any) -> str:
    """NNCLR minus SimCLR over training images seen: ours, and what others published, in gray."""
    axis.axhline(0, color="#555555", linewidth=1)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in public_numbers():
        groups.setdefault(row["group"], []).append(row)
    for (group, rows), marker in zip(groups.items(), "oxD", strict=False):
        views = "" if all(row["same_views"] for row in rows) else ", other views"
        axis.plot(
            [row["epochs"] * row["images"] for row in rows],
            [row["difference"] for row in rows],
            marker,
            color="#8a8f98",
            markersize=6,
            label=f"{group}{views}",
        )
    images = results.plan.profile.n_train
    cells = {
        n: cell_of(difference(results, EFFECTS["neighbour minus SimCLR"], name)) for name, n in lengths(results).items()
    }
    measured = {n: cell for n, cell in cells.items() if cell is not None}
    axis.errorbar(
        [n * images for n in measured],
        [c.mean for c in measured.values()],
        [half(c) for c in measured.values()],
        capsize=2,
        color=PALETTE[1],
        marker="s",
        markersize=5,
        linewidth=1.2,
        label="ours",
    )
    axis.set_xscale("log")
    axis.set_xlabel("training images seen (images x epochs); gray: published, one run each", fontsize=9)
    axis.set_title("NNCLR minus SimCLR, points", fontsize=10)
    axis.legend(fontsize=8, frameon=False, loc="lower right")
    values = ", ".join(
        f"{row['source']} {row['epochs']} epochs {number(row['difference'], sign=True)}" for row in public_numbers()
    )
    return f"NNCLR minus SimCLR, public single runs: {values}."
