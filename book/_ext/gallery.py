"""A picture of every published page: by paper in the gallery, as cards on the front page."""

import base64
import html
from typing import Any, NamedTuple

import diagrams
import seppid_figures
from badges import counts
from blocks import Block, raw
from docutils import nodes
from docutils.parsers.rst import Directive
from published import judged, published_results
from relations import BOOK, figures, number_of
from shapes_pictures import class_tree
from sphinx.application import Sphinx
from sphinx.util import logging
from thumbnails import first_image, shrunk, thumbnail, title_and_picture

from sslrepro import papers
from sslrepro.base.paths import PAGES
from sslrepro.embeddings import evolution, maps
from sslrepro.report.presenters import presenter
from sslrepro.study.profiles import profile

MOST_BYTES = 1_100_000  # of the gallery's pictures


LOG = logging.getLogger(__name__)


def drawn_over_training() -> list[tuple[str, str, bytes | None, str]]:
    """(figure, title, picture, alternative text) of every figure page whose runs are committed."""
    out = []
    for name, definition in evolution.DEFINITIONS.items():
        base = profile("cpu")
        page = BOOK / "figures" / f"{name}.md"
        if page.exists() and all(maps.committed_atlas(arm, base, 0) for arm in definition.arms):
            out.append((name, definition.title, *first_image(shown_as_html(evolution.picture(evolution.figure(name))))))
    return out


def shown_as_html(display: Any) -> str:
    """What a notebook would show."""
    return display._repr_mimebundle_()["text/html"]


def paper_of(name: str) -> str:
    """The paper under which a page stands: that of its table or figure, or that a figure of our own is about; or ""."""
    printed, ours = (papers.tables() | figures()).get(name), evolution.DEFINITIONS.get(name)
    return printed["paper"] if printed else ours.paper if ours else ""


class Entry(NamedTuple):
    """A card of the gallery; HTML but the title."""

    id: str
    page: str
    title: str
    picture: str
    words: str


def entries() -> list[Entry]:
    """Every page that has a picture: tables, figures over training, the class tree, and diagrams of methods."""
    out = []
    verdicts = {}
    for page, _, reached in judged():
        verdicts.setdefault(page, reached)  # of the page's own scale; scales without a page come after
    for page in sorted(PAGES.glob("*.ipynb")):
        table, _, scale = page.stem.partition("-")
        if scale != "smoke":
            title, png, alt = title_and_picture(page)
            badges = "".join(part.astext() for part in counts(verdicts.get(page.stem, ()), scale))
            out.append(Entry(table, f"executed/{page.stem}.html", title, shrunk(png, alt), badges or f"{scale} scale"))
    for name, title, png, alt in drawn_over_training():
        photo = bool(evolution.DEFINITIONS[name].among)
        out.append(Entry(name, f"figures/{name}.html", title, shrunk(png, alt, photo), "cpu scale, one seed"))
    title = "IFND: one image, several labels"
    out.append(Entry("ifnd_fig5", "figures/ifnd_fig5.html", title, shrunk(*class_tree(), photo=True), "the class tree"))
    drawn_from_pairs = (("seppid_fig2", seppid_figures.looks), ("seppid_fig5", seppid_figures.pairs))
    for name, part in drawn_from_pairs if seppid_figures.measurements() else ():
        title, figure = number_of(name), part()
        out.append(Entry(name, f"figures/{name}.html", title, shrunk(figure.png, figure.alt, photo=True), "cpu scale"))
    for name, drawn in diagrams.DRAWINGS.items():
        page = f"papers/{figures()[name]['paper']}.html#{name}"
        picture = f'<span class="diagram">{drawn()}</span>'
        out.append(Entry(name, page, f"{number_of(name)}, redrawn", picture, "a diagram of the method"))
    return out


class Gallery(Block):
    """A thumbnail of every published page, by paper, with its verdicts; pictures as they stand on the pages."""

    def run(self) -> list[nodes.Node]:
        order = list(papers.tables() | figures())
        cards: dict[str, list[tuple[int, str]]] = {}
        total = 0
        for name, page, title, picture, words in entries():
            total += len(picture)
            where = "../" * self.env.docname.count("/") + page
            card = (
                f'<a class="card-page thumb" href="{where}">{picture}<b>{html.escape(title)}</b>'
                f"<span>{words}</span></a>"
            )
            cards.setdefault(paper_of(name), []).append((order.index(name) if name in order else len(order), card))
        if total > MOST_BYTES:
            LOG.warning("gallery: pictures take %d bytes, more than %d; make thumbnails smaller", total, MOST_BYTES)

        def grid(key: str) -> list[nodes.Node]:
            inside = "".join(card for _, card in sorted(cards.get(key, [])))
            return [raw(f'<div class="gallery">{inside}</div>')] if inside else []

        ours = grid("")
        if ours:
            ours = [nodes.section("", nodes.title("", "All methods"), *ours, ids=["gallery-ours"])]
        return self.per_paper("gallery", grid) + ours


class Pages(Directive):
    """A card per published page: its figure, its finding."""

    def run(self) -> list[nodes.Node]:
        cards = []
        for page, results in published_results().items():
            page_of = presenter(results.definition)
            image, text = page_of.figure(results), page_of.finding(results)
            tall = "class=tall " if results.definition.notebook == "methods" else ""
            data = base64.b64encode(thumbnail(image.png, 560)).decode()
            title = f"{results.definition.title} ({results.plan.profile.name})"
            cards.append(
                f'<a class="card-page" href="executed/{page}.html"><img {tall}'
                f'alt="{html.escape(image.alt, quote=True)}" src="data:image/png;base64,{data}">'
                f"<b>{html.escape(title)}</b>"
                f"<span>{html.escape(text)}</span></a>"
            )
        return [nodes.raw("", f'<div class="gallery">{"".join(cards)}</div>', format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("thumbnails", Gallery)
    app.add_directive("pages", Pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
