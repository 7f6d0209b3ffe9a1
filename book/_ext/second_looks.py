"""Every contradicted claim with its two second looks."""

import functools
import html

from badges import badge
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from sslrepro.claims import Verdict
from sslrepro.report.formats import format_cell, html_table, number
from sslrepro.study import second_looks
from sslrepro.study.second_looks import Look

SCALE = "cpu"


@functools.cache
def known_looks() -> tuple[Look, ...]:
    """The second looks of the scale, from the ledger."""
    return tuple(second_looks.looks(SCALE))


def reversed_part(verdict: Verdict) -> str:
    """Of a claim of several parts, the one that is reversed most surely; "" where there is one."""
    return max(verdict.parts, key=lambda part: part.opposite).words if verdict.parts else ""


def effect(verdict: Verdict, part: str) -> str:
    """The effect with its interval, or that of a part."""
    gap = next((own.effect for own in verdict.parts if own.words == part), None) if part else verdict.gap
    if gap is None:
        return "–"
    mean, low, high = (number(value, 1, sign=True) for value in gap)
    return f"{mean} [{low}, {high}]"


def another_way(claim: str) -> str:
    """The comparison that would show a suspected fault, with what came of it, in HTML."""
    cell = second_looks.difference(claim, SCALE)
    entry = second_looks.suspicions()[claim]
    if "high" not in entry:
        return "–"
    ends = " minus ".join(_end(*entry[end]) for end in ("high", "low"))
    return f"{html.escape(ends)}: {format_cell(cell, sign=True) if cell else 'not run yet'}"


def _end(table: str, row: str, sets: dict) -> str:
    over = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sets.items())
    return f"{row}{f' ({over})' if over else ''} of {table}"


def sentence(name: str) -> str:
    """A claim's name with a capital."""
    return name[:1].upper() + name[1:]


def entry_html(look: Look) -> str:
    """One claim: both verdicts, the suspicion, what was seen."""
    verdict, claim = look.verdict, look.verdict.claim
    noted = second_looks.suspicions().get(claim, {})
    part = reversed_part(verdict)
    lines = [
        [words, badge(judged.verdict, SCALE), effect(judged, part), str(judged.n or "–")]
        for words, judged in (("as judged", verdict), ("again, other seeds", look.again))
    ]
    head = ["look", "verdict", f"effect: {html.escape(part)}" if part else "effect", "seeds"]
    saw = f"<p><b>What we saw.</b> {html.escape(noted['saw'])}</p>" if noted.get("saw") else ""
    return (
        f'<h2 id="{claim}">{html.escape(sentence(verdict.name))} '
        f'<span class="ids">(<a href="claims.html#{claim}">{claim}</a>)</span>'
        f"</h2><p>{html.escape(verdict.text)}</p>{html_table(head, lines)}"
        f"<p><b>Suspicion.</b> {html.escape(noted.get('suspicion', ''))}</p>"
        f"<p><b>Another way.</b> {another_way(claim)}.</p>{saw}"
    )


def summary(looks: tuple[Look, ...]) -> str:
    """How many came out the same again, in a sentence."""
    came = [look.again.verdict for look in looks]
    words = ", ".join(f"{came.count(word)} {word}" for word in dict.fromkeys(came))
    return f"Of {len(looks)} claims contradicted at {SCALE} scale, on other seeds: {words}."


class SecondLooks(Directive):
    """All of them."""

    def run(self) -> list[nodes.Node]:
        looks = known_looks()
        return [nodes.raw("", f"<p>{summary(looks)}</p>" + "".join(map(entry_html, looks)), format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("second-looks", SecondLooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
