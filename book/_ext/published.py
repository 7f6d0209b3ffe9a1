"""Which pages are published, and what do their claims come to?"""

import functools
import json

from sslrepro.base.paths import PAGES
from sslrepro.claims import Verdict
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, read_results


def published() -> dict[str, Results]:
    """Page name -> results, for every executed page."""
    found = {}
    for page in sorted(PAGES.glob("*.ipynb")):
        given = json.loads(page.read_text())["metadata"]["sslrepro"]["parameters"]
        made = plan_table(given["table"], given["profile"], given["seeds"], given.get("dataset"))
        if made.profile.judged:
            found[page.stem] = read_results(made)
    return found


@functools.cache
def judged() -> tuple[tuple[str, Results, tuple[Verdict, ...]], ...]:
    """(page, results, verdicts) of every published page that judges claims."""
    return tuple((page, found, tuple(found.verdicts())) for page, found in published().items())


def pages_of(table: str) -> list[tuple[str, Results, tuple[Verdict, ...]]]:
    """The published pages of a table, one per profile."""
    return [one for one in judged() if one[1].definition.id == table]
