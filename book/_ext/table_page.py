"""What is added to a table's executed page when the book is built? Nothing in it is executed again."""

import json
from typing import Any

from figure_downloads import add_png
from margin import further_notes
from printed_table import rest_of
from relations import readable
from sphinx.application import Sphinx

from sslrepro import papers, tables
from sslrepro.study.replication import agreement_of, read_replications

VARIED = "## What is varied"  # the head of a table's page before which margin notes stand


def markdown(name: str, text: str) -> dict[str, Any]:
    """A cell of Markdown."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def complete(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the scale, margin notes, figures as PNG, the code and the paper's columns that were not run into a page."""
    folder, _, page = name.rpartition("/")
    table = page.partition("-")[0]
    if folder != "executed" or table not in tables.names():
        return
    book, cells = json.loads(source[0]), []
    of_paper = table in papers.tables()
    for cell in book["cells"]:
        text = "".join(cell["source"])
        if of_paper and cell["cell_type"] == "markdown" and VARIED in text:
            cells.append(markdown("scale-strip", f"```{{scale-strip}} {page}\n```"))
            cell["source"] = readable(text.replace(VARIED, further_notes(table) + VARIED, 1))
        cells.append(cell)
        add_png(cell)
        if of_paper and cell["cell_type"] == "code" and "figure(results)" in text:
            cells.append(markdown("explore-plot", f"```{{explore-plot}} {page}\n```"))
    if of_paper:
        cells.append(markdown("every-scale", f"## At every scale\n\n```{{every-scale}} {table}\n```"))
    agreed = agreement_of(read_replications(table, page.partition("-")[2]))
    if agreed:
        cells.append(markdown("replications", f"## On other machines\n\n{agreed}"))
    cells.append(markdown("code-behind", f"```{{code-behind}} {table}\n```"))
    if of_paper and rest_of(papers.table(table)):
        text = f"## The paper's columns that are not run yet\n\n```{{paper-columns}} {table}\n```"
        cells.append(markdown("paper-columns", text))
    source[0] = json.dumps(book | {"cells": cells})


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("source-read", complete)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
