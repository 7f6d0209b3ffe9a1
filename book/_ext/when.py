"""Tables of ours in chapters: parts of their pages, put in at build time from the ledger; nothing is trained."""

import re

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sslrepro.report import when
from sslrepro.report.formats import Display
from sslrepro.report.presenters import presenter
from sslrepro.report.publish import PAGES, page_name
from sslrepro.report.table_page import command
from sslrepro.study import ledger, plans
from sslrepro.study.results import Results

PARTS = ("headline", "figure", "table", "effects", "break_evens", "placement", "accuracies", "papers_own", "questions",
         "reading")  # fmt: skip


def part_of(value: str) -> str:
    """One of the parts."""
    return directives.choice(value, PARTS)


def results_of(directive: SphinxDirective, table: str, profile: str, dataset: str | None = None) -> Results:
    """What the ledger holds of a table; the page is made again when one of its files changes.

    dataset   other images than the profile's own, of which the ledger has runs: "cifar10"
    """
    plan = plans.plan_table(table, profile, dataset=dataset)
    for run in plan.runs:
        path = plan.ledger / f"{run.name}.json"
        if path.exists():
            directive.env.note_dependency(str(path))
    published = {run.name: record for run in plan.runs if (record := ledger.published_record(run, plan)) is not None}
    return Results(plan, published)


class Ours(SphinxDirective):
    """A part of a table of ours: `{ours} budget_sweep` with `:part: figure`, `:profile: night`, `:dataset: cifar10`.

    Profile and dataset name a scale that the ledger has runs of; default `cpu` and its own images.
    """

    required_arguments = 1
    option_spec = {"part": part_of, "profile": directives.unchanged, "dataset": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        scale = (self.options.get("profile", "cpu"), self.options.get("dataset"))
        results = results_of(self, self.arguments[0], *scale)
        part = self.options.get("part", "headline")
        if part == "reading":
            return self.parse_text_to_nodes(reading(results, up="../" * self.env.docname.count("/")))
        return [nodes.raw("", _html(getattr(presenter(results.definition), part)(results)), format="html")]


def reading(results: Results, up: str = "") -> str:
    """The table's question and its rule, folded; with a link to its page where that is published.

    up   from the chapter to the book's root: "../" in a folder
    """
    definition, page = results.definition, page_name(results.plan)
    beside = re.sub(r"\]\(([\w-]+)\)", rf"]({up}executed/\1)", definition.reading)  # links are those of its page
    text = f"::::{{dropdown}} The rule, and when it was fixed: {definition.question}\n{beside}\n\n"
    text += f"*Scale.* {definition.mapping}\n::::\n\n"
    if (PAGES / f"{page}.ipynb").exists():
        return text + f"Every number, and how it was made: [{definition.title}]({up}executed/{page}.ipynb)\n"
    return text + f"All of it, with every number: `{command(results)}`.\n"


class Together(SphinxDirective):
    """The budget sweep read with the neighbour map: `{together}`."""

    def run(self) -> list[nodes.Node]:
        sweep, map_ = results_of(self, "budget_sweep", "night"), results_of(self, "neighbour_map", "cpu")
        return [nodes.raw("", _html(when.together(sweep, map_)), format="html")]


class Strengths(SphinxDirective):
    """The neighbour map with crops alone beside that with all augmentations: `{strengths}`."""

    def run(self) -> list[nodes.Node]:
        crops, full = (results_of(self, table, "cpu") for table in ("neighbour_map_crops", "neighbour_map"))
        return [nodes.raw("", _html(when.strengths(crops, full)), format="html")]


class Public(SphinxDirective):
    """NNCLR minus SimCLR as others published it: `{public-numbers}`."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", _html(when.public()), format="html")]


def _html(shown: Display) -> str:
    return shown._repr_mimebundle_()["text/html"]


def setup(app: Sphinx) -> dict:
    """Register the directives."""
    app.add_directive("ours", Ours)
    app.add_directive("together", Together)
    app.add_directive("strengths", Strengths)
    app.add_directive("public-numbers", Public)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
