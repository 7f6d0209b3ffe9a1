"""What the figures of tables share: spans of two axes, headings with units, floors, short labels."""

import re
import textwrap
from typing import Any

from sslrepro import papers
from sslrepro.claims import Cell
from sslrepro.report.formats import number
from sslrepro.report.headings import (
    CONTROLS,
    SCORE_NAMES,
    column_label,
    protocol_of,
    score_name,
)
from sslrepro.study.results import Results

MINED = "neighbour_match_without_self"  # logged in training, over the last log interval


SHORT = {"random": "untrained", "simclr": "SimCLR", "supcon": "SupCon", "pixels": "pixels", "supervised": "labels"}


WIDEST = 4.0  # two panels share one span unless that would leave one of them less than a quarter full


def plot_columns(results: Results) -> list[str]:
    """The columns of the figure: those of the score that the table's effect is about, by default the first's."""
    definition = results.definition
    measured = definition.score_columns
    main = definition.ends[0][1] if definition.ends else next(iter(measured))
    if definition.column(main).is_derived:
        main = definition.column(main).of
    same = [name for name, column in measured.items() if column.score == measured[main].score]
    return [main] if len(same) > 1 and not any(measured[name].sets for name in same) else same


def half(cell: Cell) -> float:
    """Half the interval as an error bar; none for fewer than three seeds."""
    return cell.half_width if cell.has_interval else 0.0


def share_span(first: Any, second: Any, which: str) -> str:
    """Make two axes equally long in their unit, each around its own middle; returns their lengths in words.

    which   "x" or "y"

    Where one panel would be less than a quarter full both stay as they are, and the words say how they differ.
    """
    limits = [sorted(getattr(axis, f"get_{which}lim")()) for axis in (first, second)]
    lengths = [high - low for low, high in limits]
    if max(lengths) > WIDEST * min(lengths):
        return f"spans differ: {number(lengths[0], 0)} points left, {number(lengths[1], 0)} right"
    for axis, (low, high) in zip((first, second), limits, strict=True):
        middle = (low + high) / 2
        getattr(axis, f"set_{which}lim")(middle - max(lengths) / 2, middle + max(lengths) / 2)
    return f"both panels span {number(max(lengths), 0)} points"


def paper_on(results: Results) -> str:
    """ "paper: ImageNet", or "paper" alone where the table is on several sets."""
    dataset = papers.table(results.definition.id)["dataset"]
    return "paper" if "," in dataset else f"paper: {dataset.split(' ')[0]}"


def papers_unit(results: Results, column: str) -> str:
    """The unit of a column as transcribed."""
    columns = papers.table(results.definition.id)["columns"]
    return next((line.get("unit") or "" for line in columns if line["key"] == column), "")


def score_title(results: Results, column: str) -> str:
    """What a column of ours measures, by the protocol that measured it; its own heading where the score has no name."""
    score = results.definition.column(column).score
    if score not in SCORE_NAMES:
        return column_label(results.definition, column)
    return score_name(score, protocol_of(results, score)[1])


def floor(results: Results, axis: Any, column: str, vertical: bool) -> int:
    """Dashed lines at the controls, named where they stand; with several columns only the one that trains nothing.

    Returns how many there are.
    """
    n_lines = 0
    names = ("random",) if len(plot_columns(results)) > 1 else ("random", "simclr", "supcon")
    for name in names:
        cell = results.at(name, column, control=True) if name in results.definition.controls else None
        if cell is None:
            continue
        (axis.axvline if vertical else axis.axhline)(cell.mean, color="#555555", linestyle="--", linewidth=1)
        x, y = (cell.mean, 1.0) if vertical else (0.0, cell.mean)
        blend = axis.get_xaxis_transform() if vertical else axis.get_yaxis_transform()
        axis.annotate(
            SHORT.get(name, CONTROLS.get(name, name)),
            (x, y),
            xycoords=blend,
            fontsize=8,
            color="#555555",
            xytext=(2, -9 - 10 * n_lines) if vertical else (4, 3),
            textcoords="offset points",
        )
        n_lines += 1
    return n_lines


def short(label: str, width: int = 34) -> str:
    """A label without its citation, in lines of at most `width` signs."""
    name = re.sub(r"\s*(\[\d+\]|\([A-Z][^()]*\d{4}[a-z]?\))", "", label)
    return "\n".join(textwrap.wrap(name, width)) or name
