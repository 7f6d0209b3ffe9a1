"""How far does rounding alone move a run? Runs of the ledger trained again elsewhere, from benchmarks/results."""

import html
import json
import math
from pathlib import Path
from typing import Any

from blocks import plain_table
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from sslrepro.report.formats import number

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "trained_again.json"
GROUPS = {"nnclr": "NNCLR", "others": "ten other methods", "simsiam family": "SimSiam and NNSiam", "rest": "the others"}
SCORES = {"linear_top1": "linear probe", "knn_top1": "20-NN"}


def spread(value: float) -> str:
    """A standard deviation in points; a dash where it could not be taken."""
    return "–" if math.isnan(value) else number(value)


def lines(methods: dict[str, Any]) -> list[list[str]]:
    """A line per method: runs, for each score the difference and both spreads, and how many end below the untrained."""
    body = []
    for method, of in sorted(methods.items(), key=lambda item: item[1]["linear_top1"]["by_rounding"]):
        line = [method, str(of["linear_top1"]["runs"])]
        for score in SCORES:
            cell = of[score]
            line.append(f"{number(cell['mean'], sign=True)} ±\N{NO-BREAK SPACE}{number(cell['half'])}")
            line.append(f"{spread(cell['by_rounding'])} / {spread(cell['between_seeds'])}")
        body.append([*line, " / ".join(map(str, of["below_untrained"]))])
    return body


def sentences(looks: dict[str, Any]) -> list[str]:
    """What each group of each look showed, by the rule that was fixed before it."""
    out = []
    for name in sorted(key for key in looks if key.startswith("look")):
        for group, of in looks[name]["summaries"].items():
            parts = []
            for score, words in SCORES.items():
                cell = of[score]
                mean, low, high = (number(value, sign=True) for value in (cell["mean"], *cell["interval_runs"]))
                parts.append(f"{words} {mean} [{low}, {high}], {cell['reading']}")
            out.append(f"{name.capitalize()}, {GROUPS[group]}, {of['linear_top1']['runs']} runs: {'; '.join(parts)}.")
    return out


class TrainedAgain(Directive):
    """The table by method, and what each look showed."""

    def run(self) -> list[nodes.Node]:
        looks = json.loads(MEASURED.read_text("utf-8"))
        head = ["method", "runs"]
        for words in SCORES.values():
            head += [words, "spread"]
        head += ["runs below untrained"]
        here = looks["look 1"]["environment"]["device"]
        published = ", ".join(looks["look 1"]["published_on"])
        note = (
            f"Here ({here}) minus published ({published}), in points, with 95% intervals that take runs as "
            "independent. Spread: one standard deviation of a run by rounding / between seeds. Last: runs whose linear "
            "probe ends below the mean untrained encoder, as published / here / both."
        )
        found = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences(looks))
        page = f'{plain_table(head, lines(looks["methods"]))}<p class="caption">{html.escape(note)}</p><ul>{found}</ul>'
        return [nodes.raw("", page, format="html")]


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("trained-again", TrainedAgain)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
