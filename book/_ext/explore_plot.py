"""A plot to explore: the page's figure with a choice of the measured score and every seed under the pointer."""

import html
import json
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from published import judged
from sphinx.application import Sphinx

from sslrepro.claims import Cell
from sslrepro.report.figure_parts import MINED, half
from sslrepro.report.figures import form
from sslrepro.report.formats import number
from sslrepro.report.headings import column_label, plainly, printed_value, row_label, score_heading, series
from sslrepro.report.plots import PALETTE
from sslrepro.study.results import Results, cell_of

SCORES = ("linear_top1", "linear_top5", "knn_top1", "few_top1", MINED)
SCRIPTS = ("vendor/plotly.min.js", "explore.js")
NAMES = {MINED: "mined positives of the anchor's class"}


def fits(results: Results) -> bool:
    """Whether there is an axis to explore: rows or columns that differ in a number."""
    return form(results) != "dots" and not results.definition.column(next(iter(results.definition.columns))).is_derived


def places(results: Results) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """What stands on the axis, and every line: its name, and a (row, column) per place, "" for the row's own runs."""
    definition = results.definition
    columns = list(series(definition))
    if columns:
        labels = [column_label(definition, column) for column in columns]
        rows = [row for row in definition.ours if results.at(row, columns[0]) is not None]
        return labels, [(row_label(definition, row), [(row, column) for column in columns]) for row in rows]
    rows = [row for row in definition.rows if results.of(row)]
    labels = [plainly(printed_value(definition, row, definition.varied)) for row in rows]
    return labels, [(definition.method, [(row, "") for row in rows])]


def point(results: Results, row: str, column: str, score: str) -> tuple[Cell | None, str]:
    """A mean with its interval, in percent, and every seed in words."""
    values = {seed: 100 * value for seed, value in results.by_seed(row, score, column).items()}
    return cell_of(values), ", ".join(f"seed {seed}: {number(value)}" for seed, value in values.items())


def plot(results: Results) -> dict[str, Any]:
    """Traces and layout as plotly.js reads them; {} where no score has two points."""
    labels, lines = places(results)
    traces, of_score = [], []
    for score in SCORES:
        for place, (name, cells) in enumerate(lines):
            points = [point(results, row, column, score) for row, column in cells]
            if sum(cell is not None for cell, _ in points) < 2:
                continue
            of_score.append(score)
            traces.append(
                {
                    "x": labels,
                    "y": [cell and round(cell.mean, 3) for cell, _ in points],
                    "name": name,
                    "customdata": [seeds for _, seeds in points],
                    "mode": "lines+markers",
                    "error_y": {"type": "data", "array": [round(half(cell), 3) if cell else 0 for cell, _ in points]},
                    "line": {"color": PALETTE[place % len(PALETTE)]},
                    "hovertemplate": "%{fullData.name}, %{x}: %{y:.1f}<br>%{customdata}<extra></extra>",
                }
            )
    shown = list(dict.fromkeys(of_score))
    for trace, score in zip(traces, of_score, strict=True):
        trace["visible"] = score == shown[0]
    buttons = [
        {
            "label": heading(results, score),
            "method": "restyle",
            "args": [{"visible": [own == score for own in of_score]}],
        }
        for score in shown
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    axis = column_label(results.definition, results.definition.varied) if results.definition.varied else ""
    layout = {
        "updatemenus": [menu],
        "xaxis": {"type": "category", "title": {"text": axis}},
        "yaxis": {"title": {"text": "%"}},
        "showlegend": len(lines) > 1,
    }
    return {"data": traces, "layout": layout} if traces else {}


def heading(results: Results, score: str) -> str:
    """What the choice is called."""
    return NAMES.get(score) or score_heading(results, score)


class ExplorePlot(Directive):
    """The plot of a published page, for those who run scripts; the page's own figure stays."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        results = next((results for page, results, _ in judged() if page == self.arguments[0]), None)
        drawn = plot(results) if results is not None and fits(results) else {}
        if not drawn:
            return []
        text = json.dumps(drawn).replace("</", "<\\/")
        label = html.escape(f"{results.definition.title}: choose a score, point at a mark for its seeds", quote=True)
        inner = f'<script type="application/json">{text}</script>'
        scripts = "".join(f'<script defer src="../_static/{name}"></script>' for name in SCRIPTS)
        caption = '<p class="caption">The same runs, to explore: choose a score, point at a mark for its seeds.</p>'
        box = f'<div class="explore" role="img" aria-label="{label}">{inner}</div>{caption}{scripts}'
        return [nodes.raw("", box, format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("explore-plot", ExplorePlot)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
