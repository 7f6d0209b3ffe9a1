"""How a page is cited, as its last line: version, commit, the page's place in the book; BibTeX to download."""

import base64
import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from sslrepro import tables
from sslrepro.report.cite import bibtex, page_entry, sentence

TABLE = re.compile(r"executed/([a-z0-9_]+)-(.+)")


def line(page: str, title: str) -> str:
    """The line of a page, in HTML: a sentence, BibTeX to download, and for a table the command that prints it."""
    match = TABLE.fullmatch(page)
    table = match[1] if match and match[1] in tables.names() else ""
    entry = bibtex(table, match[2]) if table else page_entry(page, title)
    data = base64.b64encode(entry.encode()).decode()
    name = f"{page.replace('/', '-')}.bib"
    command = f" · <code>sslrepro cite {table}</code>" if table else ""
    link = f'<a download="{name}" href="data:application/x-bibtex;base64,{data}">BibTeX</a>'
    return f'<p class="copies cite">Cite this page: {html.escape(sentence(page, title))} {link}{command}</p>'


def add_line(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put it below the body of every page that has a source."""
    if doctree is not None and context.get("body"):
        plain = html.unescape(re.sub(r"<[^>]+>", "", context.get("title") or page))
        context["body"] += line(page, plain)


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("html-page-context", add_line)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
