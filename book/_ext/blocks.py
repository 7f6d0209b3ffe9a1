"""What are the book's blocks made of? Document nodes, and a directive that writes links relative to its page."""

import html
from collections.abc import Callable

from badges import counts
from docutils import nodes
from published import pages_of
from relations import BOOK, contradictions, figures, number_of, short
from sphinx.util.docutils import SphinxDirective

from sslrepro import papers


def div(kind: str, *children: nodes.Node, id: str = "") -> nodes.container:
    """A block with a class, and an anchor where `id` is given."""
    container = nodes.container("", *children, is_div=True, classes=kind.split())
    if id:
        container["ids"] = [id]
    return container


def para(*parts: nodes.Node | str, kind: str = "") -> nodes.paragraph:
    """A paragraph of words and inline nodes."""
    paragraph = nodes.paragraph("", "", *(nodes.Text(part) if isinstance(part, str) else part for part in parts))
    paragraph["classes"] = kind.split()
    return paragraph


def strong(words: str) -> nodes.strong:
    """Bold words."""
    return nodes.strong("", words)


def raw(text: str) -> nodes.raw:
    """HTML as it is."""
    return nodes.raw("", text, format="html")


def list_of(parts: list[list[nodes.Node | str]], between: str = ", ") -> list[nodes.Node | str]:
    """Groups of inline parts, joined."""
    out: list[nodes.Node | str] = []
    for place, part in enumerate(parts):
        out += ([between] if place else []) + part
    return out


def plain_table(head: list[str], body: list[list[str]]) -> str:
    """A table of plain cells in HTML."""
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in body)
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    table = f'<div class="scroll"><table class="dataframe cmp"><thead><tr>{top}</tr></thead><tbody>{rows}</tbody>'
    return f"{table}</table></div>"


class Block(SphinxDirective):
    """A directive that writes links relative to its page."""

    def link(self, words: str, address: str) -> nodes.reference:
        """A link to a page of the book, `address` seen from its root."""
        return nodes.reference("", words, refuri="../" * self.env.docname.count("/") + address, internal=True)

    def id_link(self, name: str) -> list[nodes.Node | str]:
        """An id of a claim, contradiction, table or figure, linked where the book has a place for it."""
        if name in papers.claims():
            return [self.link(papers.judgements()[name]["name"], f"claims.html#{name}")]
        if name in contradictions():
            return [self.link(name, f"contradictions.html#{name}")]
        home = f"papers/{(papers.tables() | figures())[name]['paper']}"
        words = number_of(name)
        return [self.link(words, f"{home}.html#{name}") if (BOOK / f"{home}.md").exists() else words]

    def pages(self, table: str) -> list[list[nodes.Node | str]]:
        """The table's published pages, by profile, with counts of verdicts."""
        out = []
        for page, results, verdicts in pages_of(table):
            scale = results.plan.profile.name
            out.append([self.link(scale, f"executed/{page}.html"), " ", *counts(verdicts, scale)])
        return out

    def per_paper(self, prefix: str, make: Callable[[str], list[nodes.Node]]) -> list[nodes.Node]:
        """A section for each paper that has something."""
        out = []
        for key in papers.PAPERS:
            inside = make(key)
            if inside:
                out.append(nodes.section("", nodes.title("", short(key)), *inside, ids=[f"{prefix}-{key}"]))
        return out
