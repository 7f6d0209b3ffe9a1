"""One mark per claim, counts by paper and scale, and what would settle what is open: the front page's board."""

import html

from badges import ORDER, badge, classes_of, present
from claims_list import settles
from docutils import nodes
from docutils.parsers.rst import Directive
from published import judged
from rule_tables import expected_sentence
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.claims import Verdict
from sslrepro.report.formats import html_table
from sslrepro.study.profiles import PROFILES, split_scale

Known = tuple[Verdict, str, str]  # a verdict with its scale and page


def rank(entry: Known) -> tuple[int, int, bool]:
    """Which of several verdicts a claim's mark shows: a decided one, of the largest scale, on real images."""
    verdict, scale, _ = entry
    base, dataset = split_scale(scale)
    decided = {"not judged": 0, "not tested": 1}.get(verdict.verdict, 2)
    return decided, list(PROFILES).index(base), bool(dataset)


def verdicts_by_claim() -> dict[str, list[Known]]:
    """Claim -> its verdicts, the one its mark shows first; at each scale one that judges it where any does."""
    best: dict[tuple[str, str], Known] = {}
    for page, results, verdicts in judged():
        scale = results.plan.profile.name
        for verdict in verdicts:
            before = best.get((verdict.claim, scale))
            if before is None or before[0].verdict == "not judged":
                best[verdict.claim, scale] = (verdict, scale, page)
    by_claim: dict[str, list[Known]] = {}
    for (claim, _), entry in best.items():
        by_claim.setdefault(claim, []).append(entry)
    return {claim: sorted(several, key=rank, reverse=True) for claim, several in by_claim.items()}


def square(claim: dict[str, str], entries: list[Known]) -> str:
    """A claim's mark, a link to its entry."""
    verdict = entries[0][0].verdict if entries else "not judged"
    told = [f"{entry[0].verdict} at {entry[1]} scale" for entry in entries if entry[0].verdict != "not judged"]
    would = f", {settles(entries[0][0])}" if verdict == "inconclusive" else ""
    name = papers.judgements()[claim["id"]]["name"]
    scales = "; ".join([f"{told[0]}{would}", *told[1:]]) if told else verdict
    title = html.escape(f"{name}: {claim['text']} ({scales})", quote=True)
    return (
        f'<a href="claims.html#{claim["id"]}" class="square {classes_of(verdict)}" title="{title}"'
        f' aria-label="{title}"></a>'
    )


class ClaimsBoard(Directive):
    """The board. A claim that no page has judged is "not judged"."""

    def run(self) -> list[nodes.Node]:
        by_claim = verdicts_by_claim()
        scales = sorted({scale for several in by_claim.values() for _, scale, _ in several})
        lines, rows, totals, undecided = [], [], dict.fromkeys(ORDER, 0), []
        for key in papers.PAPERS:
            claims = papers.paper(key)["claims"]
            link = f'<a href="claims.html#claims-{key}">{papers.paper(key)["paper"]["short"]}</a>'
            squares = "".join(square(claim, by_claim.get(claim["id"], [])) for claim in claims)
            lines.append(f'<div class="paper"><b>{link}</b><span class="squares">{squares}</span></div>')
            for claim in claims:
                several = by_claim.get(claim["id"], [])
                totals[several[0][0].verdict if several else "not judged"] += 1
                undecided += [self.line(claim, entry) for entry in several if entry[0].verdict == "inconclusive"]
            for scale in scales:
                here = [
                    next(
                        (verdict.verdict for verdict, at, _ in by_claim.get(claim["id"], []) if at == scale),
                        "not judged",
                    )
                    for claim in claims
                ]
                if set(here) != {"not judged"}:
                    rows.append([link, scale, *here])
        names = present(totals | {name: 1 for row in rows for name in row[2:]})
        counts = " ".join(f"<span>{badge(name)} {totals[name]}</span>" for name in names)
        body = [[link, scale, *(str(here.count(name)) for name in names)] for link, scale, *here in rows]
        table = html_table(["paper", "scale", *names], body) if body else ""
        fold = ""
        if undecided:
            fold = (
                f"<details><summary>How many more seeds the {len(undecided)} inconclusive verdicts need</summary>"
                f"<ul>{''.join(undecided)}</ul></details>"
            )
        wrong = f'<p class="caption">{expected_sentence()}</p>'
        board = f'<div class="board">{"".join(lines)}<p class="counts">{counts}</p>{wrong}{table}{fold}</div>'
        return [nodes.raw("", board, format="html")]

    @staticmethod
    def line(claim: dict[str, str], entry: Known) -> str:
        """What an undecided claim needs."""
        verdict, scale, page = entry
        name = html.escape(papers.judgements()[claim["id"]]["name"])
        return (
            f'<li><a href="claims.html#{claim["id"]}">{name}</a>: {html.escape(claim["text"])} '
            f'<a href="executed/{page}.html">At {scale} scale</a>: {settles(verdict)}.</li>'
        )


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("claims-board", ClaimsBoard)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
