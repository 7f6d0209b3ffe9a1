"""A table as the paper prints it: what we did not run beside what we did."""

import base64
import csv
import html
import io
import re
from typing import Any

from blocks import Block, raw
from docutils import nodes
from relations import definitions
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.report import headings
from sslrepro.report.formats import as_latex, as_markdown, html_table, number


def rest_of(table: dict[str, Any]) -> list[str]:
    """The columns of scores that our table of it, where there is one, does not measure."""
    definition = definitions().get(table["id"])
    return [name for name in table["metric"] if definition is None or name not in definition.columns]


def as_printed(table: dict[str, Any], only: list[str] | None = None) -> str:
    """A table as the paper prints it, best values marked, what was not run labelled, with copies to download.

    only   of its columns of scores; all where None
    """
    definition, missing = definitions().get(table["id"]), rest_of(table)
    scores = {
        name: definition.column(name).best if definition and name in definition.columns else "high"
        for name in table["metric"]
    }
    columns = [
        column for column in table["columns"] if only is None or column["key"] in only or column["key"] not in scores
    ]
    unit = "" if table["unit"] is None else str(table["unit"])
    head = []
    for column in columns:
        own = column.get("unit") or (unit if column["key"] in scores else "")
        own = "" if not own or own.lower() in column["label"].lower() else f", {own}"
        head.append(f"{column['label']}{own}{', not run yet' if definition and column['key'] in missing else ''}")
    digits = {column["key"]: digits_of([line.get(column["key"]) for line in table["rows"]]) for column in columns}
    body = [
        [shown_with(line.get(column["key"]), digits[column["key"]]) for column in columns] for line in table["rows"]
    ]
    body = [[without_citations(cell) for cell in line] for line in body]
    marked = [[html.escape(cell) for cell in line] for line in body]
    for place, column in enumerate(columns):
        values = [line.get(column["key"]) for line in table["rows"]]
        held = [value for value in values if isinstance(value, int | float)]
        if column["key"] in scores and scores[column["key"]] and len(held) > 1:
            best = (max if scores[column["key"]] == "high" else min)(held)
            for line, value in zip(marked, values, strict=True):
                line[place] = f"<strong>{line[place]}</strong>" if value == best else line[place]
    if definition is None:
        head.append("our runs")
        for plain, rich in zip(body, marked, strict=True):
            plain.append("not run yet")
            rich.append("not run yet")
    protocol = without_citations(table["protocol"])
    caption = f"{table['number'] or 'A table'} as printed, data {table['dataset']}; protocol: {protocol}."
    if missing:
        caption += " Not run yet: there is no data for it at the scales that were run."
    links = []
    for label, kind, text in (
        ("CSV", "csv", in_csv(head, body)),
        ("Markdown", "md", as_markdown(head, body, [])),
        ("LaTeX", "tex", as_latex(head, body, [])),
    ):
        data = base64.b64encode(text.encode()).decode()
        name = f"{table['id']}-paper.{kind}"
        links.append(f'<a download="{name}" href="data:text/plain;base64,{data}">{label}</a>')
    shown = html_table([html.escape(heading) for heading in head], marked, "printed")
    note = f'<p class="caption">{html.escape(caption)}</p><p class="copies">Download: {" · ".join(links)}</p>'
    return shown + note


def without_citations(text: str) -> str:
    """Text without the paper's numbered citations."""
    return re.sub(r"\s*\[\d+\]", "", text)


def digits_of(values: list[Any]) -> int:
    """The most digits behind the point of a column's numbers: the paper prints all with as many."""
    return max((len(str(value).partition(".")[2]) for value in values if isinstance(value, float)), default=0)


def shown_with(value: Any, digits: int) -> str:
    """A cell as printed: 89.0 stays 89.0 beside 89.9."""
    return number(value, digits) if isinstance(value, float) else headings.plainly(value)


def in_csv(head: list[str], body: list[list[str]]) -> str:
    """Plain cells as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *body])
    return out.getvalue()


class PaperColumns(Block):
    """The columns of a paper's table that are not run. Argument: the table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        table = papers.table(self.arguments[0])
        return [raw(as_printed(table, rest_of(table)))]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("paper-columns", PaperColumns)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
