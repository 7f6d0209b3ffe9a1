"""The papers' parts of the book: printed numbers, tables, figures, claims, contradictions and the gallery.

Everything is read from the transcriptions, the definitions and the published pages when the book is built; only
book/papers/*.md and the notes in book/contradictions.md are written by hand.
"""

import base64
import csv
import functools
import html
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diagrams
import sslbook
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from sslrepro import papers, tables
from sslrepro.base.errors import require
from sslrepro.base.paths import PAGES
from sslrepro.claims import Missing, Verdict, holds_in_paper, printed, stated
from sslrepro.embeddings import evolution, maps
from sslrepro.report import headings, publish
from sslrepro.report.formats import as_latex, as_markdown, html_table
from sslrepro.report.table_page import badge, number, probability
from sslrepro.study.profiles import profile
from sslrepro.study.results import Results
from sslrepro.tables.definition import Definition

LOG = logging.getLogger(__name__)
BOOK = Path(__file__).parents[1]
NOTE = re.compile(r"^(\w+_x\d\d):(.*)$")  # a note in book/contradictions.md: id: ids it concerns
IDS = re.compile(rf"\b(?:{'|'.join(papers.PAPERS)})_[cx]\d\d\b")
QUIET = ("a", "pre", "script", "style", "svg", "title", "textarea")  # where an id stays plain text
VARIED = "## What is varied"  # the head of a table's page before which margin notes stand
MOST_BYTES = 900_000  # of the gallery's pictures
BADGE_ORDER = ("holds", "contradicted", "inconclusive", "not judged")


# --- what is known ----------------------------------------------------------------------------------------------


@functools.cache
def judged() -> tuple[tuple[str, Results, tuple[Verdict, ...]], ...]:
    """(page, results, verdicts) of every published page that judges claims."""
    return tuple((page, found, tuple(found.verdicts())) for page, found in sslbook.published().items())


def pages_of(table: str) -> list[tuple[str, Results, tuple[Verdict, ...]]]:
    """The published pages of a table, one per profile."""
    return [one for one in judged() if one[1].definition.id == table]


@functools.cache
def definitions() -> dict[str, Definition]:
    """Definitions of the papers' tables, by id."""
    made = {name: tables.definition(name) for name in tables.names()}
    return {name: one for name, one in made.items() if one.id in papers.tables()}


def trained(definition: Definition) -> list[str]:
    """The methods a table trains in its rows, columns and variants; its own first."""
    given = [*definition.rows.values(), *getattr(definition, "variants", {}).values()]
    given += [getattr(column, "sets", None) or {} for column in definition.columns.values()]
    named = [one["method"] for one in given if "method" in one]
    own = any("method" not in one for one in definition.rows.values())
    return list(dict.fromkeys(([definition.method] if own else []) + named))


@functools.cache
def tables_of() -> dict[str, list[str]]:
    """Claim -> the tables it rests on or names."""
    found: dict[str, list[str]] = {claim: [] for claim in papers.claims()}
    for table in papers.tables():
        for claim in papers.claims_on(table):
            found[claim["id"]].append(table)
    return found


@functools.cache
def contradictions() -> dict[str, dict[str, Any]]:
    """Every contradiction by id, with the paper that lists it."""
    return {one["id"]: one | {"paper": key} for key in papers.PAPERS for one in papers.paper(key)["contradictions"]}


@functools.cache
def figures() -> dict[str, dict[str, Any]]:
    """Every transcribed figure by id, with its paper."""
    return {one["id"]: one | {"paper": key} for key in papers.PAPERS for one in papers.paper(key)["figures"] or []}


@functools.cache
def concerned() -> dict[str, list[str]]:
    """Contradiction -> ids of tables, figures and claims it concerns: from the page's notes and the claims' own."""
    found: dict[str, list[str]] = {name: [] for name in contradictions()}
    for line in (BOOK / "contradictions.md").read_text().splitlines():
        if match := NOTE.match(line):
            require(match[1] in found, "contradictions.md", "note", "on a transcribed contradiction", match[1])
            found[match[1]] += re.findall(r"\w+", match[2])
    for claim in papers.claims().values():
        for name in IDS.findall(claim.get("note") or ""):
            found[name] += [claim["id"]]
    known = papers.tables() | papers.claims() | figures()
    for name, ids in found.items():
        for one in ids:
            require(one in known, f"contradictions.md: {name}", "id", "a table, figure or claim", one)
    return {name: list(dict.fromkeys(ids)) for name, ids in found.items()}


def short(paper: str) -> str:
    """A paper's short name."""
    return papers.paper(paper)["paper"]["short"]


def readable(text: str) -> str:
    """A transcription's note without the line numbers of its source, which a reader does not have."""
    text = re.sub(r"(?<!Algorithm 1)(?<!Algorithm 1 )\s?\(lines? [\d-]+\)", "", text)
    text = text.replace(" (see ocr_repairs)", "")
    text = re.sub(r"\bSePP-ID line \d+", "SePP-ID's text", text)
    text = re.sub(r"\bat line \d+", "in the text", text)
    return re.sub(r"(?<!\()\b([Ll])ine \d+", lambda match: "The text" if match[1] == "L" else "the text", text)


def number_of(name: str) -> str:
    """ "NNCLR Table 7a" for the id of a table or figure."""
    about = (papers.tables() | figures())[name]
    where = about["number"] or ("text" if name in papers.tables() else "a figure")
    return f"{short(about['paper'])}, {where}"


# --- nodes ------------------------------------------------------------------------------------------------------


def div(kind: str, *children: nodes.Node, id: str = "") -> nodes.container:
    """A block with a class, and an anchor where `id` is given."""
    made = nodes.container("", *children, is_div=True, classes=kind.split())
    if id:
        made["ids"] = [id]
    return made


def para(*parts: nodes.Node | str, kind: str = "") -> nodes.paragraph:
    """A paragraph of words and inline nodes."""
    made = nodes.paragraph("", "", *(nodes.Text(part) if isinstance(part, str) else part for part in parts))
    made["classes"] = kind.split()
    return made


def strong(words: str) -> nodes.strong:
    """Bold words."""
    return nodes.strong("", words)


def raw(text: str) -> nodes.raw:
    """HTML as it is."""
    return nodes.raw("", text, format="html")


def listed(parts: list[list[nodes.Node | str]], between: str = ", ") -> list[nodes.Node | str]:
    """Groups of inline parts, joined."""
    out: list[nodes.Node | str] = []
    for place, part in enumerate(parts):
        out += ([between] if place else []) + part
    return out


def counts(verdicts: tuple[Verdict, ...]) -> list[nodes.Node | str]:
    """How many claims got which verdict, as badges."""
    out: list[nodes.Node | str] = []
    for name in BADGE_ORDER:
        n = sum(verdict.verdict == name for verdict in verdicts)
        if n:
            out += [raw(f"{badge(name)} {n} ")]
    return out


class Block(SphinxDirective):
    """A directive that writes links relative to its page."""

    def link(self, words: str, address: str) -> nodes.reference:
        """A link to a page of the book, `address` seen from its root."""
        return nodes.reference("", words, refuri="../" * self.env.docname.count("/") + address, internal=True)

    def named(self, name: str) -> list[nodes.Node | str]:
        """An id of a claim, contradiction, table or figure, linked where the book has a place for it."""
        if name in papers.claims():
            return [self.link(name, f"claims.html#{name}")]
        if name in contradictions():
            return [self.link(name, f"contradictions.html#{name}")]
        home = f"papers/{(papers.tables() | figures())[name]['paper']}"
        words = number_of(name)
        return [self.link(words, f"{home}.html#{name}") if (BOOK / f"{home}.md").exists() else words]

    def pages(self, table: str) -> list[list[nodes.Node | str]]:
        """The table's published pages, by profile, with counts of verdicts."""
        return [[self.link(found.plan.profile.name, f"executed/{page}.html"), " ", *counts(verdicts)]
                for page, found, verdicts in pages_of(table)]  # fmt: skip

    def per_paper(self, prefix: str, make: Callable[[str], list[nodes.Node]]) -> list[nodes.Node]:
        """A section for each paper that has something."""
        out = []
        for key in papers.PAPERS:
            inside = make(key)
            if inside:
                out.append(nodes.section("", nodes.title("", short(key)), *inside, ids=[f"{prefix}-{key}"]))
        return out


# --- the papers' pages ------------------------------------------------------------------------------------------


def rest_of(table: dict[str, Any]) -> list[str]:
    """The columns of scores that our table of it, where there is one, does not measure."""
    made = definitions().get(table["id"])
    return [name for name in table["metric"] if made is None or name not in made.columns]


def as_printed(table: dict[str, Any], only: list[str] | None = None) -> str:
    """A table as the paper prints it, best values marked, what was not run said, with copies to take along.

    only   of its columns of scores; all where None
    """
    made, missing = definitions().get(table["id"]), rest_of(table)
    scores = {name: made.column(name).best if made and name in made.columns else "high" for name in table["metric"]}
    columns = [one for one in table["columns"] if only is None or one["key"] in only or one["key"] not in scores]
    unit = "" if table["unit"] is None else str(table["unit"])
    head = []
    for one in columns:
        own = one.get("unit") or (unit if one["key"] in scores else "")
        own = "" if not own or own.lower() in one["label"].lower() else f", {own}"
        head.append(f"{one['label']}{own}{', not run yet' if made and one['key'] in missing else ''}")
    digits = {one["key"]: digits_of([line.get(one["key"]) for line in table["rows"]]) for one in columns}
    body = [[shown_with(line.get(one["key"]), digits[one["key"]]) for one in columns] for line in table["rows"]]
    body = [[without_citations(cell) for cell in line] for line in body]
    marked = [[html.escape(cell) for cell in line] for line in body]
    for place, one in enumerate(columns):
        values = [line.get(one["key"]) for line in table["rows"]]
        held = [value for value in values if isinstance(value, int | float)]
        if one["key"] in scores and scores[one["key"]] and len(held) > 1:
            best = (max if scores[one["key"]] == "high" else min)(held)
            for line, value in zip(marked, values, strict=True):
                line[place] = f"<strong>{line[place]}</strong>" if value == best else line[place]
    if made is None:
        head.append("our runs")
        for plain, rich in zip(body, marked, strict=True):
            plain.append("not run yet")
            rich.append("not run yet")
    protocol = without_citations(table["protocol"])
    said = f"{table['number'] or 'A table'} as printed, data {table['dataset']}; protocol: {protocol}."
    if missing:
        said += " Not run yet: there is no data for it at the scales that were run."
    links = []
    for label, kind, text in (("CSV", "csv", in_csv(head, body)), ("Markdown", "md", as_markdown(head, body, [])),
                              ("LaTeX", "tex", as_latex(head, body, []))):  # fmt: skip
        data = base64.b64encode(text.encode()).decode()
        name = f"{table['id']}-paper.{kind}"
        links.append(f'<a download="{name}" href="data:text/plain;base64,{data}">{label}</a>')
    shown = html_table([html.escape(one) for one in head], marked, "printed")
    note = f'<p class="caption">{html.escape(said)}</p><p class="copies">Take it along: {" · ".join(links)}</p>'
    return shown + note


def without_citations(text: str) -> str:
    """Text without the paper's numbered citations."""
    return re.sub(r"\s*\[\d+\]", "", text)


def digits_of(values: list[Any]) -> int:
    """The most digits behind the point of a column's numbers: the paper prints all with as many."""
    return max((len(str(value).partition(".")[2]) for value in values if isinstance(value, float)), default=0)


def shown_with(value: Any, digits: int) -> str:
    """A cell as printed: 89.0 stays 89.0 beside 89.9."""
    return number(value, digits) if isinstance(value, float) else headings.plainly(value)


def in_csv(head: list[str], body: list[list[str]]) -> str:
    """Plain cells as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *body])
    return out.getvalue()


class PaperColumns(Block):
    """The columns of a paper's table that are not run. Argument: the table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        table = papers.table(self.arguments[0])
        return [raw(as_printed(table, rest_of(table)))]


def further_notes(table: str) -> str:
    """Notes in the margin for what concerns a table beside its definition's own: the paper's in full, others by id."""
    made = definitions().get(table)
    others = [name for name, ids in concerned().items() if made and table in ids and name not in made.margin]
    known, home = contradictions(), papers.table(table)["paper"]
    own = [name for name in others if known[name]["scope"] == "within" and known[name]["paper"] == home]
    text = publish.margin(replace(made, margin=tuple(own))) if made else ""
    if rest := [name for name in others if name not in own]:
        text += f"```{{margin}} **Between papers**\nThe table has a part in {', '.join(rest)} too.\n```\n\n"
    return text


def with_columns(app: Sphinx, name: str, source: list[str]) -> None:
    """Complete the page of a table: its margin notes, in readable words, and the paper's columns that were not run."""
    folder, _, page = name.rpartition("/")
    table = page.partition("-")[0]
    if folder != "executed" or table not in papers.tables():
        return
    book = json.loads(source[0])
    for cell in book["cells"]:
        if cell["cell_type"] == "markdown" and VARIED in (text := "".join(cell["source"])):
            cell["source"] = readable(text.replace(VARIED, further_notes(table) + VARIED, 1))
    if rest_of(papers.table(table)):
        text = f"## The paper's columns that are not run yet\n\n```{{paper-columns}} {table}\n```"
        book["cells"].append({"cell_type": "markdown", "id": "paper-columns", "metadata": {}, "source": text})
    source[0] = json.dumps(book)


class PaperTables(Block):
    """Every table of a paper: what it asks, what came out, the claims that rest on it. Argument: the paper."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return [self.entry(table) for table in papers.paper(self.arguments[0])["tables"]]

    def entry(self, table: dict[str, Any]) -> nodes.Node:
        """One table."""
        made = definitions().get(table["id"])
        varied = f"{table['varied'][0].upper()}{table['varied'][1:]}".replace(" x ", " × ")
        shown = self.pages(table["id"])
        name = table["number"] or "Text"
        status: list[nodes.Node | str] = ["not run yet"]
        if shown:
            status = ["our runs: ", *listed(shown, "· ")]
        elif made is not None:
            status = ["not run yet; ", nodes.literal("", f"make reproduce TABLE={table['id']}")]
        return div(
            "entry",
            para(strong(name), f" {made.title if made else varied}", kind="name"),
            para(made.question if made else f"Data: {table['dataset']}.", kind="asks"),
            para(*status, kind="came"),
            self.printed(table, made is not None),
            *self.rest(table["id"], papers.claims_on(table["id"]), made),
            id=table["id"],
        )

    @staticmethod
    def printed(table: dict[str, Any], folded: bool) -> nodes.Node:
        """The paper's numbers; folded where our own page shows them too."""
        if not folded:
            return raw(as_printed(table))
        return raw(f"<details><summary>the paper's numbers</summary>{as_printed(table)}</details>")

    def rest(self, name: str, claims: list[dict[str, Any]], made: Definition | None) -> list[nodes.Node]:
        """The claims on a table or figure, and the contradictions that concern it."""
        lines = []
        if claims:
            lines.append(["claims ", *listed([self.named(claim["id"]) for claim in claims])])
        told = [one for one, ids in concerned().items() if name in ids]
        told += [one for one in getattr(made, "margin", ()) if one not in told]
        if told:
            lines.append(["contradictions ", *listed([self.named(one) for one in told])])
        return [para(*listed(lines, " · "), kind="about")] if lines else []


PLOTS = {"ifnd_fig1": "ifnd_granularity"}  # figures that plot a table: the table's page has them


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
                where = ["our figure: ", *listed(links)]
            elif name in diagrams.DRAWINGS:
                where = [self.link("drawn anew above", f"{self.env.docname}.html#{name}")]
            claims = [claim for claim in papers.claims().values() if name in claim["rests_on"]]
            about = self.rest(name, claims, None)
            words = para(strong(figure["number"] or "Figure"), f" {readable(figure['shows'])}", kind="name")
            anchor = "" if name in diagrams.DRAWINGS else name  # the drawing itself has it
            out.append(div("entry", words, para(*where, kind="came"), *about, id=anchor))
        return out


class FigureClaims(PaperFigures):
    """The paper's part, the methods, claims and contradictions of a figure. Argument: the figure."""

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        claims = [claim for claim in papers.claims().values() if name in claim["rests_on"]]
        home = para("In the paper's part: ", *self.named(name), kind="came")
        shown = getattr(evolution.DEFINITIONS.get(name), "arms", ())
        ran = list(dict.fromkeys(maps.ARMS[arm].method for arm in shown))
        if ran:
            home += nodes.Text(" · trained: ")
            home += [one if isinstance(one, nodes.Node) else nodes.Text(one)
                     for one in listed([[self.link(method, f"methods/{method}.html")] for method in ran])]  # fmt: skip
        return [home, *self.rest(name, claims, None)]


class Diagram(Block):
    """A schematic figure of a paper, drawn from our parts; the content is its caption. Argument: the figure."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        require(name in diagrams.DRAWINGS, "diagram", "figure", f"one of {', '.join(diagrams.DRAWINGS)}", name)
        made = div("diagram", raw(f'<div class="scroll">{diagrams.DRAWINGS[name]()}</div>'), id=name)
        self.state.nested_parse(self.content, self.content_offset, made)
        return [made]


class MethodTables(Block):
    """The papers' tables that train a method, with their claims. Argument: the method."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        out = []
        for name, made in definitions().items():
            if self.arguments[0] not in trained(made):
                continue
            claims = [self.named(claim["id"]) for claim in papers.claims_on(name)]
            shown = self.pages(name) or [["not run yet"]]
            head = para(strong(made.title), " (", *self.named(name), "): ", *listed(shown, "· "), kind="name")
            out.append(div("entry", head, *([para("claims ", *listed(claims), kind="about")] if claims else [])))
        return out


def with_claims(app: Sphinx, name: str, source: list[str]) -> None:
    """Give every method's page the tables and claims it takes part in, and every figure's page its claims."""
    folder, _, method = name.rpartition("/")
    if folder == "figures" and method in figures():
        source[0] += f"\n\n## Where it belongs\n\n```{{figure-claims}} {method}\n```\n"
    if folder == "methods" and any(method in trained(made) for made in definitions().values()):
        source[0] += f"\n\n## The papers' tables it is part of\n\n```{{method-tables}} {method}\n```\n"


# --- claims -----------------------------------------------------------------------------------------------------


class ClaimsList(Block):
    """Every claim of the five papers with its verdict per profile and what would settle it; can be filtered."""

    def run(self) -> list[nodes.Node]:
        every = [name for claim in papers.claims() for name in self.verdicts_of(claim)]
        buttons = ['<label><input type="radio" name="verdict" checked> all</label>']
        buttons += [f'<label><input type="radio" name="verdict" value="{name.replace(" ", "-")}"> {badge(name)} '
                    f"{every.count(name)}</label>" for name in BADGE_ORDER]  # fmt: skip
        words = "<legend>Show claims that at some scale were found to be</legend>"
        chosen = raw(f'<fieldset class="filter">{words}{"".join(buttons)}</fieldset>')
        return [chosen, *self.per_paper("claims", lambda key: [self.entry(c) for c in papers.paper(key)["claims"]])]

    @staticmethod
    @functools.cache
    def known(claim: str) -> dict[str, tuple[str, str, Verdict]]:
        """Profile -> (page, table, verdict); of several tables that show a claim, one that judges it."""
        best: dict[str, tuple[str, str, Verdict]] = {}
        for page, found, verdicts in judged():
            for verdict in verdicts:
                before = best.get(found.plan.profile.name)
                if verdict.claim == claim and (before is None or before[2].verdict == "not judged"):
                    best[found.plan.profile.name] = (page, found.definition.id, verdict)
        return best

    def verdicts_of(self, claim: str) -> list[str]:
        """The distinct verdicts on a claim over profiles; "not judged" alone where nothing judged it."""
        names = {verdict.verdict for _, _, verdict in self.known(claim).values()} - {"not judged"}
        return sorted(names) or ["not judged"]

    def entry(self, claim: dict[str, Any]) -> nodes.Node:
        """One claim."""
        name = claim["id"]
        came = [para(*line, kind="came") for line in self.lines(claim)]
        about: list[list[nodes.Node | str]] = []
        where = [one for one in claim["rests_on"] if one != "text"]
        rests = listed([self.named(one) for one in dict.fromkeys([*where, *tables_of()[name]])])
        text = ["the paper's text"] if "text" in claim["rests_on"] else []
        about.append(["rests on ", *rests, *([" and "] if rests and text else []), *text])
        run = list(dict.fromkeys(m for t in tables_of()[name] if t in definitions() for m in trained(definitions()[t])))
        if run:
            about.append(["trains ", *listed([[self.link(method, f"methods/{method}.html")] for method in run])])
        adapted = [d.adapted[name] for d in definitions().values() if name in getattr(d, "adapted", {})]
        if adapted:
            about.append(["judged as ", nodes.literal("", adapted[0])])
        told = [one for one, ids in concerned().items() if name in ids]
        if told:
            about.append(["see ", *listed([self.named(one) for one in told])])
        words = para(strong(name), f" {claim['text']}", kind="name")
        kind = " ".join(f"is-{one.replace(' ', '-')}" for one in self.verdicts_of(name))
        return div(f"entry claim {kind}", words, *came, para(*listed(about, " · "), kind="about"), id=name)

    def lines(self, claim: dict[str, Any]) -> list[list[nodes.Node | str]]:
        """A line per profile; one that says why not where nothing judged it."""
        lines = []
        for scale, (page, table, verdict) in self.known(claim["id"]).items():
            where = self.link(f"{papers.table(table)['number']} at {scale} scale", f"executed/{page}.html")
            lines.append([raw(badge(verdict.verdict)), " ", where, *self.settled(verdict)])
        if not lines:
            written = papers.expression(claim) is not None
            told = [d.unrun[claim["id"]] for d in definitions().values() if claim["id"] in d.unrun]
            why = "not run yet" if written else "the claim cannot be written over measured cells"
            why = told[0] if told else why
            lines = [[raw(badge("not judged")), f" {why}"]]
        if holds_in_paper(claim) is False:
            lines.append(["The paper's own numbers do not bear it out."])
        return lines

    @staticmethod
    def settled(verdict: Verdict) -> list[str]:
        """The probability, and what an undecided claim would take."""
        if verdict.verdict == "not judged":
            return [f": {verdict.reason}"]
        out = [f", probability {probability(verdict)}"]
        if verdict.verdict == "inconclusive":
            out.append(f"; {sslbook.settles(verdict)}")
        return out


# --- contradictions ---------------------------------------------------------------------------------------------


class Contradictions(Block):
    """A paper's contradictions, in full; the content adds what we say of each. Argument: the paper.

    Content: for each note a line `id: ids of the tables, figures and claims it concerns`, then Markdown, indented.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        notes: dict[str, StringList] = {}
        for place, line in enumerate(self.content):
            if match := NOTE.match(line):
                notes[match[1]] = StringList()
                name = match[1]
            elif line.strip():
                notes[name].append(line.strip(), *self.content.info(place))
            elif notes:
                notes[name].append("", *self.content.info(place))
        own = papers.paper(self.arguments[0])["contradictions"]
        strangers = set(notes) - {one["id"] for one in own}
        require(not strangers, f"contradictions {self.arguments[0]}", "note", "on one of the paper's own", strangers)
        return [self.entry(one, notes.get(one["id"])) for one in own]

    def entry(self, one: dict[str, Any], note: StringList | None) -> nodes.Node:
        """One contradiction."""
        name = one["id"]
        kind = "transcription" if one["type"] == "ocr" else one["type"]
        scope = "within the paper" if one["scope"] == "within" else f"between {', '.join(map(short, one['papers']))}"
        made = div("entry contradiction", para(strong(name), f" {scope}: {kind}", kind="name"), id=name)
        sides = [div("side", para(readable(one[side]))) for side in ("statement_a", "statement_b")]
        made += div("sides", *sides)
        if mirrored := re.fullmatch(r"see (\w+)", one["analysis"].strip()):
            made += para("The same as ", *self.named(mirrored[1]), ", told there.", kind="analysis")
            return made
        made += para(readable(one["analysis"]), kind="analysis")
        if note is not None and any(line.strip() for line in note):
            self.state.nested_parse(note, self.content_offset, made)
        made += para(strong("What we do."), f" {readable(one['use'])}", kind="use")
        lines = []
        if ids := concerned()[name]:
            lines.append(["concerns ", *listed([self.named(other) for other in ids])])
        ran = [d for d in definitions().values() if name in getattr(d, "margin", ())]
        for definition in ran:
            shown = self.pages(definition.id)
            lines.append(["we ran ", *self.named(definition.id), ": ", *listed(shown, "· ")] if shown else
                         ["to be run in ", *self.named(definition.id)])  # fmt: skip
        if lines:
            made += para(*listed(lines, " · "), kind="about")
        return made


# --- gallery ----------------------------------------------------------------------------------------------------


def pictured(page: Path) -> tuple[str, bytes | None, str]:
    """Title, first picture and its alternative text, of an executed notebook."""
    cells = json.loads(page.read_text())["cells"]
    text = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    title = text.splitlines()[0].lstrip("# ")
    for cell in cells:
        for output in cell.get("outputs", []):
            png, alt = first_image("".join(output.get("data", {}).get("text/html", "")))
            if png:
                return title, png, alt
    return title, None, ""


def first_image(shown: str) -> tuple[bytes | None, str]:
    """The first PNG within some HTML, and its alternative text."""
    for tag in re.findall(r"<img\b[^>]*>", shown):
        found = re.search(r'src="data:image/png;base64,([^"]+)"', tag)
        alt = re.search(r'alt="([^"]*)"', tag)
        if found:
            return base64.b64decode(found[1]), html.unescape(alt[1]) if alt else ""
    return None, ""


def shrunk(png: bytes | None, alt: str) -> str:
    """A thumbnail in HTML; "" where there is no picture."""
    if not png:
        return ""
    data = base64.b64encode(sslbook.thumbnail(png)).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


def drawn_over_training() -> list[tuple[str, str, bytes | None, str]]:
    """(figure, title, picture, alternative text) of every figure page whose runs are committed."""
    out = []
    for name, made in evolution.DEFINITIONS.items():
        base = profile("cpu")
        if (BOOK / "figures" / f"{name}.md").exists() and all(maps.kept(arm, base, 0) for arm in made.arms):
            out.append((name, made.title, *first_image(shown_as_html(evolution.picture(evolution.figure(name))))))
    return out


def shown_as_html(given: Any) -> str:
    """What a notebook would show."""
    return given._repr_mimebundle_()["text/html"]


class Gallery(Block):
    """A thumbnail of every published page, by paper, with its verdicts; pictures as they stand on the pages."""

    def run(self) -> list[nodes.Node]:
        order = [*papers.tables(), *figures()]
        cards: dict[str, list[tuple[int, str]]] = {}
        entries: list[
            tuple[str, str, str, str, str]
        ] = []  # id, page, title, picture, words below it; HTML but the title
        verdicts = {page: made for page, _, made in judged()}
        for page in sorted(PAGES.glob("*.ipynb")):
            table, _, scale = page.stem.partition("-")
            if scale == "smoke":
                continue
            badges = "".join(part.astext() for part in counts(verdicts.get(page.stem, ())))
            title, png, alt = pictured(page)
            entries.append((table, f"executed/{page.stem}.html", title, shrunk(png, alt), f"{scale} scale {badges}"))
        entries += [(name, f"figures/{name}.html", title, shrunk(png, alt), "cpu scale, one seed")
                    for name, title, png, alt in drawn_over_training()]  # fmt: skip
        png, alt = sslbook.class_tree()
        entries.append(("ifnd_fig5", "figures/ifnd_fig5.html", "IFND: one image, several labels", shrunk(png, alt),
                        "the class tree"))  # fmt: skip
        for name, drawn in diagrams.DRAWINGS.items():
            words = f"{number_of(name)}, drawn anew"
            page = f"papers/{figures()[name]['paper']}.html#{name}"
            entries.append((name, page, words, f'<span class="diagram">{drawn()}</span>', "a schema"))
        total = sum(len(picture) for _, _, _, picture, _ in entries)
        for name, page, title, picture, words in entries:
            where = "../" * self.env.docname.count("/") + page
            card = (f'<a class="card-page thumb" href="{where}">{picture}<b>{html.escape(title)}</b>'
                    f"<span>{words}</span></a>")  # fmt: skip
            known = (papers.tables() | figures()).get(name)
            cards.setdefault(known["paper"] if known else "", []).append((order.index(name) if known else 0, card))
        if total > MOST_BYTES:
            LOG.warning("gallery: pictures take %d bytes, more than %d; make thumbnails smaller", total, MOST_BYTES)

        def grid(key: str) -> list[nodes.Node]:
            inside = "".join(card for _, card in sorted(cards.get(key, [])))
            return [raw(f'<div class="gallery">{inside}</div>')] if inside else []

        ours = grid("")
        if ours:
            ours = [nodes.section("", nodes.title("", "All methods"), *ours, ids=["gallery-ours"])]
        return self.per_paper("gallery", grid) + ours


# --- roles and links --------------------------------------------------------------------------------------------


def cell(text: str) -> str:
    """table.row.column as the paper prints it, or the difference of two."""
    values = [printed(*part.strip().split(".")) for part in text.split(" - ")]
    if any(value is None for value in values):
        raise Missing(f"{text}: the paper prints nothing there")
    if len(values) == 1:
        return str(values[0]) if isinstance(values[0], str) else plain(values[0])
    digits = max(len(str(value).partition(".")[2]) for value in values)
    return number(values[0] - values[1], digits)


def value(text: str) -> str:
    """paper.name: a number from a paper's text."""
    return plain(stated(*text.split(".")))


def setting(text: str) -> str:
    """paper.group.name or table.name: a setting that a paper states."""
    first, *rest = text.split(".")
    found: Any = papers.paper(first)["global_settings"] if first in papers.PAPERS else papers.settings(first)
    for name in rest:
        if name not in found:
            raise Missing(f"{text}: {name}")
        found = found[name]
    return ", ".join(map(plain, found)) if isinstance(found, list) else plain(found)


def plain(given: Any) -> str:
    """A printed number with its digits; thousands apart from five digits on."""
    return f"{given:,}" if isinstance(given, int) and given >= 10_000 else str(given)


def role(read: Callable[[str], str], what: str) -> Callable[..., tuple[list[nodes.Node], list[nodes.Node]]]:
    """An inline role that shows a number of a paper and, on hovering, where it is from."""

    def made(name, rawtext, text, lineno, inliner, options=None, content=()):
        try:
            shown = read(text)
        except (Missing, ValueError, KeyError, TypeError) as error:
            message = inliner.reporter.error(f"{name}: {text}: {error}", line=lineno)
            return [inliner.problematic(rawtext, rawtext, message)], [message]
        return [nodes.abbreviation(rawtext, shown, explanation=f"{what}: {text}", classes=["printed"])], []

    return made


def link_ids(body: str, up: str, known: dict[str, str]) -> str:
    """HTML whose ids of claims and contradictions are links; code blocks, links and attributes stay as they are.

    known   id -> page it has its anchor on
    """
    out, quiet = [], 0
    for part in re.split(r"(<[^>]*>)", body):
        if part.startswith("<"):
            tag = re.match(r"</?([a-zA-Z0-9]+)", part)
            if tag and tag[1].lower() in QUIET and not part.endswith("/>"):
                quiet += -1 if part.startswith("</") else 1
        elif not quiet:
            part = IDS.sub(lambda m: f'<a class="id" href="{up}{known[m[0]]}#{m[0]}">{m[0]}</a>' if m[0] in known
                           else m[0], part)  # fmt: skip
        out.append(part)
    return "".join(out)


def linked(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Link every id that a page mentions; not those that head their own entry."""
    if not context.get("body"):
        return
    known = dict.fromkeys(papers.claims(), "claims.html") | dict.fromkeys(contradictions(), "contradictions.html")
    context["body"] = link_ids(context["body"], "../" * page.count("/"), known)


def setup(app: Sphinx) -> dict:
    """Register everything."""
    app.add_css_file("papers.css")
    app.add_directive("paper-tables", PaperTables)
    app.add_directive("paper-columns", PaperColumns)
    app.add_directive("paper-figures", PaperFigures)
    app.add_directive("figure-claims", FigureClaims)
    app.add_directive("diagram", Diagram)
    app.add_directive("method-tables", MethodTables)
    app.add_directive("claims-list", ClaimsList)
    app.add_directive("contradictions", Contradictions)
    app.add_directive("thumbnails", Gallery)
    app.add_role("printed", role(cell, "printed"))
    app.add_role("stated", role(value, "stated"))
    app.add_role("setting", role(setting, "the paper's setting"))
    app.connect("source-read", with_claims)
    app.connect("source-read", with_columns)
    app.connect("html-page-context", linked, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
