"""What a table's page says of the paper's claims: verdicts, effects with their intervals, the finding in a sentence."""

import html
import itertools

from sslrepro import papers
from sslrepro.claims import HOLDS, Verdict
from sslrepro.report.formats import Shown, html_table, number, text_table
from sslrepro.report.headings import (
    column_label,
    heading,
    is_numeric,
    mapped_columns,
    mapped_setting,
    plainly,
    printed,
    row_label,
    series,
)
from sslrepro.study.results import Results


def badge(verdict: str) -> str:
    """A coloured word."""
    return f'<span class="verdict {verdict.replace(" ", "-")}">{verdict}</span>'


def _interval(gap: tuple[float, float, float] | None, unit: str) -> str:
    if gap is None:
        return "–"
    return f"{number(gap[0], 2, sign=True)} [{number(gap[1], 2, sign=True)}, {number(gap[2], 2, sign=True)}] {unit}"


def _needed(verdict: Verdict) -> str:
    if verdict.verdict == "inconclusive":
        needed = "more than 1,000" if verdict.seeds_needed is None else str(verdict.seeds_needed)
        return verdict.reason or needed
    return verdict.reason


def probability(verdict: Verdict) -> str:
    """Three digits; never rounded to certainty."""
    if verdict.probability is None:
        return "–"
    if verdict.probability < 0.001:
        return "< 0.001"
    return "> 0.999" if verdict.probability > 0.999 else f"{verdict.probability:.3f}"


def verdicts(found: Results) -> Shown:
    """Each claim with its verdict, probability, effect beside the paper's, and the seeds it would take."""
    head = ["claim", "what the paper says", "verdict", "probability", "our effect [95%]", "paper's effect",
            "seeds it would take, or why not tested or judged"]  # fmt: skip
    plain, rich = [], []
    for verdict in found.verdicts():
        paper_gap = (
            "–" if verdict.paper_gap is None else f"{number(verdict.paper_gap, 1, sign=True)} {verdict.gap_unit}"
        )
        line = [verdict.claim, verdict.text, verdict.verdict, probability(verdict),
                _interval(verdict.gap, verdict.gap_unit), paper_gap, _needed(verdict)]  # fmt: skip
        cells = [html.escape(cell) for cell in line]
        if verdict.judged_as:
            line[1] += f" (judged as: {verdict.judged_as})"
            cells[1] += f'<br><span class="judged-as">judged as: <code>{html.escape(verdict.judged_as)}</code></span>'
        plain.append(line)
        cells[2] = badge(verdict.verdict)
        rich.append(cells)
    scale = f"at {found.plan.profile.name} scale"
    note = (
        f"Verdicts hold {scale}. A claim is judged by the statistic its sentence is about, seed by seed where cells "
        "share seeds. The probability is 1 minus the p-value of our data were the claim false: at least 0.95 holds. A "
        "claim is contradicted only where its opposite has as much. The paper's effect is shown beside ours, not "
        "judged: the scales differ."
    )
    note += steps(found) + undecided(found) + too_narrow(found)
    return Shown(
        html_table(head, rich, "verdicts") + f'\n<p class="caption">{note}</p>',
        text_table([head, *plain]) + "\n" + note,
    )


def steps(found: Results) -> str:
    """For a table that claims an order: how many steps between neighbouring cells of that order go up, in the means."""
    definition = found.definition
    kinds = {(claim.get("check") or {}).get("kind") for claim in papers.claims_on(definition.id)}
    if "monotone" not in kinds:
        return ""
    orders: dict[str, list[float]] = {}
    if is_numeric(definition):
        for column in definition.measured:
            cells = [found.at(row, column) for row in definition.rows]
            orders[heading(definition, column)] = [cell.mean for cell in cells if cell is not None]
    elif series(definition):
        for row in definition.rows:
            cells = [found.at(row, column) for column in series(definition)]
            orders[row_label(definition, row)] = [cell.mean for cell in cells if cell is not None]
    parts = []
    for name, means in orders.items():
        if len(means) < 3:
            continue
        gaps = [after - before for before, after in itertools.pairwise(means)]
        rising = sum(gap > 0 for gap in gaps)
        parts.append(f"{rising} of {len(gaps)} steps of {name} rise (least step {number(min(gaps), 1, True)})")
    return f" Step by step, in the means: {'; '.join(parts)}." if parts else ""


def undecided(found: Results) -> str:
    """Says of every effect whose interval holds both nothing and the paper's size that these seeds tell neither."""
    said = []
    for verdict in found.verdicts():
        if verdict.gap is None or verdict.paper_gap is None:
            continue
        _, low, high = verdict.gap
        if low <= 0 <= high and low <= verdict.paper_gap <= high:
            paper_gap = number(verdict.paper_gap, 1, sign=True)
            said.append(
                f" {verdict.claim}: the interval of our effect holds both 0 and the paper's {paper_gap}, so at this "
                f"scale these seeds cannot tell the paper's effect from none."
            )
    return "".join(said)


def too_narrow(found: Results) -> str:
    """Says of every claim of no difference that these seeds could not confirm it, even were its cells equal."""
    said = []
    for verdict in found.verdicts():
        if verdict.if_equal is not None and verdict.if_equal < HOLDS:
            said.append(
                f" {verdict.claim}: were its cells equal, with spreads as they are, the probability would be "
                f"{verdict.if_equal:.3f}, so with these seeds it cannot hold, whatever is true."
            )
    return "".join(said)


def finding(found: Results) -> str:
    """The table's effect in one sentence: ours, paired over seeds, with its 95% interval, and the paper's."""
    definition = found.definition
    if definition.ends is None:
        rows = [row for row in definition.rows if found.of(row)]
        return f"{len(rows)} of {len(papers.table(definition.id)['rows'])} rows were run." if rows else "Not run yet."
    high, low = definition.ends
    change, gap = between(found, high, low), found.difference(high, low)
    if gap is None:
        return f"Not run yet: {change[0].lower()}{change[1:]}."
    size = number(gap.mean, 1, sign=True)
    if gap.n > 1:
        size += f" [{number(gap.mean - gap.half_width, 1, True)}, {number(gap.mean + gap.half_width, 1, True)}]"
    if definition.column(high[1]).derived or definition.column(high[1]).factor == 100:
        size += " points"
    theirs = [printed(definition, *end) for end in (high, low)]
    said = "the paper prints " + ("no such pair" if None in theirs else number(theirs[0] - theirs[1], 1, sign=True))
    tail = "" if found.plan.profile.judged else " Nothing is concluded at this scale."
    return f"{change} {size} at {found.plan.profile.name} scale; {said}.{tail}"


def between(found: Results, high: tuple[str, str], low: tuple[str, str]) -> str:
    """What an effect compares, as the start of a sentence that goes on with its size."""
    definition = found.definition
    became = mapped_columns(found)

    def column(name: str) -> str:
        return column_label(definition, name) + (f" (ours {became[name]})" if name in became else "")

    rows = [row_label(definition, row) for row, _ in (high, low)]
    if is_numeric(definition) and high[1] == low[1] and high[0] in definition.rows and low[0] in definition.rows:
        first, last = (plainly(printed(definition, row, definition.varied)) for row, _ in (low, high))
        label = column_label(definition, definition.varied).lower()
        ours = f"ours {mapped_setting(found, low[0])} to {mapped_setting(found, high[0])}"
        return (
            f"Going from {label} {first} to {last} ({ours}) changes {heading(definition, high[1]).replace(',', '')} by"
        )
    if high[1] == low[1]:
        return f"{rows[0]} minus {rows[1]}, {column(high[1])}:"
    if high[0] == low[0]:
        return f"{rows[0]}, {column(high[1])} minus {column(low[1])}:"
    return f"{rows[0]}, {column(high[1])}, minus {rows[1]}, {column(low[1])}:"


def headline(found: Results) -> Shown:
    """Verdict badges and the finding."""
    made = found.verdicts()
    badges = " ".join(f'{badge(v.verdict)} <span class="claim">{v.claim}</span>' for v in made)
    text = finding(found)
    return Shown(f'<div class="headline">{badges}<p>{html.escape(text)}</p></div>',
                 "; ".join(f"{v.claim}: {v.verdict}" for v in made) + "\n" + text)  # fmt: skip
