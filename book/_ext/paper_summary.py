"""What does a paper find, and what did we find? The top of its page, from verdicts and named claims."""

from typing import Any

from badges import badge, counts
from blocks import Block, div, list_of, para, raw, strong
from claims_list import ClaimsList
from docutils import nodes
from published import judged
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.claims import Verdict
from sslrepro.report.formats import number

MAIN = {  # the claims a reader of the paper would name; the choice is ours, what is said of them is not typed
    "nnclr": ("nnclr_c01", "nnclr_c13", "nnclr_c16", "nnclr_c23", "nnclr_c39"),
    "ifnd": ("ifnd_c26", "ifnd_c10", "ifnd_c13", "ifnd_c18", "ifnd_c19"),
    "seppid": ("seppid_c03", "seppid_c05", "seppid_c17", "seppid_c19", "seppid_c20"),
    "isl": ("isl_c07", "isl_c08", "isl_c03", "isl_c05"),
    "invp": ("invp_c05", "invp_c06", "invp_c07", "invp_c04", "invp_c10"),
}


def sizes(claim: dict[str, Any], by_scale: dict[str, tuple[str, str, Verdict]]) -> str:
    """The effect the paper prints and ours with its interval, of the first scale that has one."""
    check = claim.get("check") or {}
    unit = check.get("gap_unit") or ""
    parts = [f"paper {number(check['paper_gap'], 1, sign=True)}"] if check.get("paper_gap") is not None else []
    gap = next((verdict.gap for _, (_, _, verdict) in sorted(by_scale.items()) if verdict.gap is not None), None)
    if gap is not None:
        middle, low, high = (number(value, 1, sign=True) for value in gap)
        parts.append(f"ours {middle} [{low}, {high}]")
    return f" ({', '.join(parts)}{' ' + unit if unit else ''})" if parts else ""


class PaperSummary(Block):
    """The main claims of a paper with their verdicts, and counts over all of its claims. Argument: the paper."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        key = self.arguments[0]
        claims = papers.paper(key)["claims"]
        lines = []
        for name in MAIN[key]:
            claim, entries = papers.claims()[name], ClaimsList.by_scale(name)
            marks: list[nodes.Node | str] = []
            for scale, (page, table, verdict) in sorted(entries.items()):
                marks += [
                    raw(badge(verdict.verdict, scale)),
                    " ",
                    self.link(papers.table(table)["number"] or "our table", f"executed/{page}.html"),
                    " ",
                ]
            text = f" {claim['text'].rstrip('.')}{sizes(claim, entries)}."
            lines.append(
                nodes.list_item("", para(*(marks or [raw(badge("not judged")), " "]), self.id_link(name)[0], text))
            )
        own = {claim["id"] for claim in claims}
        by_scale: dict[str, dict[str, Verdict]] = {}
        for _, results, verdicts in judged():
            at = by_scale.setdefault(results.plan.profile.name, {})
            for verdict in verdicts:
                if verdict.claim in own and (verdict.claim not in at or at[verdict.claim].verdict == "not judged"):
                    at[verdict.claim] = verdict
        tallies = [counts(tuple(at.values()), scale) for scale, at in sorted(by_scale.items()) if at]
        reached = {
            name
            for at in by_scale.values()
            for name, verdict in at.items()
            if verdict.verdict not in ("not judged", "not tested")
        }
        total = para(
            strong("What we found. "),
            f"We wrote down {len(claims)} claims of the paper and could judge {len(reached)} of them: ",
            *list_of(tallies, "· "),
            "Effects below the paper's own scale are judged by their direction; ",
            self.link("what a verdict means", "rule.html"),
            ".",
        )
        return [
            div(
                "summary",
                para(strong("What the paper finds, and what came of it here.")),
                nodes.bullet_list("", *lines),
                total,
            )
        ]


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("paper-summary", PaperSummary)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
