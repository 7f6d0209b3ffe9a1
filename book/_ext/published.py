"""Which pages are published, and what do their claims come to?"""

import functools
import json

from sslrepro import papers
from sslrepro.base.paths import PAGES
from sslrepro.claims import Verdict
from sslrepro.study.every_scale import at_every_scale
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, read_results


@functools.cache
def published_results() -> dict[str, Results]:
    """Page name -> results, for every executed page; read once per process, and before processes part."""
    by_page = {}
    for page in sorted(PAGES.glob("*.ipynb")):
        parameters = json.loads(page.read_text("utf-8"))["metadata"]["sslrepro"]["parameters"]
        plan = plan_table(parameters["table"], parameters["profile"], parameters["seeds"], parameters.get("dataset"))
        if plan.profile.judged:
            by_page[page.stem] = read_results(plan)
    return by_page


@functools.cache
def judged() -> tuple[tuple[str, Results, tuple[Verdict, ...]], ...]:
    """(page, results, verdicts) of every published page that judges claims, then of scales that have no page.

    A scale without a page of its own stands, under "At every scale", on the first page of its table.
    """
    pages = [(page, results, tuple(results.verdicts())) for page, results in published_results().items()]
    return (*pages, *beside(pages))


Entry = tuple[str, Results, tuple[Verdict, ...]]


def beside(pages: list[Entry]) -> list[Entry]:
    """(page, results, verdicts that were reached) of what the ledger holds of tables of papers beside their pages."""
    page_of: dict[str, str] = {}
    scales: dict[str, tuple[str, ...]] = {}
    for page, results, _ in pages:
        table = results.definition.id
        page_of.setdefault(table, page)
        scales[table] = (*scales.get(table, ()), results.plan.profile.name)
    out = []
    for table in page_of.keys() & papers.tables().keys():
        for results in at_every_scale(table, scales[table]):
            reached = tuple(verdict for verdict in results.verdicts() if verdict.verdict != "not judged")
            if reached:
                out.append((page_of[table], results, reached))
    return sorted(out, key=lambda entry: (entry[0], entry[1].plan.profile.name))


def pages_of(table: str) -> list[tuple[str, Results, tuple[Verdict, ...]]]:
    """The published pages of a table, one per profile."""
    return [entry for entry in judged() if entry[1].definition.id == table]
