"""Which images the easy and the hard anchors are, from benchmarks/results."""

import html
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sslrepro.base.store import read_json
from sslrepro.report.formats import format_cell, html_table
from sslrepro.study.results import cell_of
from sslrepro.tables.neighbour_anchors import TABLE

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "anchors_shown.json"
COLUMNS = {  # measure -> heading, and from what is stored to what is shown
    "right": ("anchors that get a right row, %", 100),
    "by_itself": ("of them right by themselves, %", 100),
    "classes": ("classes among them, effective number", 1),
    "largest": ("of the most frequent class, %", 100),
    "again": ("of the images, again in the next epoch, %", 100),
}


def table(measured: dict[str, Any]) -> str:
    """A line per row: means over seeds ± half the 95% t-interval."""
    lines = []
    for row in (row for row in TABLE.rows if row in measured["rows"]):
        of = measured["rows"][row]
        cells = [cell_of({s: by * v for s, v in enumerate(of[name])}) for name, (_, by) in COLUMNS.items()]
        lines.append([html.escape(row), *(html.escape(format_cell(cell)) for cell in cells)])
    heads = ["neighbours", *(heading for heading, _ in COLUMNS.values())]
    n = len(next(iter(measured["rows"].values()))["right"])
    note = f"{measured['classes']} classes; over all of training, n = {n} seeds, trained for this purpose."
    return f'{html_table(heads, lines, "results")}<p class="caption">{note}</p>'


class AnchorsShown(SphinxDirective):
    """The table: `{anchors-shown}`."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(MEASURED))
        return [nodes.raw("", table(read_json(MEASURED)), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("anchors-shown", AnchorsShown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
