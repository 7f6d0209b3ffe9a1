"""A finding on its card, and what of the table is not run yet: which runs, at what cost, by which command."""

import html
import math

from sslrepro.report.cost import command
from sslrepro.report.formats import Display, plural
from sslrepro.study.budget import estimate
from sslrepro.study.results import Results
from sslrepro.study.run import Run


def absent(results: Results) -> list[Run]:
    """The table's runs without results, in the order they would run."""
    return [run for run in results.plan.runs if run.name not in results.known]


def note(results: Results) -> str:
    """How many runs are missing, of which seeds, for how long, and the command; "" where nothing is."""
    left = absent(results)
    if not left:
        return ""
    by_seed: dict[int, int] = {}
    for run in left:
        by_seed[run.seed] = by_seed.get(run.seed, 0) + 1
    seeds = ", ".join(f"{n} of seed {seed}" for seed, n in sorted(by_seed.items()))
    seconds = estimate(left, results.plan.ledger)
    time = "" if seconds is None else f", about {math.ceil(seconds / 60)} processor-minutes"
    return (
        f"{plural(len(left), 'run')} of {len(results.plan.runs)} {'is' if len(left) == 1 else 'are'} missing "
        f"({seeds}){time}: `{command(results)} MISSING=1`. Every number says how many seeds it has."
    )


def block(results: Results) -> Display:
    """The note for a page; nothing where the table is whole."""
    text = note(results)
    if not text:
        return Display("", "Every run of this table is done.")
    before, _, rest = text.partition("`")
    code, _, after = rest.partition("`")
    marked = f"{html.escape(before)}<code>{html.escape(code)}</code>{html.escape(after)}"
    return Display(f'<p class="unfinished"><strong>Unfinished.</strong> {marked}</p>', text)


def cautious(results: Results, text: str) -> str:
    """The text, and that nothing is concluded where a scale is too small for that; without text, that nothing ran."""
    if not text:
        return "Not run yet."
    return text if results.plan.profile.judged else f"{text.strip()} Nothing is concluded at this scale."


def headline(results: Results, text: str) -> Display:
    """A finding on a card, and below it what is missing."""
    return Display(
        f'<div class="headline"><p>{html.escape(text)}</p></div>{block(results).html}',
        "\n".join([text, note(results)]).strip(),
    )
