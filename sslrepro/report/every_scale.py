"""A table at every scale that was run, side by side: scales, numbers, verdicts, and what changes between them."""

import html
import math
from dataclasses import astuple, dataclass

from sslrepro.claims import Cell, Verdict
from sslrepro.report.caption import lines_in_order
from sslrepro.report.effects import effect_of
from sslrepro.report.formats import Display, format_cell, html_table, plural, text_table
from sslrepro.report.headings import (
    CONTROLS,
    column_label,
    format_printed,
    mapped_setting,
    row_heading,
    row_label,
    transcribed_columns,
)
from sslrepro.report.scale import our_scale, paper_scale
from sslrepro.report.scale_changes import changes
from sslrepro.report.verdicts import badge, probability
from sslrepro.study.every_scale import AIMS, aim, at_every_scale, cost_in_words, rows_run
from sslrepro.study.results import Results

NO_RUN = "no run yet"


@dataclass(frozen=True)
class EveryScale:
    """A table's results at every scale that was run, small to large, and its plans where nothing was.

    aims   scale -> (its results, empty; what it would cost)
    """

    table: str
    several: list[Results]
    aims: dict[str, tuple[Results, str]]


def of_table(table: str) -> EveryScale:
    """From the ledger."""
    several = at_every_scale(table)
    run = {results.plan.profile.name for results in several}
    planned = {scale: plan for scale in AIMS if scale not in run and (plan := aim(table, scale)) is not None}
    return EveryScale(table, several, {s: (Results(plan, {}), cost_in_words(plan)) for s, plan in planned.items()})


def name_of(results: Results) -> str:
    """The scale's name."""
    return results.plan.profile.name


def compared(several: list[Results]) -> list[Results]:
    """The scales worth a column: a single row, which another table's runs brought, compares nothing."""
    return [results for results in several if len(rows_run(results)) > 1 or len(results.definition.ours) == 1]


def block(shown: EveryScale) -> Display:
    """The whole block; a line where fewer than two scales hold rows that can be compared."""
    beside = compared(shown.several)
    if len(beside) < 2:
        return single(shown)
    parts = [strip(shown), numbers(beside), verdicts(beside), changes(beside)]
    return Display("\n".join(part.html for part in parts), "\n\n".join(part.text for part in parts))


def single(shown: EveryScale) -> Display:
    """One scale, or none, and what the others would cost, in a line."""
    beside = compared(shown.several)
    if beside:
        text = f"So far this table was run at {name_of(beside[0])} scale alone ({state(beside[0])})."
    else:
        text = "This table was run at no scale yet."
    for results in shown.several:
        if results not in beside:
            text += f" Of another table's runs {name_of(results)} scale has {state(results)}."
    for scale, (_, cost) in shown.aims.items():
        text += f" At {scale} scale: {NO_RUN} ({cost})."
    return Display(f'<p class="caption">{html.escape(text)}</p>', text)


def state(results: Results) -> str:
    """How much of a table a scale holds: "3 of 10 rows, n = 3"."""
    definition = results.definition
    rows, counts = rows_run(results), seeds(results)
    planned = [row for row in definition.ours if results.plan.of(row)]
    n = span_of(counts)
    return f"{len(rows)} of {plural(len(planned), 'row')}, n = {n}"


def seeds(results: Results) -> set[int]:
    """The numbers of seeds that cells of rows have."""
    definition = results.definition
    return {
        len(values)
        for row in rows_run(results)
        for column in definition.columns
        if (values := results.values_by_seed(row, column))
    }


def span_of(counts: set[int]) -> str:
    """3, or 2–3."""
    return "–".join(str(n) for n in sorted({min(counts), max(counts)})) if counts else "0"


def strip(shown: EveryScale) -> Display:
    """What each scale is, how much of the table it holds, and what those without a run would cost."""
    head = ["", "data", "encoder", "epochs", "batch", "runs"]
    lines = [["paper", *astuple(paper_scale(shown.table)), "as printed"]]
    for scale in reversed(AIMS):  # the largest first, down to the smallest
        if scale in shown.aims:
            results, cost = shown.aims[scale]
            lines.append([f"{scale} scale", *astuple(our_scale(results)), f"{NO_RUN}: {cost}"])
    for results in reversed(shown.several):
        lines.append([f"{name_of(results)} scale", *astuple(our_scale(results)), state(results)])
    escaped = [[f"<b>{html.escape(line[0])}</b>", *map(html.escape, line[1:])] for line in lines]
    return Display(html_table(head, escaped, "scales"), text_table([head, *lines]))


def numbers(several: list[Results]) -> Display:
    """Rows by scales: the paper's number, then ours with half its interval; the number of seeds above, or in cells."""
    definition = several[0].definition
    columns = [name for name in definition.columns if any(name in results.definition.columns for results in several)]
    counts = {name_of(results): seeds(results) for results in several}
    head = [row_heading(definition), *(["column"] if len(columns) > 1 else []), "paper"]
    head += [f"{scale}, n = {span_of(n)}" for scale, n in counts.items()]
    body = []
    for kind, row in lines_in_order(several[0]):
        for column in columns:
            line = [row_label(definition, row), *([column_label(definition, column)] if len(columns) > 1 else [])]
            printed = kind != "variant" and column in transcribed_columns(definition)
            line.append(format_printed(definition, row, column) if printed else "")
            line += [cell_in(results, row, column, several) for results in several]
            if any(cell not in ("", "–") for cell in line[-len(several) :]):
                body.append(line)
    foot = []
    for control in definition.controls:
        for column in columns:
            line = [CONTROLS.get(control, control), *([column_label(definition, column)] if len(columns) > 1 else [])]
            line += ["", *(cell_in(results, control, column, several, control=True) for results in several)]
            if any(cell not in ("", "–") for cell in line[-len(several) :]):
                foot.append(line)
    what = f"{column_label(definition, columns[0])}: mean" if len(columns) == 1 else "Mean"
    note = (
        f"{what} ± half the 95% interval over n seeds, in the table's units; in brackets what the row became at that "
        "scale, where scales differ in it. Rows without a run at any scale are left out."
    )
    rich = [[html.escape(cell) for cell in line] for line in body]
    rich_foot = [[html.escape(cell) for cell in line] for line in foot]
    return Display(
        html_table([html.escape(cell) for cell in head], rich, "results every-scale", rich_foot)
        + f'\n<p class="caption">{html.escape(note)}</p>',
        text_table([head, *body, *foot]) + "\n" + note,
    )


def cell_in(results: Results, row: str, column: str, several: list[Results], control: bool = False) -> str:
    """A cell at one scale, with its n where cells differ in it, and its setting where scales do."""
    if column not in results.definition.columns:
        return ""
    about = results.definition.column(column)
    cell: Cell | None = results.at(row, column, control)
    text = format_cell(cell, about.digits, about.is_derived)
    if cell is None:
        return text
    notes = [f"n = {cell.n}"] if len(seeds(results)) > 1 else []
    if not control:
        settings = [mapped_setting(other, row) for other in several if other.of(row)]
        notes += [mapped_setting(results, row)] if len(set(settings)) > 1 else []
    return f"{text} ({'; '.join(notes)})" if notes else text


def verdicts(several: list[Results]) -> Display:
    """Each claim with its verdict, effect and probability at every scale; claims that no scale judges are left out."""
    by_scale = {name_of(results): {v.claim: (results, v) for v in results.verdicts()} for results in several}
    claims: dict[str, Verdict] = {}
    for at in by_scale.values():
        for claim, (_, verdict) in at.items():
            if verdict.verdict != "not judged" or claim in claims:
                claims[claim] = verdict
    if not claims:
        text = "No claim is judged at any of these scales."
        return Display(f'<p class="caption">{text}</p>', text)
    head = ["claim", "paper's effect", *by_scale]
    plain, rich = [], []
    for claim, any_verdict in claims.items():
        paper = "–"
        if any_verdict.paper_gap is not None:
            paper = f"{any_verdict.paper_gap:+.1f} {any_verdict.gap_unit}".strip().replace("-", "−")
        name = any_verdict.name or claim
        plain_line, rich_line = [name, paper], [html.escape(name), html.escape(paper)]
        for scale, at in by_scale.items():
            results, verdict = at.get(claim, (None, None))
            words, small = ("not judged", "") if verdict is None else (verdict.verdict, about(results, verdict))
            plain_line.append(f"{words}{f' ({small})' if small else ''}")
            rich_line.append(
                badge_at(words, scale) + (f'<br><span class="scale-line">{html.escape(small)}</span>' if small else "")
            )
        plain.append(plain_line)
        rich.append(rich_line)
    return Display(html_table(head, rich, "verdicts every-scale"), text_table([head, *plain]))


def badge_at(verdict: str, scale: str) -> str:
    """A coloured word that says its scale, which on a page of one scale all others have from that page."""
    return badge(verdict).replace("</span>", f'<span class="scale"> · {html.escape(scale)}</span></span>')


def about(results: Results, verdict: Verdict) -> str:
    """A verdict's effect and probability in a few words; of a claim that was not judged or tested, why."""
    if verdict.verdict in ("not judged", "not tested"):
        return "" if verdict.verdict == "not judged" else verdict.reason
    effect = effect_of(results, verdict)
    size = "" if effect is None or math.isnan(effect.mean) else f"{effect.size}, "
    return f"{size}probability {probability(verdict)}, n = {verdict.n}"
