"""What changes from one scale to the next? In words, from the numbers: verdicts, the effect, levels, mined images."""

import html
import math
from collections.abc import Iterator

from scipy.special import stdtrit

from sslrepro.claims import Cell, Verdict
from sslrepro.report.effects import difference_in_words
from sslrepro.report.formats import Display, format_cell, number
from sslrepro.report.headings import AGREEMENT, heading
from sslrepro.report.scale import scale_in_words
from sslrepro.study.every_scale import rows_run
from sslrepro.study.results import Results

DECIDED = ("holds", "contradicted")
UNTESTED = ("not judged", "not tested")
KINDS = {  # kind of change -> how a sentence about claims of this kind begins
    "confirms": "confirms",
    "reverses": "reverses",
    "opens": "opens",
    "settles": "settles",
    "keeps open": "leaves open",
    "first tests": "can test for the first time",
    "no longer tests": "cannot test",
}
ALWAYS = ("confirms", "reverses", "opens")  # said also where there is none


def steps(several: list[Results]) -> Iterator[tuple[Results, Results]]:
    """(before, after): each scale with the one it is read against.

    That is the next smaller one on the same images; else the same scale on its own images; else the next smaller.
    """
    for place, after in enumerate(several[1:], 1):
        profile, earlier = after.plan.profile, several[:place]
        same = [results for results in earlier if results.plan.profile.dataset == profile.dataset]
        twin = [results for results in earlier if results.plan.profile.base == profile.base]
        yield (same or twin or earlier)[-1], after


def kind_of(before: str, after: str) -> str:
    """What a verdict becomes of another, one of `KINDS`; "" where neither scale tests the claim."""
    if before in UNTESTED or after in UNTESTED:
        tested = (before not in UNTESTED, after not in UNTESTED)
        return {(False, True): "first tests", (True, False): "no longer tests"}.get(tested, "")
    if after in DECIDED:
        return "settles" if before not in DECIDED else "confirms" if before == after else "reverses"
    return "opens" if before in DECIDED else "keeps open"


def by_kind(before: Results, after: Results) -> dict[str, list[tuple[Verdict, Verdict]]]:
    """Kind of change -> (verdict before, after) of every claim that changes so.

    A claim that is not judged after, because its rows were not run there, says nothing and is left out.
    """
    old = {verdict.claim: verdict for verdict in before.verdicts()}
    out: dict[str, list[tuple[Verdict, Verdict]]] = {kind: [] for kind in KINDS}
    for verdict in after.verdicts():
        first = old.get(verdict.claim)
        if first is None or verdict.verdict == "not judged":
            continue
        kind = kind_of(first.verdict, verdict.verdict)
        if kind:
            out[kind].append((first, verdict))
    return out


def verdict_sentence(before: Results, after: Results) -> str:
    """Which verdicts the later scale confirms, reverses and opens."""
    kinds = by_kind(before, after)
    names = [results.plan.profile.name for results in (before, after)]
    if not any(kinds.values()):
        return f"No claim is judged at both {names[0]} and {names[1]} scale."
    parts = []
    for kind, pairs in kinds.items():
        if pairs:
            listed = "; ".join(f"{new.name or new.claim}: {verdict_change(old, new)}" for old, new in pairs)
            parts.append(f"{KINDS[kind]} {len(pairs)} ({listed})")
        elif kind in ALWAYS:
            parts.append(f"{KINDS[kind]} none")
    text = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return f"Of the verdicts of {names[0]} scale, {names[1]} scale {text}."


def verdict_change(before: Verdict, after: Verdict) -> str:
    """ "holds", or "inconclusive, then holds"."""
    return after.verdict if before.verdict == after.verdict else f"{before.verdict}, then {after.verdict}"


def change(before: Cell, after: Cell) -> tuple[float, float]:
    """(difference of two means, half its 95% interval): of independent cells with spreads of their own (Welch).

    The half width is NaN where either has one seed.
    """
    gap = after.mean - before.mean
    if before.n < 2 or after.n < 2:
        return gap, math.nan
    parts = [cell.sd**2 / cell.n for cell in (before, after)]
    if not sum(parts):
        return gap, 0.0
    freedom = sum(parts) ** 2 / sum(part**2 / (cell.n - 1) for part, cell in zip(parts, (before, after), strict=True))
    return gap, float(stdtrit(freedom, 0.975)) * math.sqrt(sum(parts))


def change_in_words(before: Cell, after: Cell, digits: int = 1) -> str:
    """ "from +2.9 ± 1.0 (n = 5) to −0.4 ± 2.2 (n = 3), a change of −3.3 ± 2.0", and whether that leaves out zero."""
    gap, half = change(before, after)
    ends = " to ".join(f"{format_cell(cell, digits, sign=True)} (n = {cell.n})" for cell in (before, after))
    text = f"from {ends}, a change of {number(gap, digits, sign=True)}"
    if math.isnan(half):
        return text
    return f"{text} ± {number(half, digits)}, {'told apart from' if abs(gap) > half else 'not told apart from'} none"


def effect_sentence(before: Results, after: Results) -> str:
    """How the table's effect changes; "" where either scale lacks it."""
    ends = before.definition.ends
    if ends is None or before.definition.ends != after.definition.ends:
        return ""
    cells = [results.difference(*ends) for results in (before, after)]
    if None in cells:
        return ""
    return f"The effect that the table is about ({difference_in_words(before, *ends)}) goes {change_in_words(*cells)}."


def level_sentence(before: Results, after: Results) -> str:
    """How the first column's mean over the rows of both scales changes; "" without such a row."""
    column = next(iter(after.definition.score_columns))
    if column not in before.definition.columns:
        return ""
    pairs = [
        (first.mean, second.mean)
        for row in rows_run(after)
        if (first := before.at(row, column)) is not None and (second := after.at(row, column)) is not None
    ]
    if not pairs:
        return ""
    low, high = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    rows = f"the {len(pairs)} rows that both have" if len(pairs) > 1 else "the one row that both have"
    name = heading(after, column)
    return f"{name[0].upper()}{name[1:]}, mean over {rows}: {number(low)}, then {number(high)}."


def mined_sentence(before: Results, after: Results) -> str:
    """How often what was mined shares the class, mean over the rows that mine at both scales; "" where none does."""
    for score, words in AGREEMENT.items():
        pairs = [
            (first.mean, second.mean)
            for row in rows_run(after)
            if (first := before.cell(row, score)) is not None and (second := after.cell(row, score)) is not None
        ]
        if pairs:
            low, high = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
            chance = [100 / results.plan.profile.classes for results in (before, after)]
            return (
                f"{words[0].upper()}{words[1:]}: {number(low)}% (chance {number(chance[0])}%), then {number(high)}% "
                f"(chance {number(chance[1])}%)."
            )
    return ""


def changes(several: list[Results]) -> Display:
    """A paragraph for every scale after the first: what it changes against the one that it is read against."""
    paragraphs = []
    for before, after in steps(several):
        first, second = before.plan.profile, after.plan.profile
        head = "Other images" if first.base == second.base else "What changes with scale"
        lead = f"{first.name} ({scale_in_words(first)}) to {second.name} ({scale_in_words(second)})."
        sentences = [f(before, after) for f in (verdict_sentence, effect_sentence, level_sentence, mined_sentence)]
        paragraphs.append((head, " ".join([lead, *filter(None, sentences)])))
    rich = "\n".join(f"<p><strong>{head}:</strong> {html.escape(text)}</p>" for head, text in paragraphs)
    return Display(rich, "\n".join(f"{head}: {text}" for head, text in paragraphs))
