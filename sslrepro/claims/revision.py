"""What changed from the first rule (docs/adr/0004) to the second (docs/adr/0008), claim by claim, with the reason.

The first rule's verdicts are a committed file, made with its own code before that code was replaced.
"""

import functools
import html
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from sslrepro import papers
from sslrepro.claims.error_rates import Expected, expected_wrong
from sslrepro.claims.verdict import VERDICTS, Verdict

Judged = tuple[str, str, Verdict]  # (scale, table, verdict)
UNTESTED = ("not tested", "not judged")


@functools.cache
def first_rule() -> dict[tuple[str, str, str], dict[str, Any]]:
    """(scale, table, claim) -> the first rule's verdict: verdict, probability, gap, seeds_needed, reason, judged_as."""
    text = resources.files("sslrepro.claims").joinpath("first_rule.json").read_text("utf-8")
    return {(line["scale"], line["table"], line["claim"]): line for line in json.loads(text)["verdicts"]}


def on_the_first_runs() -> list["Change"]:
    """Both rules on the same runs: the committed comparison over the ledger that the first rule's file was made from.

    Runs made since may have other settings; what the second rule says of them is `changes`.
    """
    text = resources.files("sslrepro.claims").joinpath("revision.json").read_text("utf-8")
    return [Change(**line) for line in json.loads(text)["changes"]]


@dataclass(frozen=True)
class Change:
    """One claim at one scale: both rules' verdicts, and why the second says what it says."""

    scale: str
    table: str
    claim: str
    name: str
    first: str
    second: str
    why: str

    @property
    def is_changed(self) -> bool:
        """Whether the word is another."""
        return self.first != self.second


def changes(judged: Iterable[Judged]) -> list[Change]:
    """A line per scale and claim that the first rule knew, in the papers' order; of several tables one that judges."""
    best: dict[tuple[str, str], Change] = {}
    for scale, table, verdict in judged:
        before = first_rule().get((scale, table, verdict.claim))
        if before is None:
            continue
        line = Change(
            scale,
            table,
            verdict.claim,
            verdict.name,
            before["verdict"],
            verdict.verdict,
            why(before["verdict"], verdict),
        )
        best_line = best.get((scale, verdict.claim))
        if best_line is None or (best_line.first, best_line.second) == ("not judged", "not judged"):
            best[(scale, verdict.claim)] = line
    order = {claim: place for place, claim in enumerate(papers.claims())}
    return sorted(best.values(), key=lambda line: (line.scale, order[line.claim]))


def why(first: str, verdict: Verdict) -> str:
    """Why the second rule says what it says, in a sentence."""
    if verdict.reason:
        return verdict.reason
    effect = "" if verdict.gap is None else f"{verdict.gap[0]:+.1f} [{verdict.gap[1]:+.1f}, {verdict.gap[2]:+.1f}]"
    shown = f"; effect {effect}" if effect else ""
    if verdict.verdict == "contradicted":
        if verdict.parts:  # of several, the one that is reversed most surely
            part = max(verdict.parts, key=lambda contrast: contrast.opposite)
            mean, low, high = part.effect
            shown = f"; reversed: {part.words}, {mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        return f"the opposite has {level(verdict.opposite)}{shown}"
    if verdict.verdict == "holds":
        paired = "" if first == "holds" else "judged by its statistic, seed by seed, "
        return f"{paired}the claim has {level(verdict.probability)}{shown}"
    if first == "contradicted":
        return f"{FAULTS.get(verdict.kind, FAULTS['order'])}{shown}"
    return f"neither side has 95%{shown}"


FAULTS = {
    "trend": "every step had to go one way; the slope over all rows does not tell",
    "best": "the claim had to pass every rival at once; no rival is better with 95%",
    "equivalence": "noise wider than the tolerance was taken for a difference",
    "conjunction": "its parts were improbable together; none is reversed with 95%",
    "count": "its parts were improbable together; not enough are reversed with 95%",
    "order": "a low probability was taken for the opposite, which does not have 95%",
}


def level(probability: float | None) -> str:
    """A probability in percent, never rounded to certainty."""
    if probability is None:
        return "no probability"
    return "more than 99.9%" if probability > 0.999 else f"{100 * probability:.1f}%"


def board(lines: Iterable[Change], rule: str = "second") -> dict[str, dict[str, int]]:
    """Paper -> verdict -> number of its claims, all of them: a claim without a line is not judged."""
    verdicts = {line.claim: getattr(line, rule) for line in lines}
    counts: dict[str, Counter[str]] = {key: Counter() for key in papers.PAPERS}
    for claim, record in papers.claims().items():
        counts[record["paper"]][verdicts.get(claim, "not judged")] += 1
    return {key: {name: own[name] for name in VERDICTS} for key, own in counts.items()}


def expected_errors(judged: Iterable[Judged]) -> Expected:
    """How many wrong verdicts to expect, at most, among the claims that have been judged; each claim once."""
    once = {verdict.claim: verdict for _, _, verdict in judged if verdict.verdict not in UNTESTED}
    asked = [(verdict.kind, verdict.n) for verdict in once.values()]
    return expected_wrong(asked, sum(verdict.verdict in ("holds", "contradicted") for verdict in once.values()))


# --- as a page ---------------------------------------------------------------------------------------------------

HEAD = ("claim", "scale", "first rule", "second rule", "why")


def markdown(lines: Iterable[Change], changed_only: bool = False) -> str:
    """The table of changes; claims that neither rule judged are left out."""
    out = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for line in lines_to_show(lines, changed_only):
        out.append(f"| {line.claim} {line.name} | {line.scale} | {line.first} | {line.second} | {line.why} |")
    return "\n".join(out) + "\n"


def html_rows(lines: Iterable[Change], changed_only: bool = False) -> list[list[str]]:
    """The same as cells of HTML, badges included."""

    def badge(word: str) -> str:
        return f'<span class="verdict {word.replace(" ", "-")}">{word}</span>'

    return [
        [
            f'<a href="claims.html#{line.claim}">{line.claim}</a> {html.escape(line.name)}',
            line.scale,
            badge(line.first),
            badge(line.second),
            html.escape(line.why),
        ]
        for line in lines_to_show(lines, changed_only)
    ]


def lines_to_show(lines: Iterable[Change], changed_only: bool) -> list[Change]:
    """The lines that a page shows."""
    lines = [line for line in lines if {line.first, line.second} != {"not judged"}]
    return [line for line in lines if line.is_changed] if changed_only else lines


def counts_markdown(lines: Iterable[Change]) -> str:
    """Both boards, paper by paper: first rule -> second rule."""
    lines = list(lines)
    before, after = board(lines, "first"), board(lines, "second")
    out = [f"| paper | {' | '.join(VERDICTS)} |", "|---" * (len(VERDICTS) + 1) + "|"]
    for key in papers.PAPERS:
        cells = [f"{before[key][name]} → {after[key][name]}" for name in VERDICTS]
        out.append(f"| {papers.paper(key)['paper']['short']} | {' | '.join(cells)} |")
    total = [
        f"{sum(before[key][name] for key in before)} → {sum(after[key][name] for key in after)}" for name in VERDICTS
    ]
    out.append(f"| all | {' | '.join(total)} |")
    return "\n".join(out) + "\n"
