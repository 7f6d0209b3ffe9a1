"""What a table's page says of the paper's claims: verdicts, effects with their intervals, the finding in a sentence."""

import html
import itertools
from collections.abc import Iterable

from sslrepro import papers
from sslrepro.claims import HOLDS, Verdict
from sslrepro.report.effects import Effect, difference_in_words, effect_from, effect_of
from sslrepro.report.formats import Display, html_table, number, text_table
from sslrepro.report.headings import (
    column_label,
    heading,
    is_numeric,
    mapped_columns,
    mapped_setting,
    plainly,
    printed_value,
    row_label,
    series,
)
from sslrepro.report.scale import claim_scale, paper_scale, scale_in_words
from sslrepro.report.unfinished import cautious
from sslrepro.study.results import Results

RULE = (  # what the probability beside a verdict means
    "A claim is judged by the statistic its sentence is about, seed by seed where cells share seeds. The probability "
    "is 1 minus the p-value of our data were the claim false: at least 0.95 holds. A claim is contradicted only where "
    "its opposite has as much."
)


def badge(verdict: str) -> str:
    """A coloured word."""
    return f'<span class="verdict {verdict.replace(" ", "-")}">{verdict}</span>'


def seeds_or_reason(verdict: Verdict) -> str:
    """What would settle an undecided claim, or why a claim was not judged; "" for a decided one."""
    if verdict.verdict == "inconclusive":
        needed = "more than 1,000 seeds" if verdict.seeds_needed is None else f"{verdict.seeds_needed:,} seeds"
        return f"{needed}; {verdict.reason}" if verdict.reason else needed
    return verdict.reason


def probability(verdict: Verdict) -> str:
    """Three digits; never rounded to certainty."""
    if verdict.probability is None:
        return "–"
    if verdict.probability < 0.001:
        return "< 0.001"
    return "> 0.999" if verdict.probability > 0.999 else f"{verdict.probability:.3f}"


def lenses(verdict: Verdict, effect: Effect | None) -> list[str]:
    """How our effect lies to the paper's and to zero, in words: as the verdict has it, else from the effect."""
    own = verdict.lenses
    if own is None:
        return effect.lenses if effect else []
    words = []
    if own.same_direction is not None:
        words.append("same direction as the paper" if own.same_direction else "opposite direction to the paper")
    if own.paper_inside is not None:
        words.append(f"the interval {'includes' if own.paper_inside else 'excludes'} the paper's effect")
    return [*words, f"it {'includes' if own.zero_inside else 'excludes'} 0"]


def verdicts(results: Results) -> Display:
    """Each claim with its verdict and scale, its effect beside the paper's, and the seeds it would take."""
    head = [
        "claim",
        "what the paper says",
        "verdict",
        "probability",
        "our effect [95%]",
        "paper's effect",
        "seeds to settle it, or why not tested or judged",
    ]
    plain, rich, effects = [], [], []
    for verdict in results.verdicts():
        effect = effect_of(results, verdict)
        effects.append((verdict, effect))
        paper = "–"
        if verdict.paper_gap is not None:
            paper = f"{number(verdict.paper_gap, 1, sign=True)} {verdict.gap_unit}".strip()
        beside = lenses(verdict, effect)
        line = [
            verdict.claim,
            verdict.text,
            verdict.verdict,
            probability(verdict),
            effect.size if effect else "–",
            paper,
            seeds_or_reason(verdict),
        ]
        cells = [html.escape(cell) for cell in line]
        if verdict.name:
            line[0] += f" ({verdict.name})"
            cells[0] = html.escape(verdict.name)
        if verdict.judged_as:
            line[1] += f" (judged as: {verdict.judged_as})"
        if verdict.name:
            cells[1] += fold(verdict)
        cells[2] = badge(verdict.verdict) + scale_line(results, verdict)
        if effect and effect.what:
            line[4] = f"{effect.what}: {line[4]}"
            cells[4] = f'<span class="operands">{html.escape(effect.what)}:</span> {cells[4]}'
        if beside:
            line[4] += f" ({'; '.join(beside)})"
            cells[4] += f'<br><span class="lenses">{html.escape("; ".join(beside))}</span>'
        plain.append(line)
        rich.append(cells)
    note = verdict_note(results, effects)
    return Display(
        html_table(head, rich, "verdicts") + f'\n<p class="caption">{note}</p>',
        text_table([head, *plain]) + "\n" + note,
    )


def fold(verdict: Verdict) -> str:
    """A claim's id and the expression that is judged, in HTML that opens with a click."""
    lines = [f'<code class="claim-id">{html.escape(verdict.claim)}</code>']
    if verdict.judged_as:
        lines.append(f"judged as: <code>{html.escape(verdict.judged_as)}</code>")
    return f'<details class="judged-as"><summary>id and expression</summary>{"<br>".join(lines)}</details>'


def scale_line(results: Results, verdict: Verdict) -> str:
    """The runs that a verdict rests on, and the paper's, in HTML below its badge."""
    ours = claim_scale(results, papers.claims()[verdict.claim])
    theirs = paper_scale(results.definition.id)
    return f'<br><span class="scale-line">ours: {html.escape(str(ours))}<br>paper: {html.escape(str(theirs))}</span>'


def verdict_note(results: Results, effects: list[tuple[Verdict, Effect | None]]) -> str:
    """What stands below the verdicts: to what they apply, how they are reached, and what these seeds cannot tell."""
    profile = results.plan.profile
    return (
        f"Verdicts apply at {profile.name} scale only ({scale_in_words(profile)}). {RULE} The paper's effect is shown "
        "beside ours and not judged, since the scales differ. Effects are paired over seeds, here as in the finding "
        "above." + steps(results) + open_effects(effects) + narrow_tolerances(results.verdicts())
    )


def steps(results: Results) -> str:
    """For a table that claims an order: how many steps between neighbouring cells of that order go up, in the means."""
    definition = results.definition
    kinds = {(claim.get("check") or {}).get("kind") for claim in papers.claims_on(definition.id)}
    if "monotone" not in kinds:
        return ""
    orders: dict[str, list[float]] = {}
    if is_numeric(definition):
        for column in definition.score_columns:
            cells = [results.at(row, column) for row in definition.rows]
            orders[heading(results, column)] = [cell.mean for cell in cells if cell is not None]
    elif series(definition):
        for row in definition.rows:
            cells = [results.at(row, column) for column in series(definition)]
            orders[row_label(definition, row)] = [cell.mean for cell in cells if cell is not None]
    parts = []
    for name, means in orders.items():
        if len(means) < 3:
            continue
        gaps = [after - before for before, after in itertools.pairwise(means)]
        rising = sum(gap > 0 for gap in gaps)
        parts.append(f"{rising} of {len(gaps)} steps of {name} rise (smallest step {number(min(gaps), 1, True)})")
    return f" Step by step, in the means: {'; '.join(parts)}." if parts else ""


def open_effects(effects: Iterable[tuple[Verdict, Effect | None]]) -> str:
    """Says of every effect whose interval holds both nothing and the paper's size that these seeds tell neither."""
    text = []
    for verdict, effect in effects:
        if effect is not None and effect.is_undecided:
            text.append(
                f" “{verdict.title}”: the interval of our effect includes both 0 and the paper's "
                f"{number(effect.paper, 1, sign=True)}, so at this scale these seeds cannot tell the paper's effect "
                f"from none."
            )
    return "".join(text)


def narrow_tolerances(verdicts: Iterable[Verdict]) -> str:
    """Says of every claim of no difference that these seeds could not confirm it, even were its cells equal."""
    text = []
    for verdict in verdicts:
        if_equal = getattr(verdict, "if_equal", None)
        if if_equal is not None and if_equal < HOLDS:
            text.append(
                f" “{verdict.title}”: if all its cells were equal, with spreads as they are, the probability would be "
                f"{if_equal:.3f}, so with these seeds it cannot hold, whatever is true."
            )
    return "".join(text)


def finding(results: Results) -> str:
    """The table's effect in one sentence: ours, paired over seeds, with its 95% interval, and the paper's."""
    definition = results.definition
    if definition.ends is None:
        rows = [row for row in definition.rows if results.of(row)]
        return f"{len(rows)} of {len(papers.table(definition.id)['rows'])} rows were run." if rows else "Not run yet."
    high, low = definition.ends
    change, gap = between(results, high, low), results.difference(high, low)
    if gap is None:
        return f"Not run yet: {change[0].lower()}{change[1:]}."
    effect = effect_from(gap, "")
    size = number(effect.mean, 1, sign=True)
    if effect.low is not None and effect.high is not None:
        size += f" [{number(effect.low, 1, True)}, {number(effect.high, 1, True)}]"
    if definition.column(high[1]).is_derived or definition.column(high[1]).factor == 100:
        size += " points"
    theirs = [printed_value(definition, *end) for end in (high, low)]
    paper = "no such pair" if None in theirs else number(theirs[0] - theirs[1], 1, sign=True)
    return cautious(results, f"{change} {size} at {results.plan.profile.name} scale; the paper prints {paper}.")


def between(results: Results, high: tuple[str, str], low: tuple[str, str]) -> str:
    """What an effect compares, as the start of a sentence that goes on with its size."""
    definition = results.definition
    became = mapped_columns(results)
    if is_numeric(definition) and high[1] == low[1] and high[0] in definition.rows and low[0] in definition.rows:
        first, last = (plainly(printed_value(definition, row, definition.varied)) for row, _ in (low, high))
        label = column_label(definition, definition.varied).lower()
        ends = [mapped_setting(results, row) for row, _ in (low, high)]
        ours = f"ours {ends[0]} to {ends[1]}" if ends[0] != ends[1] else f"here {ends[0]}"
        what = heading(results, high[1]).replace(",", "")
        return f"Going from {label} {first} to {last} ({ours}) changes {what} by"
    text = difference_in_words(results, high, low)
    names = [name for name in dict.fromkeys((high[1], low[1])) if name in became]
    mapped = [
        became[name] if high[1] == low[1] else f"{column_label(definition, name)}: {became[name]}" for name in names
    ]
    joined = f"here {'; '.join(mapped)}"
    return f"{text}{f' ({joined})' if mapped else ''}:"


def headline(results: Results) -> Display:
    """Verdict badges and the finding."""
    judged = results.verdicts()
    badges = " ".join(f'{badge(v.verdict)} <span class="claim">{html.escape(v.title)}</span>' for v in judged)
    text = finding(results)
    return Display(
        f'<div class="headline">{badges}<p>{html.escape(text)}</p></div>',
        "; ".join(f"{v.title}: {v.verdict}" for v in judged) + "\n" + text,
    )
