"""One mark per claim, and counts by paper and scale: the front page's board."""

import html

from blocks import BADGE_ORDER
from claims_list import settles
from docutils import nodes
from docutils.parsers.rst import Directive
from published import published
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.claims import Verdict
from sslrepro.report.formats import html_table
from sslrepro.report.table_page import badge


class ClaimsBoard(Directive):
    """One mark per claim, by the verdict of the largest scale that judged it, and counts by paper and scale.

    "not judged" counts claims that no page of that scale has judged. Below, what each undecided claim would take.
    """

    def run(self) -> list[nodes.Node]:
        judged: dict[str, list[tuple[Verdict, str, str]]] = {}  # claim -> (verdict, scale, page)
        scales: dict[str, dict[str, str]] = {}  # scale -> claim -> its verdict there
        for page, found in published().items():
            scale = found.plan.profile.name
            at = scales.setdefault(scale, {})
            for verdict in found.verdicts():
                if verdict.verdict != "not judged":
                    judged.setdefault(verdict.claim, []).append((verdict, scale, page))
                if verdict.verdict != "not judged" or verdict.claim not in at:
                    at[verdict.claim] = verdict.verdict
        lines, rows, totals, open_ones = [], [], dict.fromkeys(BADGE_ORDER, 0), []
        for key in papers.PAPERS:
            squares, own = [], dict.fromkeys(BADGE_ORDER, 0)
            claims, name = papers.paper(key)["claims"], papers.paper(key)["paper"]["short"]
            for claim in claims:
                known = judged.get(claim["id"], [])
                verdict = known[0][0].verdict if known else "not judged"
                own[verdict] += 1
                took = f", {settles(known[0][0])}" if verdict == "inconclusive" else ""
                title = html.escape(f"{claim['id']}: {claim['text']} ({verdict}{took})", quote=True)
                squares.append(f'<a href="claims.html#{claim["id"]}" class="square {verdict.replace(" ", "-")}"'
                               f' title="{title}" aria-label="{title}"></a>')  # fmt: skip
                for one, scale, page in known:
                    if one.verdict == "inconclusive":
                        open_ones.append(
                            f'<li><a href="claims.html#{claim["id"]}">{claim["id"]}</a> {html.escape(claim["text"])} '
                            f'<a href="executed/{page}.html">At {scale} scale</a>: {settles(one)}.</li>')  # fmt: skip
            link = f'<a href="claims.html#claims-{key}">{name}</a>'
            lines.append(f'<div class="paper"><b>{link}</b><span class="squares">{"".join(squares)}</span></div>')
            totals = {one: totals[one] + own[one] for one in BADGE_ORDER}
            for scale, at in sorted(scales.items()):
                told = [at.get(claim["id"], "not judged") for claim in claims]
                if set(told) != {"not judged"}:
                    rows.append([link, scale, *(str(told.count(one)) for one in BADGE_ORDER)])
        counts = " ".join(f"<span>{badge(name)} {totals[name]}</span>" for name in BADGE_ORDER)
        table = html_table(["paper", "scale", *BADGE_ORDER], rows) if rows else ""
        took = ""
        if open_ones:
            took = (f"<details><summary>What each of the {len(open_ones)} inconclusive verdicts would take</summary>"
                    f"<ul>{''.join(open_ones)}</ul></details>")  # fmt: skip
        board = f'<div class="board">{"".join(lines)}<p class="counts">{counts}</p>{table}{took}</div>'
        return [nodes.raw("", board, format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("claims-board", ClaimsBoard)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
