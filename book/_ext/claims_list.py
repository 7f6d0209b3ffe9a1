"""Every claim with its verdict at each scale and what would settle it."""

import functools
import html
from typing import Any

from badges import badge, classes_of, present
from blocks import Block, div, list_of, para, raw, strong
from docutils import nodes
from published import judged
from relations import concerns, definitions, figures, tables_of, trained_methods
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.claims import Verdict, holds_in_paper
from sslrepro.report.verdicts import probability


def settles(verdict: Verdict) -> str:
    """What would settle an undecided claim."""
    if verdict.seeds_needed is None:
        return "not even 1,000 seeds per cell would settle it here; it needs a larger scale"
    return f"{verdict.seeds_needed:,} seeds per cell would settle it if means and variances stayed the same"


BASIS = {
    "asserted": "the text asserts it",
    "hedged": "the text hedges it",
    "read off": "no sentence says it: we read it off the table",
}


def fold(claim: dict[str, Any], about: dict[str, Any], adapted: str) -> str:
    """Where the paper says a claim, its id, and its expressions, in HTML that opens with a click.

    adapted   the expression over the rows that can be run here; "" where it is the paper's own
    """
    hedge = f" (“{about['hedge']}”)" if about.get("hedge") else ""
    lines = [f"Section {html.escape(str(about['section']))}: {html.escape(BASIS[about['basis']] + hedge)}."]
    expressions = {"over the paper's cells": papers.expression(claim) or "", "over the rows that are run here": adapted}
    lines += [f"{words}: <code>{html.escape(text)}</code>" for words, text in expressions.items() if text]
    lines.append(f'id: <code class="claim-id">{claim["id"]}</code>')
    return f"<details><summary>Where the paper says it, and its expression</summary>{'<br>'.join(lines)}</details>"


class ClaimsList(Block):
    """Every claim of the five papers with its verdict per profile and what would settle it; can be filtered."""

    def run(self) -> list[nodes.Node]:
        every = [name for claim in papers.claims() for name in self.verdicts_of(claim)]
        buttons = ['<label><input type="radio" name="verdict" checked> all</label>']
        shown = present({name: every.count(name) for name in every})
        buttons += [
            f'<label><input type="radio" name="verdict" value="{classes_of(name)}"> {badge(name)} '
            f"{every.count(name)}</label>"
            for name in shown
        ]
        words = "<legend>Filter by verdict</legend>"
        chosen = raw(f'<fieldset class="filter">{words}{"".join(buttons)}</fieldset>')
        return [chosen, *self.per_paper("claims", lambda key: [self.entry(c) for c in papers.paper(key)["claims"]])]

    @staticmethod
    @functools.cache
    def by_scale(claim: str) -> dict[str, tuple[str, str, Verdict]]:
        """Profile -> (page, table, verdict); of several tables that show a claim, one that judges it."""
        best: dict[str, tuple[str, str, Verdict]] = {}
        for page, results, verdicts in judged():
            for verdict in verdicts:
                before = best.get(results.plan.profile.name)
                if verdict.claim == claim and (before is None or before[2].verdict == "not judged"):
                    best[results.plan.profile.name] = (page, results.definition.id, verdict)
        return best

    def verdicts_of(self, claim: str) -> list[str]:
        """The distinct verdicts on a claim over profiles; "not judged" alone where nothing judged it."""
        names = {verdict.verdict for _, _, verdict in self.by_scale(claim).values()} - {"not judged"}
        return sorted(names) or ["not judged"]

    def entry(self, claim: dict[str, Any]) -> nodes.Node:
        """One claim."""
        name = claim["id"]
        came = [para(*line, kind="came") for line in self.lines(claim)]
        about: list[list[nodes.Node | str]] = []
        where = [source for source in claim["rests_on"] if source != "text"]
        rests = list_of([self.id_link(source) for source in dict.fromkeys([*where, *tables_of()[name]])])
        text = ["the paper's text"] if "text" in claim["rests_on"] else []
        about.append(["rests on ", *rests, *([" and "] if rests and text else []), *text])
        tables = [definitions()[table] for table in tables_of()[name] if table in definitions()]
        run = list(dict.fromkeys(method for table in tables for method in trained_methods(table)))
        if run:
            about.append(["trains ", *list_of([[self.link(method, f"methods/{method}.html")] for method in run])])
        adapted = [d.adapted[name] for d in definitions().values() if name in getattr(d, "adapted", {})]
        related = [contradiction for contradiction, ids in concerns().items() if name in ids]
        if related:
            about.append(["see ", *list_of([self.id_link(contradiction) for contradiction in related])])
        about_claim = papers.judgements()[name]
        words = para(strong(about_claim["name"]), f". {claim['text']}", kind="name")
        kind = " ".join(f"is-{classes_of(verdict)}" for verdict in self.verdicts_of(name))
        entry = div(f"entry claim {kind}", words, *came, para(*list_of(about, " · "), kind="about"), id=name)
        entry += raw(fold(claim, about_claim, adapted[0] if adapted else ""))
        return entry

    def lines(self, claim: dict[str, Any]) -> list[list[nodes.Node | str]]:
        """A line per profile; one that says why not where nothing judged it."""
        lines = []
        for scale, (page, table, verdict) in self.by_scale(claim["id"]).items():
            where = self.link(f"{papers.table(table)['number']} at {scale} scale", f"executed/{page}.html")
            lines.append([raw(badge(verdict.verdict, scale)), " ", where, *self.outlook(verdict)])
        if not lines:
            lines = [[raw(badge("not judged")), " ", *self.why_not(claim)]]
        if holds_in_paper(claim) is False:
            lines.append(["The paper's own numbers do not support it."])
        return lines

    def why_not(self, claim: dict[str, Any]) -> list[nodes.Node | str]:
        """Why no page judges a claim: a table's reason, else the judgement's, else what it rests on."""
        reasons = [d.unrun[claim["id"]] for d in definitions().values() if claim["id"] in d.unrun]
        reasons += [papers.judgements()[claim["id"]]["statistic"].get("why", "")]
        if any(reasons):
            return [next(filter(None, reasons))]
        drawn = [self.id_link(source) for source in claim["rests_on"] if source in figures()]
        if drawn:
            return ["it rests on a figure, which is drawn, and no number of it is judged: ", *list_of(drawn)]
        return ["not run yet" if papers.expression(claim) else "the claim cannot be expressed in measured cells"]

    @staticmethod
    def outlook(verdict: Verdict) -> list[nodes.Node | str]:
        """The probability, and what an undecided claim would take."""
        if verdict.verdict in ("not tested", "not judged"):
            return [f": {verdict.reason}"]
        out = [f", probability {probability(verdict)}"]
        if verdict.verdict == "inconclusive":
            out.append(f"; {settles(verdict)}")
        if verdict.verdict == "contradicted":
            out += ["; ", raw(f'<a href="second_looks.html#{verdict.claim}">second look</a>')]
        return out


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("claims-list", ClaimsList)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
