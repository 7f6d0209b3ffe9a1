"""Turns every id of a claim or contradiction that a page mentions into a link; claims are called by their names."""

import functools
import html
import re

from relations import IDS, contradictions
from sphinx.application import Sphinx

from sslrepro import papers

QUIET = ("a", "pre", "script", "style", "svg", "title", "textarea")  # where an id stays plain text
AS_ID = 'class="claim-id"'  # where a claim's id is meant
NAMED = '<span class="claim">'  # where a claim's name is all that stands


def link_ids(body: str, up: str, pages: dict[str, str], names: dict[str, str]) -> str:
    """HTML whose ids of claims and contradictions are links; code blocks, links and attributes stay as they are.

    pages   id -> page it has its anchor on
    names   id -> what the link says, where that is not the id
    """
    out, quiet, before, ids = [], 0, "", {words: name for name, words in names.items()}
    for part in re.split(r"(<[^>]*>)", body):
        if part.startswith("<"):
            tag = re.match(r"</?([a-zA-Z0-9]+)", part)
            if tag and tag[1].lower() in QUIET and not part.endswith("/>"):
                quiet += -1 if part.startswith("</") else 1
        elif before == NAMED and html.unescape(part) in ids:
            part = link(ids[html.unescape(part)], up + pages[ids[html.unescape(part)]], html.unescape(part))
        elif not quiet:
            told = {} if AS_ID in before else names
            part = IDS.sub(functools.partial(linked_id, up=up, pages=pages, names=told), part)
        out.append(part)
        before = part
    return "".join(out)


def linked_id(match: re.Match, up: str, pages: dict[str, str], names: dict[str, str]) -> str:
    """What stands for an id in the text: a link, where the id has an anchor."""
    name = match[0]
    return link(name, up + pages[name], names.get(name)) if name in pages else name


def link(name: str, page: str, words: str | None) -> str:
    """A link to an id's anchor: its words with the id as its title, or the id."""
    if words is None:
        return f'<a class="id" href="{page}#{name}">{name}</a>'
    return f'<a class="claim" title="{name}" href="{page}#{name}">{html.escape(words)}</a>'


def link_page_ids(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Link every id that a page mentions; not those that head their own entry."""
    if not context.get("body"):
        return
    pages = dict.fromkeys(papers.claims(), "claims.html") | dict.fromkeys(contradictions(), "contradictions.html")
    names = {claim: entry["name"] for claim, entry in papers.judgements().items()}
    context["body"] = link_ids(context["body"], "../" * page.count("/"), pages, names)


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("html-page-context", link_page_ids, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
