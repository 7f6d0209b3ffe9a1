"""The figure of a table whose rows are methods: a dot per row, the paper's beside ours."""

from typing import Any

from sslrepro.report.figure_parts import (
    floor,
    half,
    paper_on,
    papers_unit,
    plot_columns,
    score_title,
    share_span,
    short,
)
from sslrepro.report.formats import COLOURS, format_cell
from sslrepro.report.headings import column_label, heading, plainly, printed_value, row_label, rows_in_order
from sslrepro.report.plots import MARKERS, PALETTE, new_plot, style
from sslrepro.study.results import Results


def dots(results: Results) -> tuple[Any, str]:
    """A line of dots per row: the paper's panel, ours with 95% intervals; a colour per column, controls as dashes."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    definition = results.definition
    columns = plot_columns(results)
    rows = rows_in_order(definition) + list(definition.variants)
    height = (0.34 if len(columns) < 3 else 0.42) * len(rows) + 1.6 + (0.3 if len(columns) > 1 else 0)
    plot, axes = new_plot(1, 2, size=(11, height), sharey=True)
    spread = 0.5 / len(columns)
    for rank, column in enumerate(columns):
        colour, marker = PALETTE[rank % len(PALETTE)], MARKERS[rank % len(MARKERS)]
        for place, row in enumerate(rows):
            y = place + spread * (rank - (len(columns) - 1) / 2)
            value, cell = printed_value(definition, row, column), results.at(row, column)
            if value is not None:
                quoted = row not in definition.rows
                axes[0].plot(
                    value,
                    y,
                    marker,
                    markersize=6,
                    color=COLOURS["paper"] if quoted else colour,
                    markerfacecolor="none" if quoted else None,
                )
            if cell is not None:
                axes[1].errorbar(cell.mean, y, xerr=half(cell), fmt=marker, markersize=6, color=colour, capsize=3)
                seeds = list(results.values_by_seed(row, column).values())
                axes[1].plot(seeds, [y] * len(seeds), ".", color=colour, alpha=0.35, markersize=5)
    n_lines = floor(results, axes[1], columns[0], vertical=True)
    labels = [short(row_label(definition, row)) + ("" if row in definition.ours else " *") for row in rows]
    axes[0].set_yticks(range(len(rows)), labels, fontsize=9)
    axes[0].set_ylim(len(rows) - 0.4, -0.6 - 0.42 * n_lines)  # room for the names of the dashed lines
    share = definition.column(columns[0]).factor == 100
    notes = ["small dots: single seeds"] if any(results.at(row, c) for row in rows for c in columns) else []
    printed = any(printed_value(definition, row, column) is not None for row in rows for column in columns)
    if share and notes and printed:
        notes.append(share_span(*axes, "x"))
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    unit = "%" if share else papers_unit(results, columns[0])
    what = column_label(definition, columns[0]) if len(columns) == 1 else ""
    axes[0].set_title(f"{paper_on(results)}{', ' if what else ''}{what} ({unit})", fontsize=10)
    if not printed:  # an empty panel would look like a fault
        axes[0].set_title("paper", fontsize=10)
        axes[0].set_xticks([])
        axes[0].text(
            0.5,
            0.5,
            "no number in the paper",
            transform=axes[0].transAxes,
            ha="center",
            fontsize=10,
            color=COLOURS["paper"],
        )
    axes[1].set_title(f"ours: {score_title(results, columns[0])} ({unit})", fontsize=10)
    if any(row not in definition.ours for row in rows):
        axes[0].set_xlabel("* quoted, not run", fontsize=9)
    axes[1].set_xlabel("; ".join(notes), fontsize=9)
    if len(columns) > 1:
        handles = [
            Line2D(
                [],
                [],
                linestyle="",
                marker=MARKERS[n % len(MARKERS)],
                color=PALETTE[n % len(PALETTE)],
                label=column_label(definition, c),
            )
            for n, c in enumerate(columns)
        ]
        plot.legend(handles=handles, loc="outside upper center", ncols=min(4, len(columns)), fontsize=9, frameon=False)
    style(plot, list(axes))
    lines = []
    for row in rows:
        pairs = [(plainly(printed_value(definition, row, c)), format_cell(results.at(row, c))) for c in columns]
        parts = [f"{heading(results, c)} {paper}, ours {ours}" for c, (paper, ours) in zip(columns, pairs, strict=True)]
        lines.append(f"{row_label(definition, row)}: {'; '.join(parts)}")
    return plot, f"Dots per row, the paper's numbers and ours with 95% intervals. {'. '.join(lines)}."
