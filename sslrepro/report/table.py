"""The table of a page: the paper's numbers beside ours, with the same-budget controls in the footer."""

import html

from sslrepro.report.caption import caption, lines_in_order
from sslrepro.report.formats import MINUS, Display, as_latex, as_markdown, format_cell, html_table, text_table
from sslrepro.report.headings import (
    CONTROLS,
    SCORE_NAMES,
    column_label,
    format_printed,
    heading,
    mapped_setting,
    row_heading,
    row_label,
    score_heading,
    score_name,
    transcribed_columns,
)
from sslrepro.study.results import Results


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer (controls) of the table paper | ours, as plain text."""
    definition = results.definition
    theirs = transcribed_columns(definition)
    head = [row_heading(definition), "ours runs"]
    for column in definition.columns:
        head += [f"paper {column_label(definition, column)}"] if column in theirs else []
        head += [f"ours {our_heading(results, column)}"]
    head += [f"ours {score_heading(results, score)}" for score in definition.also] + ["n"]

    def line(name: str, kind: str) -> list[str]:
        control = kind == "control"
        cells = [CONTROLS.get(name, name) if control else row_label(definition, name)]
        cells.append("" if control else mapped_setting(results, name))
        for column in definition.columns:
            if column in theirs:
                cells.append("" if kind in ("control", "variant") else format_printed(definition, name, column))
            full = definition.column(column)
            value = format_cell(results.at(name, column, control), full.digits, full.is_derived)
            cells.append("" if kind == "quoted" else value)
        for score in definition.also:
            cell = results.cell(name, score) if not control else results.control_cell(name, score)
            cells.append("" if kind == "quoted" else format_cell(cell))
        return [*cells, "" if kind == "quoted" else n_seeds(results, name, control)]

    body = [line(name, kind) for kind, name in lines_in_order(results)]
    return head, body, [line(name, "control") for name in definition.controls]


def our_heading(results: Results, column: str) -> str:
    """What stands over our numbers of a column in the table: as `heading`, a linear probe with its solver."""
    score = results.definition.column(column).score
    plain = heading(results, column)
    named = score in SCORE_NAMES and plain.startswith(score_name(score).partition(",")[0])
    return score_heading(results, score) if named else plain


def n_seeds(results: Results, name: str, control: bool = False) -> str:
    """How many seeds the cells of a line have: 3, or 2-3 where they differ."""
    counts = {len(results.values_by_seed(name, column, control)) for column in results.definition.score_columns}
    counts = counts - {0} or {0}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"


def table(results: Results) -> Display:
    """The table, paper | ours, with the same-budget controls in the footer and the best row of each column marked."""
    head, body, foot = rows_of(results)
    kinds = [kind for kind, _ in lines_in_order(results)]
    lines = [[html.escape(cell) for cell in line] for line in body]
    for place, best in enumerate(directions(results), 2):
        mark_best(lines, body, kinds, place, best)
    plain_foot = [[html.escape(cell) for cell in line] for line in foot]
    scale = results.plan.profile.name
    note = html.escape(caption(results), quote=False).replace(f"`{scale}`", f"<code>{scale}</code>")
    classes = ["" if kind == "row" else kind for kind in kinds]
    return Display(
        html_table([_two_lines(cell) for cell in head], lines, "results", plain_foot, classes)
        + f'\n<p class="caption">{note}</p>',
        text_table([head, *body, *foot]) + "\n" + caption(results),
    )


def directions(results: Results) -> list[str]:
    """Which value is best, "high", "low" or "", for every column of numbers as it stands in the table."""
    definition, out = results.definition, []
    for name in definition.columns:
        best = definition.column(name).best
        out += [best, best] if name in transcribed_columns(definition) else [best]
    return out + ["high"] * len(definition.also)


def mark_best(lines: list[list[str]], body: list[list[str]], kinds: list[str], place: int, best: str) -> None:
    """Set the best of a column in bold, among the paper's rows, where there are at least two values."""
    values = {}
    for number_of, (line, kind) in enumerate(zip(body, kinds, strict=True)):
        text = line[place].split(" ")[0].replace(MINUS, "-").replace(",", "")
        if kind != "variant" and text not in ("", "–"):
            values[number_of] = float(text)
    if len(values) < 2 or not best:
        return
    chosen = (max if best == "high" else min)(values.values())
    for number_of, value in values.items():
        if value == chosen:
            lines[number_of][place] = f"<strong>{lines[number_of][place]}</strong>"


def _two_lines(cell: str) -> str:
    """A head in two lines: who above, what below."""
    who, _, what = cell.partition(" ")
    escaped = html.escape(what)
    return f'<span class="who {who}">{who}</span><br>{escaped}' if who in ("paper", "ours") else html.escape(cell)


def markdown(results: Results) -> str:
    """The table in Markdown, for a README or an issue."""
    return as_markdown(*rows_of(results))


def latex(results: Results) -> str:
    """The table in LaTeX (booktabs)."""
    return as_latex(*rows_of(results))
