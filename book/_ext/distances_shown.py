"""How far the rows lie that anchors take, from benchmarks/results."""

import html
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sslrepro.base.store import read_json
from sslrepro.report.formats import html_table

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "distances_shown.json"
COLUMNS = {
    "taken": "to the row that it took",
    "right": "to its nearest right row",
    "wrong": "to its nearest wrong row",
    "gap": "first less second, absolute",
}


def table(measured: dict[str, Any]) -> str:
    """A line per row: means over seeds, of which there are too few for an interval."""
    lines = [
        [html.escape(row), *(f"{sum(of[name]) / len(of[name]):.3f}" for name in COLUMNS)]
        for row, of in measured["rows"].items()
    ]
    n = len(next(iter(measured["rows"].values()))["taken"])
    note = (
        f"Mean cosine of an anchor, over all of training and all anchors that took a row of the queue while it held "
        f"one of their class; n = {n} seeds, trained for this purpose."
    )
    heads = ["neighbours", *COLUMNS.values()]
    return f'{html_table(heads, lines, "results")}<p class="caption">{note}</p>'


class DistancesShown(SphinxDirective):
    """The table: `{distances-shown}`."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(MEASURED))
        return [nodes.raw("", table(read_json(MEASURED)), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("distances-shown", DistancesShown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
