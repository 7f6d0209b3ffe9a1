"""Which notes stand in the margin of a table's page, and which of the paper's columns follow it?"""

import json
from dataclasses import replace

from printed_table import rest_of
from relations import concerned, contradictions, definitions, readable
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.report import publish

VARIED = "## What is varied"  # the head of a table's page before which margin notes stand


def further_notes(table: str) -> str:
    """Notes in the margin for what concerns a table beside its definition's own: the paper's in full, others by id."""
    made = definitions().get(table)
    others = [name for name, ids in concerned().items() if made and table in ids and name not in made.margin]
    known, home = contradictions(), papers.table(table)["paper"]
    own = [name for name in others if known[name]["scope"] == "within" and known[name]["paper"] == home]
    text = publish.margin(replace(made, margin=tuple(own))) if made else ""
    if rest := [name for name in others if name not in own]:
        text += f"```{{margin}} **Between papers**\nThe table has a part in {', '.join(rest)} too.\n```\n\n"
    return text


def with_columns(app: Sphinx, name: str, source: list[str]) -> None:
    """Complete the page of a table: its margin notes, in readable words, and the paper's columns that were not run."""
    folder, _, page = name.rpartition("/")
    table = page.partition("-")[0]
    if folder != "executed" or table not in papers.tables():
        return
    book = json.loads(source[0])
    for cell in book["cells"]:
        if cell["cell_type"] == "markdown" and VARIED in (text := "".join(cell["source"])):
            cell["source"] = readable(text.replace(VARIED, further_notes(table) + VARIED, 1))
    if rest_of(papers.table(table)):
        text = f"## The paper's columns that are not run yet\n\n```{{paper-columns}} {table}\n```"
        book["cells"].append({"cell_type": "markdown", "id": "paper-columns", "metadata": {}, "source": text})
    source[0] = json.dumps(book)


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("source-read", with_columns)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
