"""How does the search show snippets without a server? The words of every page lie in one script, for search alone."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx

FILE = "page-texts.js"  # in _static of the built book
QUIET = ("script", "style", "svg", "nav", "aside", "pre", "mjx-container")  # what a snippet leaves out


class Words(HTMLParser):
    """Collects the words inside a page's article."""

    def __init__(self):
        super().__init__()
        self.parts: list[str] = []
        self.inside = self.quiet = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Enter an article, or something to leave out."""
        self.inside += tag == "article"
        self.quiet += self.inside and tag in QUIET

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self.quiet -= self.inside and tag in QUIET
        self.inside -= tag == "article"

    def handle_data(self, data: str) -> None:
        """Keep words."""
        if self.inside and not self.quiet:
            self.parts.append(data)


def words(page: str) -> str:
    """The words of a page's article, with single spaces."""
    parser = Words()
    parser.feed(page)
    return re.sub(r"\s+", " ", re.sub(r"\\[()\[\]]|#", "", " ".join(parser.parts))).strip()  # no marks of formulas


def write(app: Sphinx, exception: Exception | None) -> None:
    """Put every page's words beside the book's own scripts."""
    if exception is None and app.builder.format == "html":
        out = Path(app.outdir)
        texts = {
            name: words((out / f"{name}.html").read_text("utf-8"))
            for name in sorted(app.env.found_docs)
            if (out / f"{name}.html").exists()
        }
        (out / "_static" / FILE).write_text(f"window.pageTexts = {json.dumps(texts, ensure_ascii=False)};\n", "utf-8")


def load(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Load both scripts on the page of search results."""
    if page == "search":
        app.add_js_file(FILE)
        app.add_js_file("search-snippets.js")


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("html-page-context", load)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
