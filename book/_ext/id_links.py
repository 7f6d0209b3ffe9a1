"""Turns every id of a claim or contradiction that a page mentions into a link."""

import re

from relations import IDS, contradictions
from sphinx.application import Sphinx

from sslrepro import papers

QUIET = ("a", "pre", "script", "style", "svg", "title", "textarea")  # where an id stays plain text


def link_ids(body: str, up: str, pages: dict[str, str]) -> str:
    """HTML whose ids of claims and contradictions are links; code blocks, links and attributes stay as they are.

    pages   id -> page it has its anchor on
    """
    out, quiet = [], 0
    for part in re.split(r"(<[^>]*>)", body):
        if part.startswith("<"):
            tag = re.match(r"</?([a-zA-Z0-9]+)", part)
            if tag and tag[1].lower() in QUIET and not part.endswith("/>"):
                quiet += -1 if part.startswith("</") else 1
        elif not quiet:
            part = IDS.sub(
                lambda m: f'<a class="id" href="{up}{pages[m[0]]}#{m[0]}">{m[0]}</a>' if m[0] in pages else m[0], part
            )
        out.append(part)
    return "".join(out)


def link_page_ids(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Link every id that a page mentions; not those that head their own entry."""
    if not context.get("body"):
        return
    pages = dict.fromkeys(papers.claims(), "claims.html") | dict.fromkeys(contradictions(), "contradictions.html")
    context["body"] = link_ids(context["body"], "../" * page.count("/"), pages)


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("html-page-context", link_page_ids, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
