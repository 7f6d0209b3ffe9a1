"""What does a paper's page list? Its tables, its figures, its schematic drawings."""

from typing import Any

import diagrams
from blocks import Block, div, list_of, para, raw, strong
from docutils import nodes
from printed_table import as_printed
from relations import BOOK, concerns, definitions, readable
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.base.errors import require
from sslrepro.base.paths import PAGES
from sslrepro.tables.definition import Definition

PLOTS = {"ifnd_fig1": "ifnd_granularity"}  # figures that plot a table: the table's page has them


class PaperTables(Block):
    """Every table of a paper: what it asks, what came out, the claims that rest on it. Argument: the paper."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return [self.entry(table) for table in papers.paper(self.arguments[0])["tables"]]

    def entry(self, table: dict[str, Any]) -> nodes.Node:
        """One table."""
        definition = definitions().get(table["id"])
        varied = f"{table['varied'][0].upper()}{table['varied'][1:]}".replace(" x ", " × ")
        shown = self.pages(table["id"])
        name = table["number"] or "Text"
        status: list[nodes.Node | str] = ["not run yet"]
        if shown:
            status = ["our runs: ", *list_of(shown, "· ")]
        elif definition is not None:
            status = ["not run yet; ", nodes.literal("", f"make reproduce TABLE={table['id']}")]
        return div(
            "entry",
            para(strong(name), f" {definition.title if definition else varied}", kind="name"),
            para(definition.question if definition else f"Data: {table['dataset']}.", kind="asks"),
            para(*status, kind="came"),
            self.paper_numbers(table, definition is not None),
            *self.rest(table["id"], papers.claims_on(table["id"]), definition),
            id=table["id"],
        )

    @staticmethod
    def paper_numbers(table: dict[str, Any], folded: bool) -> nodes.Node:
        """The paper's numbers; folded where our own page shows them too."""
        if not folded:
            return raw(as_printed(table))
        return raw(f"<details><summary>the paper's numbers</summary>{as_printed(table)}</details>")

    def rest(self, name: str, claims: list[dict[str, Any]], definition: Definition | None) -> list[nodes.Node]:
        """The claims on a table or figure, and the contradictions that concern it."""
        lines = []
        if claims:
            lines.append(["claims ", *list_of([self.id_link(claim["id"]) for claim in claims])])
        related = [contradiction for contradiction, ids in concerns().items() if name in ids]
        related += [note for note in getattr(definition, "margin", ()) if note not in related]
        if related:
            lines.append(["contradictions ", *list_of([self.id_link(contradiction) for contradiction in related])])
        return [para(*list_of(lines, " · "), kind="about")] if lines else []


class PaperFigures(PaperTables):
    """Every figure of a paper: what it shows and where it is drawn. Argument: the paper."""

    def run(self) -> list[nodes.Node]:
        out = []
        for figure in papers.paper(self.arguments[0])["figures"]:
            name = figure["id"]
            pages = sorted(page.stem for page in PAGES.glob(f"{name}-*.ipynb") if not page.stem.endswith("-smoke"))
            where: list[nodes.Node | str] = ["not drawn yet"]
            links = [[self.link(page.removeprefix(f"{name}-"), f"executed/{page}.html")] for page in pages]
            if (BOOK / "figures" / f"{name}.md").exists():
                links.append([self.link("its page", f"figures/{name}.html")])
            elif (table := PLOTS.get(name)) and (PAGES / f"{table}-cpu.ipynb").exists():
                links.append([self.link("on the table's page", f"executed/{table}-cpu.html")])
            if links:
                where = ["our figure: ", *list_of(links)]
            elif name in diagrams.DRAWINGS:
                where = [self.link("redrawn above", f"{self.env.docname}.html#{name}")]
            claims = [claim for claim in papers.claims().values() if name in claim["rests_on"]]
            about = self.rest(name, claims, None)
            words = para(strong(figure["number"] or "Figure"), f" {readable(figure['shows'])}", kind="name")
            anchor = "" if name in diagrams.DRAWINGS else name  # the drawing itself has it
            out.append(div("entry", words, para(*where, kind="came"), *about, id=anchor))
        return out


class Diagram(Block):
    """A schematic figure of a paper, drawn from our parts; the content is its caption. Argument: the figure."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        require(name in diagrams.DRAWINGS, "diagram", "figure", f"one of {', '.join(diagrams.DRAWINGS)}", name)
        drawing = div("diagram", raw(f'<div class="scroll">{diagrams.DRAWINGS[name]()}</div>'), id=name)
        self.state.nested_parse(self.content, self.content_offset, drawing)
        return [drawing]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_css_file("papers.css")
    app.add_directive("paper-tables", PaperTables)
    app.add_directive("paper-figures", PaperFigures)
    app.add_directive("diagram", Diagram)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
