"""The figure of a table: the paper's numbers beside ours, in the form that fits what the table varies."""

import csv
import io
from typing import Any

from sslrepro.claims import Cell
from sslrepro.report.dots import dots
from sslrepro.report.figure_parts import (
    MINED,
    floor,
    half,
    paper_on,
    papers_unit,
    plot_columns,
    score_title,
    share_span,
    short,
)
from sslrepro.report.formats import COLOURS, format_cell, number
from sslrepro.report.headings import (
    column_label,
    heading,
    is_numeric,
    mapped_columns,
    mapped_setting,
    plainly,
    printed_value,
    row_label,
    rows_in_order,
    series,
)
from sslrepro.report.plots import MARKERS, PALETTE, Figure, new_plot, own_style, style
from sslrepro.study.results import Results, cell_of


def form(results: Results) -> str:
    """ "line" over a number that rows differ in, "series" over one that columns differ in, else "dots"."""
    if is_numeric(results.definition):
        return "line"
    return "series" if series(results.definition) else "dots"


@own_style()
def figure(results: Results) -> Figure:
    """The paper's numbers and ours with 95% intervals, side by side, with an alternative text that says both."""
    plot, alt = {"line": line, "series": lines_of_rows, "dots": dots}[form(results)](results)
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", data(results))


def data(results: Results) -> str:
    """The numbers of a figure as CSV: row, column, the paper's, ours with its interval, n, and each seed."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(["row", "column", "paper", "ours", "low", "high", "n", "seeds"])
    definition = results.definition
    for row in [*rows_in_order(definition), *definition.variants]:
        for column in series(definition) or plot_columns(results):
            cell, seeds = results.at(row, column), results.values_by_seed(row, column)
            ours = [""] * 4 if cell is None else [repr(cell.mean), *_ends(cell), cell.n]
            paper = printed_value(definition, row, column)
            values = " ".join(f"{seed}:{value!r}" for seed, value in seeds.items())
            write(
                [
                    row_label(definition, row),
                    column_label(definition, column),
                    "" if paper is None else paper,
                    *ours,
                    values,
                ]
            )
    return out.getvalue()


def _ends(cell: Cell) -> list[str]:
    return [repr(cell.mean - cell.half_width), repr(cell.mean + cell.half_width)] if cell.has_interval else ["", ""]


# --- over a number that rows differ in --------------------------------------------------------------------------


def line(results: Results) -> tuple[Any, str]:
    """Changes from the first row, the paper's and ours on one axis; our levels; and neighbour match, where mined."""
    definition = results.definition
    column = plot_columns(results)[0]
    rows = [row for row in definition.rows if results.at(row, column) is not None]
    names = {row: plainly(printed_value(definition, row, definition.varied)) for row in rows}
    labels = [f"{names[row]}\n({mapped_setting(results, row)})" for row in rows]
    places = range(len(rows))
    unit = "%" if definition.column(column).factor == 100 else papers_unit(results, column)
    mines = bool(rows) and results.cell(rows[0], MINED) is not None
    plot, axes = new_plot(1, 2 + mines, size=(11, 3.5))
    changed = changes_panel(results, axes[0], column, rows, names)
    panels = [(axes[1], False, f"ours: {heading(results, column)} ({unit})", COLOURS["ours"])]
    panels += [(axes[2], True, "ours: neighbour of the same class (%)", COLOURS["extra"])] if mines else []
    for axis, mined, title, colour in panels:
        cells = [results.cell(row, MINED) if mined else results.at(row, column) for row in rows]
        axis.errorbar(
            places, [cell.mean for cell in cells], [half(cell) for cell in cells], fmt="o-", color=colour, capsize=3
        )
        for place, row in enumerate(rows):
            seeds = results.values(row, MINED) if mined else list(results.values_by_seed(row, column).values())
            values = [100 * value for value in seeds] if mined else seeds
            axis.plot([place] * len(values), values, ".", color=colour, alpha=0.35, markersize=5)
        axis.set_title(title, fontsize=10)
    reference = results.at("simclr", column, control=True) if "simclr" in definition.controls else None
    if reference is not None:
        axes[1].axhline(reference.mean, color="#555555", linestyle="--", linewidth=1)
        axes[1].annotate("SimCLR", (0, reference.mean), xytext=(0, 3), textcoords="offset points", fontsize=8)
    for axis in axes:
        axis.set_xticks(list(places), labels, fontsize=8)
        axis.set_xlabel(f"{column_label(definition, definition.varied)}, paper (ours)", fontsize=9)
    style(plot, list(axes))
    means = ", ".join(f"{names[row]}: {format_cell(results.at(row, column))}" for row in rows)
    theirs = ", ".join(f"{names[row]}: {printed_value(definition, row, column)}" for row in rows)
    over, what = column_label(definition, definition.varied).lower(), column_label(definition, column)
    alt = f"Panels over {over}. Paper's {what}: {theirs}. Ours, mean and 95% interval: {means}. {changed}"
    if mines:
        matches = ", ".join(format_cell(results.cell(row, MINED)) for row in rows)
        alt += f" Share of mined neighbours of the anchor's class: {matches}."
    return plot, f"{alt} Small dots are single seeds."


def changes_panel(results: Results, axis: Any, column: str, rows: list[str], names: dict[str, str]) -> str:
    """The change from the first row, the paper's and ours paired over seeds, on one axis; returns it in words.

    In points where the column is a share, else in percent of the first row.
    """
    definition = results.definition
    share = definition.column(column).factor == 100
    unit = "points" if share else "%"
    theirs = {
        row: change_of(printed_value(definition, row, column), printed_value(definition, rows[0], column), share)
        for row in rows
    }
    first = results.values_by_seed(rows[0], column) if rows else {}
    ours = {
        row: cell_of(
            {
                seed: change_of(value, first[seed], share)
                for seed, value in results.values_by_seed(row, column).items()
                if seed in first
            }
        )
        for row in rows
    }
    measured = {place: ours[row] for place, row in enumerate(rows) if ours[row] is not None}
    axis.axhline(0, color="#555555", linewidth=1)
    axis.plot(
        [place - 0.06 for place in range(len(rows))],
        list(theirs.values()),
        "s-",
        color=COLOURS["paper"],
        label=paper_on(results),
    )
    axis.errorbar(
        [place + 0.06 for place in measured],
        [cell.mean for cell in measured.values()],
        [half(cell) for cell in measured.values()],
        fmt="o-",
        color=COLOURS["ours"],
        capsize=3,
        label=f"ours: {results.plan.profile.name} scale",
    )
    axis.legend(fontsize=8, frameon=False, loc="best")
    if not rows:
        return ""
    axis.set_title(f"{column_label(definition, column)}: change from {names[rows[0]]} ({unit})", fontsize=10)
    changes = ", ".join(
        f"{names[row]}: paper {number(theirs[row], 1, True)}, ours {format_cell(ours[row], 1, True)}"
        for row in rows[1:]
    )
    return f"Change from {names[rows[0]]} in {unit}: {changes}."


def change_of(value: float, first: float, share: bool) -> float:
    """The difference where values are shares, else the relative change in percent."""
    return value - first if share else 100 * (value / first - 1)


# --- over a number that columns differ in -----------------------------------------------------------------------


def lines_of_rows(results: Results) -> tuple[Any, str]:
    """A line per row over what the columns set: the paper's panel, ours with 95% intervals, one legend."""
    from matplotlib.lines import Line2D

    definition = results.definition
    columns = list(series(definition))
    became = mapped_columns(results)
    rows = rows_in_order(definition) + list(definition.variants)
    plot, axes = new_plot(1, 2, size=(11, 4.0))
    main = [
        row
        for row in rows
        if definition.ours.get(row, {}).get("method", definition.method) == definition.method and row in definition.rows
    ][:1]
    order = main + [row for row in rows if row not in main]  # the paper's own method has the first colour
    offsets = [0.04 * (place - (len(rows) - 1) / 2) for place in range(len(rows))]
    handles, sentences = [], []
    for place, row in enumerate(rows):
        rank = order.index(row)
        look = dict(
            color=PALETTE[rank % len(PALETTE)],
            marker=MARKERS[rank % len(MARKERS)],
            markersize=5,
            linewidth=2.4 if row in main else 1.2,
        )
        theirs = [
            (x, value) for x, name in enumerate(columns) if (value := printed_value(definition, row, name)) is not None
        ]
        ours = [(x, cell) for x, name in enumerate(columns) if (cell := results.at(row, name)) is not None]
        if theirs:
            axes[0].plot(*zip(*theirs, strict=True), linestyle="-" if row in definition.rows else ":", **look)
        if ours:
            axes[1].errorbar(
                [x + offsets[place] for x, _ in ours],
                [c.mean for _, c in ours],
                [half(c) for _, c in ours],
                capsize=2,
                elinewidth=0.9,
                **look,
            )
        handles.append(Line2D([], [], label=short(row_label(definition, row)), **look))
        sentences.append(
            f"{row_label(definition, row)}: paper {', '.join(f'{value}' for _, value in theirs) or 'none'}; "
            f"ours {', '.join(format_cell(c) for _, c in ours) or 'not run'}"
        )
    floor(results, axes[1], columns[0], vertical=False)
    axes[0].set_title(f"{paper_on(results)} (%)", fontsize=10)
    axes[1].set_title(f"ours: {score_title(results, columns[0])} (%)", fontsize=10)
    for axis, ticks in zip(
        axes, ([column_label(definition, c) for c in columns], [became.get(c, c) for c in columns]), strict=True
    ):
        axis.set_xticks(range(len(columns)), ticks, fontsize=8)
    axes[1].set_xlabel(share_span(*axes, "y"), fontsize=9)
    style(plot, list(axes))
    plot.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False)
    heads = ", ".join(f"{column_label(definition, c)} (ours {became.get(c, c)})" for c in columns)
    return plot, f"Lines over {heads}. {'. '.join(sentences)}. Bars are 95% intervals."


# --- a line per row ---------------------------------------------------------------------------------------------
