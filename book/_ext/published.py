"""Which pages are published, and what do their claims come to?"""

import functools
import json

from sslrepro.base.paths import PAGES
from sslrepro.claims import Verdict
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, read_results


def published_results() -> dict[str, Results]:
    """Page name -> results, for every executed page."""
    by_page = {}
    for page in sorted(PAGES.glob("*.ipynb")):
        parameters = json.loads(page.read_text("utf-8"))["metadata"]["sslrepro"]["parameters"]
        plan = plan_table(parameters["table"], parameters["profile"], parameters["seeds"], parameters.get("dataset"))
        if plan.profile.judged:
            by_page[page.stem] = read_results(plan)
    return by_page


@functools.cache
def judged() -> tuple[tuple[str, Results, tuple[Verdict, ...]], ...]:
    """(page, results, verdicts) of every published page that judges claims."""
    return tuple((page, results, tuple(results.verdicts())) for page, results in published_results().items())


def pages_of(table: str) -> list[tuple[str, Results, tuple[Verdict, ...]]]:
    """The published pages of a table, one per profile."""
    return [entry for entry in judged() if entry[1].definition.id == table]
