"""How training went, row by row: curves of what its log says of mined images (evaluate/course.py), over seeds."""

from collections.abc import Sequence

from sslrepro import evaluate
from sslrepro.claims import Cell
from sslrepro.report.figure_parts import half
from sslrepro.report.formats import format_cell
from sslrepro.report.headings import row_label
from sslrepro.report.plots import MARKERS, PALETTE, Figure, new_plot, own_style, style
from sslrepro.study.results import Results

TITLES = {
    "alike": "edges of the graph within a class (%)",
    "kept": "neighbours kept since the last visit (%)",
    "mined": "positives of the class (%)",
    "right": "positives of the class (%)",
}
NOTHING_YET = {"kept", "mined", "right"}  # of these, 0 says that there was nothing to measure yet


def parts_of(results: Results) -> int:
    """Equal parts of training that a table's evaluation of courses reads."""
    return evaluate.protocol("course", results.definition.evaluations.get("course", {}))["parts"]


def course(results: Results, row: str, series: str) -> dict[int, Cell]:
    """Part of training -> a series over seeds, in percent; parts in which there was nothing to measure are left out."""
    cells = {part: results.cell(row, f"{series}_{part}") for part in range(1, parts_of(results) + 1)}
    return {
        part: cell for part, cell in cells.items() if cell is not None and (cell.mean > 0 or series not in NOTHING_YET)
    }


@own_style()
def curves(results: Results, rows: Sequence[str], series: Sequence[str] = ("alike", "kept")) -> Figure:
    """A panel per series, a line per row with its 95% interval, over the course of training.

    Rows whose runs logged nothing of a series have no line in its panel.
    """
    parts = parts_of(results)
    plot, axes = new_plot(1, len(series), size=(5.2 * len(series), 3.5), squeeze=False)
    said = []
    for axis, name in zip(axes[0], series, strict=True):
        for place, row in enumerate(rows):
            cells = course(results, row, name)
            if not cells:
                continue
            x = [100 * part / parts for part in cells]
            y = [cell.mean for cell in cells.values()]
            width = [half(cell) for cell in cells.values()]
            colour = PALETTE[place % len(PALETTE)]
            axis.plot(
                x,
                y,
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                color=colour,
                label=row_label(results.definition, row),
            )
            low, high = ([v + sign * h for v, h in zip(y, width, strict=True)] for sign in (-1, 1))
            axis.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            last = list(cells.values())[-1]
            said.append(f"{TITLES[name]}, {row_label(results.definition, row)}: ends at {format_cell(last)}")
        axis.set_title(TITLES[name], fontsize=10)
        axis.set_xlabel("part of training (%)", fontsize=9)
    axes[0][0].legend(fontsize=8, frameon=False)
    style(plot, list(axes[0]))
    return Figure(
        plot, f"Course of training. {'; '.join(said)}.", f"{results.definition.id}-course", csv(results, rows, series)
    )


def csv(results: Results, rows: Sequence[str], series: Sequence[str]) -> str:
    """series,row,part,mean,low,high,n of every point."""
    lines = ["series,row,part,mean,low,high,n"]
    for name in series:
        for row in rows:
            for part, cell in course(results, row, name).items():
                width = half(cell)
                label = row_label(results.definition, row).replace(",", ";")
                lines.append(
                    f"{name},{label},{part},{cell.mean!r},{cell.mean - width!r},{cell.mean + width!r},{cell.n}"
                )
    return "\n".join(lines) + "\n"
