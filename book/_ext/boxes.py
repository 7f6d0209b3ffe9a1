"""A box on every page of a table and of a method: one parameter to change, and the notebook that does it.

The notebooks are made when the book is built (sslrepro/explore/starter_notebooks.py) and lie beside the pages; none is
committed.
"""

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from sslrepro import methods, tables
from sslrepro.explore import starter_notebooks

FOLDER = "_downloads/notebooks"  # in the built book
BEFORE = "How to read it"  # the section of a table's page before which its box stands
AFTER = "Settings"  # the section of a method's page after which its box stands; else it ends the page


def ready_for(page: str) -> starter_notebooks.StarterNotebook | None:
    """The notebook of a page by its name: "executed/nnclr_queue-cpu", "methods/nnclr"; None for other pages."""
    folder, _, name = page.rpartition("/")
    if folder == "executed" and (table := name.partition("-")[0]) in tables.names():
        return starter_notebooks.of_table(table)
    return starter_notebooks.of_method(name) if folder == "methods" and name in methods.names() else None


def box(ready: starter_notebooks.StarterNotebook, up: str) -> str:
    """The box in HTML; `up` leads from the page to the root of the book."""
    asks = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(ready.asks, quote=False))
    link = f'<a download href="{up}{FOLDER}/{ready.file}">{ready.file}</a>'
    fits = ready.source == "change"
    size = f" (at {starter_notebooks.SCALE} size)" if fits else ""
    time = "a few seconds a value" if fits else f"seconds a run at {starter_notebooks.SCALE} size"
    return (
        f'<div class="rerun change"><p class="asks"><b>Change one parameter:</b> {asks}{size}.</p>'
        f"<pre>{html.escape(ready.command)}</pre>"
        f"<p>Opens a notebook that is ready to run ({time}); too small a scale for conclusions. Download: {link}</p>"
        "</div>"
    )


def put(app: Sphinx, doctree: nodes.document) -> None:
    """Put the box into a page that has one."""
    page = app.env.docname
    ready = ready_for(page)
    if ready is None:
        return
    button = nodes.raw("", box(ready, "../" * page.count("/")), format="html")
    sections = {section.next_node(nodes.title).astext(): section for section in doctree.findall(nodes.section)}
    place = sections.get(BEFORE if page.startswith("executed/") else AFTER)
    if place is None:
        next(doctree.findall(nodes.section)).append(button)
    else:
        place.parent.insert(place.parent.index(place) + (not page.startswith("executed/")), button)


def write(app: Sphinx, exception: Exception | None) -> None:
    """Put the notebook of every table and method beside the pages."""
    if exception is None and app.builder.format == "html":
        every = [*map(starter_notebooks.of_table, tables.names()), *map(starter_notebooks.of_method, methods.names())]
        folder = Path(app.outdir) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for ready in every:
            (folder / ready.file).write_text(starter_notebooks.notebook(ready), "utf-8")


def setup(app: Sphinx) -> dict:
    """Register both."""
    app.connect("doctree-read", put)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
