"""A table's differences with every run from one kind of processor, from benchmarks/results."""

import html
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sslrepro.base.store import read_json
from sslrepro.report.formats import plural
from sslrepro.report.presenters import presenter
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.results import Results, published_results

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "one_processor.json"
Scores = dict[str, dict[str, float]]  # of a run, by evaluation


def replaced(record: dict[str, Any], here: Scores) -> dict[str, Any]:
    """A published record with the scores of the run that was trained again."""
    lines = {
        key: line | {"scores": line["scores"] | here.get(line["evaluation"], {})}
        for key, line in record["results"].items()
    }
    return record | {"results": lines}


def results_here(plan: TablePlan, runs: dict[str, Scores]) -> Results:
    """The table's published results, with those runs in the place of theirs."""
    known = published_results(plan).known
    return Results(plan, {name: replaced(record, runs.get(name, {})) for name, record in known.items()})


def sentence(n_again: int, n_runs: int, device: str) -> str:
    """How many runs were trained again, and where."""
    return (
        f"{plural(n_again, 'run')} of {n_runs} {'was' if n_again == 1 else 'were'} published from another kind of "
        f"processor. The differences once more, with {'that' if n_again == 1 else 'those'} trained again on "
        f"{device.replace('(R)', '')}, as all others were:"
    )


class OneProcessor(SphinxDirective):
    """The sentence and the differences: `{one-processor} neighbour_anchors`, with `:profile:` as for `{ours}`."""

    required_arguments = 1
    option_spec = {"profile": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        table, profile = self.arguments[0], self.options.get("profile", "cpu")
        self.env.note_dependency(str(MEASURED))
        of, plan = read_json(MEASURED)[f"{table} {profile}"], plan_table(table, profile)
        effects = presenter(plan.definition).effects(results_here(plan, of["runs"]))
        text = sentence(len(of["runs"]), len(plan.runs), of["environment"]["device"])
        return [nodes.raw("", f"<p>{html.escape(text)}</p>{effects.html}", format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("one-processor", OneProcessor)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
