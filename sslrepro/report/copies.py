"""A table for download: every seed as CSV, the table as Markdown and as LaTeX, inside the page itself."""

import base64
import csv as csv_format
import io

from sslrepro.report.formats import Display, as_latex, as_markdown
from sslrepro.report.provenance import runs_by_cell
from sslrepro.report.table import rows_of
from sslrepro.study.results import Results

Rows = tuple[list[str], list[list[str]], list[list[str]]]  # head, body, footer as plain text


def csv(results: Results) -> str:
    """One line per run, evaluation and score: what every other number on the page is computed from.

    row   of the table, or the control; with the column behind a colon where the column has runs of its own
    """
    out = io.StringIO()
    write = csv_format.writer(out, lineterminator="\n").writerow
    write(["row", "evaluation", "score", "seed", "value"])
    for name, runs in runs_by_cell(results):
        for run in runs:
            for key, line in results.known[run.name]["results"].items():
                for score, value in sorted(line["scores"].items()):
                    if isinstance(value, float):
                        write([name, key.partition(" ")[0], score, run.seed, repr(value)])
    return out.getvalue()


def copies(results: Results, rows: Rows | None = None) -> Display:
    """The table as CSV (every seed), Markdown and LaTeX, embedded in the page for download.

    rows   its head, body and footer, where they are not those of a paper's table
    """
    name = f"{results.definition.id}-{results.plan.profile.name}"
    rows = rows_of(results) if rows is None else rows
    links = [
        download(label, f"{name}.{ending}", text)
        for label, ending, text in (
            ("CSV, every seed", "csv", csv(results)),
            ("Markdown", "md", as_markdown(*rows)),
            ("LaTeX", "tex", as_latex(*rows)),
        )
    ]
    return Display(f'<p class="copies">Download this table: {" · ".join(links)}</p>', "csv, markdown, latex")


def download(label: str, name: str, text: str) -> str:
    """A link in HTML that holds a file: it works offline."""
    data = base64.b64encode(text.encode()).decode()
    return f'<a download="{name}" href="data:text/plain;base64,{data}">{label}</a>'
