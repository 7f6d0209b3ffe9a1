"""How a table's page ends: what the paper says, what we saw, why they may differ, what would change our mind.

Everything is read off the verdicts, the configurations and the transcription; no sentence is written for one table.
"""

import html
from collections import Counter

from sslrepro.claims import Verdict
from sslrepro.report.effects import Effect, effect_of
from sslrepro.report.formats import Display, plural
from sslrepro.report.scale import our_scale, paper_scale
from sslrepro.report.verdicts import finding
from sslrepro.study.results import Results


def closing_box(results: Results) -> Display:
    """A box with four answers, from the verdicts on the table's claims."""
    judged = [(verdict, effect_of(results, verdict)) for verdict in results.verdicts()]
    parts = {
        "The paper says": [verdict.text.rstrip(".") + "." for verdict, _ in judged]
        or ["Nothing that this table tests."],
        "We saw": [finding(results), *counts(results.verdicts())],
        "Why they may differ": differences(results, judged),
        "What would change our mind": [
            f"{', '.join(claims)}: {what}" for what, claims in turning_points(judged).items()
        ]
        or ["No claim rests on this table."],
    }
    shown = [f"<dt>{head}</dt><dd>{_list(lines)}</dd>" for head, lines in parts.items()]
    text = "\n".join(f"{head}. {' '.join(lines)}" for head, lines in parts.items())
    return Display(f'<div class="closing"><dl>{"".join(shown)}</dl></div>', text)


def _list(lines: list[str]) -> str:
    escaped = [html.escape(line, quote=False) for line in lines]
    return escaped[0] if len(escaped) == 1 else f"<ul>{''.join(f'<li>{line}</li>' for line in escaped)}</ul>"


def counts(verdicts: list[Verdict]) -> list[str]:
    """How many claims got which verdict, as a sentence in a list; [] without claims."""
    words = [verdict.verdict for verdict in verdicts]
    if not words:
        return []
    parts = [f"{n} {'hold' if word == 'holds' and n > 1 else word}" for word, n in Counter(words).items()]
    return [f"Of {plural(len(words), 'claim')}: {', '.join(parts)}."]


def differences(results: Results, judged: list[tuple[Verdict, Effect | None]]) -> list[str]:
    """What separates our runs from the paper's, and for which claims nothing shows that they differ at all."""
    out = [f"Scale. Paper: {paper_scale(results.definition.id)}. Ours: {our_scale(results)}."]
    seeds = {
        cell.n
        for row in results.definition.rows
        for name in results.definition.columns
        if (cell := results.at(row, name)) is not None
    }
    if seeds:
        n = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
        out.append(f"Noise. Our numbers are means over {n} {'seed' if max(seeds) == 1 else 'seeds'}.")
    same = [quoted(verdict) for verdict, effect in judged if effect and _includes(effect)]
    if same:
        out.append(f"They need not differ: our interval includes the paper's effect in {', '.join(same)}.")
    unlike = [
        quoted(verdict)
        for verdict, effect in judged
        if effect and effect.paper and effect.low is not None and effect.high < 0 < effect.paper
    ]
    if unlike:
        out.append(
            f"Our interval lies on the other side of 0 in {', '.join(unlike)}: a longer run on larger images is "
            "the first thing to try before the paper is doubted."
        )
    return out


def quoted(verdict: Verdict) -> str:
    """A claim's name in quotation marks."""
    return f"“{verdict.title}”"


def _includes(effect: Effect) -> bool:
    return effect.paper is not None and effect.low is not None and effect.low <= effect.paper <= effect.high


def turning_points(judged: list[tuple[Verdict, Effect | None]]) -> dict[str, list[str]]:
    """The result that would reverse or settle a verdict -> the names of the claims it would."""
    out: dict[str, list[str]] = {}
    for verdict, _ in judged:
        out.setdefault(turning_point(verdict), []).append(quoted(verdict))
    return out


def turning_point(verdict: Verdict) -> str:
    """The result that would reverse or settle a verdict, in a sentence."""
    if verdict.verdict == "holds":
        return "a larger scale at which the claim is contradicted, by the same rule."
    if verdict.verdict == "contradicted":
        return "a larger scale at which the claim holds, by the same rule; at this one, an error in our runs."
    if verdict.verdict == "inconclusive":
        if verdict.reason:
            return f"undecided because {verdict.reason}."
        if verdict.seeds_needed is None:
            return "not even 1,000 seeds per cell would settle it here; only another scale can."
        return (
            f"{verdict.seeds_needed:,} seeds per cell would settle it at this scale if means and variances stayed "
            "the same."
        )
    return f"a run that can test it; {verdict.verdict} here: {verdict.reason or 'no reason is recorded'}."
