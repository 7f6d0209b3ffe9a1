"""What of a table is not run yet, said on its page by itself: which runs, at what cost, by which command."""

import html
import math

from sslrepro.report.formats import Shown, plural
from sslrepro.report.table_page import command
from sslrepro.study.budget import estimate
from sslrepro.study.results import Results
from sslrepro.study.run import Run


def absent(found: Results) -> list[Run]:
    """The table's runs without results, in the order they would run."""
    return [run for run in found.plan.runs if run.name not in found.known]


def note(found: Results) -> str:
    """How many runs are missing, of which seeds, for how long, and the command; "" where nothing is."""
    left = absent(found)
    if not left:
        return ""
    by_seed: dict[int, int] = {}
    for run in left:
        by_seed[run.seed] = by_seed.get(run.seed, 0) + 1
    seeds = ", ".join(f"{n} of seed {seed}" for seed, n in sorted(by_seed.items()))
    seconds = estimate(left, found.plan.ledger)
    time = "" if seconds is None else f", about {math.ceil(seconds / 60)} processor-minutes"
    return (
        f"{plural(len(left), 'run')} of {len(found.plan.runs)} {'is' if len(left) == 1 else 'are'} missing "
        f"({seeds}){time}: `{command(found)} MISSING=1`. Every number says how many seeds it has."
    )


def shown(found: Results) -> Shown:
    """The note for a page; nothing where the table is whole."""
    text = note(found)
    if not text:
        return Shown("", "Every run of this table is done.")
    before, _, rest = text.partition("`")
    code, _, after = rest.partition("`")
    marked = f"{html.escape(before)}<code>{html.escape(code)}</code>{html.escape(after)}"
    return Shown(f'<p class="unfinished"><strong>Unfinished.</strong> {marked}</p>', text)
