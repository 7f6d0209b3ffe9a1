"""How does a verdict look? A coloured word that says its scale, with a shape of its own; and counts of them."""

import re

from docutils import nodes
from sphinx.application import Sphinx

from sslrepro.claims import Verdict
from sslrepro.report import table_page

ORDER = ("holds", "contradicted", "inconclusive", "not tested", "not judged")
BADGE = re.compile(r'(<span class="verdict [\w-]+">)([^<]+)(</span>)')
PAGE = re.compile(r"executed/\w+?-([\w-]+)$")  # a table's page names its scale


def badge(verdict: str, scale: str = "") -> str:
    """A verdict in HTML, with the scale it belongs to inside: "holds · cpu"."""
    return with_scale(table_page.badge(verdict), scale)


def with_scale(body: str, scale: str) -> str:
    """HTML whose badges say their scale."""
    return BADGE.sub(rf'\1\2<span class="scale"> · {scale}</span>\3', body) if scale else body


def classes_of(verdict: str) -> str:
    """A verdict as a CSS class: not-judged."""
    return verdict.replace(" ", "-")


def present(counted: dict[str, int]) -> list[str]:
    """The verdicts worth a place in a legend: all but "not tested", and that where a claim has it."""
    return [name for name in ORDER if counted.get(name) or name != "not tested"]


def counts(verdicts: tuple[Verdict, ...], scale: str = "") -> list[nodes.Node | str]:
    """How many claims got which verdict, as badges."""
    out: list[nodes.Node | str] = []
    for name in ORDER:
        n = sum(verdict.verdict == name for verdict in verdicts)
        if n:
            out.append(nodes.raw("", f"{badge(name, scale)} {n} ", format="html"))
    return out


def put_scale(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Say the scale in every badge of a table's page, whose notebook shows the verdict alone."""
    if (match := PAGE.match(page)) and context.get("body"):
        context["body"] = with_scale(context["body"], match[1])


def setup(app: Sphinx) -> dict:
    """Register the scale in badges."""
    app.connect("html-page-context", put_scale)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
