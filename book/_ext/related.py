"""What does the page of a method or of a figure lead to: the papers' tables, claims and contradictions."""

from blocks import Block, div, list_of, para, strong
from docutils import nodes
from paper_page import PaperFigures
from relations import definitions, figures, short, trained_methods
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.embeddings import evolution, maps


class FigureClaims(PaperFigures):
    """The paper's part, the methods, claims and contradictions of a figure. Argument: the figure."""

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        claims = [claim for claim in papers.claims().values() if name in claim["rests_on"]]
        drawn = evolution.DEFINITIONS.get(name)
        words: list[nodes.Node | str] = []
        if drawn is not None and drawn.own:
            words = ["Of our own, beside ", self.link(short(drawn.paper), f"papers/{drawn.paper}.html")]
        home = para(*(words or ["In the paper: ", *self.id_link(name)]), kind="came")
        shown = getattr(drawn, "arms", ())
        ran = list(dict.fromkeys(maps.ARMS[arm].method for arm in shown))
        if ran:
            home += nodes.Text(" · runs of ")
            home += [
                part if isinstance(part, nodes.Node) else nodes.Text(part)
                for part in list_of([[self.link(method, f"methods/{method}.html")] for method in ran])
            ]
        return [home, *self.rest(name, claims, None)]


class MethodTables(Block):
    """The papers' tables that train a method, with their claims. Argument: the method."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        out = []
        for name, definition in definitions().items():
            if self.arguments[0] not in trained_methods(definition):
                continue
            claims = [self.id_link(claim["id"]) for claim in papers.claims_on(name)]
            shown = self.pages(name) or [["not run yet"]]
            head = para(strong(definition.title), " (", *self.id_link(name), "): ", *list_of(shown, "· "), kind="name")
            out.append(div("entry", head, *([para("claims ", *list_of(claims), kind="about")] if claims else [])))
        return out


def with_claims(app: Sphinx, name: str, source: list[str]) -> None:
    """Give every method's page the tables and claims it takes part in, and every figure's page its claims."""
    folder, _, method = name.rpartition("/")
    if folder == "figures" and (method in figures() or method in evolution.DEFINITIONS):
        heading = "Related claims and tables" if method in figures() else "Related pages"
        source[0] += f"\n\n## {heading}\n\n```{{figure-claims}} {method}\n```\n"
    if folder == "methods" and any(method in trained_methods(definition) for definition in definitions().values()):
        source[0] += f"\n\n## Tables that train this method\n\n```{{method-tables}} {method}\n```\n"


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("figure-claims", FigureClaims)
    app.add_directive("method-tables", MethodTables)
    app.connect("source-read", with_claims)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
