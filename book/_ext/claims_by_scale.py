"""A column per scale: every judged claim with its verdict at each."""

import html

from badges import badge
from blocks import Block, raw
from claims_board import Known, verdicts_by_claim
from docutils import nodes
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.report.formats import html_table
from sslrepro.study.every_scale import AIMS, order


def scales_of(by_claim: dict[str, list[Known]]) -> list[str]:
    """The scales at which any claim was judged or tried, small to large."""
    return sorted({scale for entries in by_claim.values() for _, scale, _ in entries}, key=order)


def reached(entries: list[Known]) -> dict[str, Known]:
    """Scale -> the verdict reached there."""
    return {entry[1]: entry for entry in entries if entry[0].verdict != "not judged"}


def line(claim: dict[str, str], entries: list[Known], scales: list[str], paper: str) -> list[str]:
    """A claim's cells in HTML: paper, name, and a verdict per scale, which leads to the page that shows it."""
    name = html.escape(papers.judgements()[claim["id"]]["name"])
    cells = [paper, f'<a href="#{claim["id"]}" title="{html.escape(claim["text"], quote=True)}">{name}</a>']
    at = reached(entries)
    for scale in scales:
        shown = f'<a href="executed/{at[scale][2]}.html">{badge(at[scale][0].verdict)}</a>' if scale in at else "–"
        cells.append(shown)
    return cells


class ClaimsByScale(Block):
    """Claims that several scales judged; folded below, all that any scale judged."""

    def run(self) -> list[nodes.Node]:
        by_claim = verdicts_by_claim()
        scales = scales_of(by_claim)
        several, every = [], []
        for key in papers.PAPERS:
            for claim in papers.paper(key)["claims"]:
                at = reached(by_claim.get(claim["id"], []))
                if at:
                    cells = line(claim, by_claim[claim["id"]], scales, papers.paper(key)["paper"]["short"])
                    every.append(cells)
                    several += [cells] if len(at) > 1 else []
        head = ["paper", "claim", *scales]
        none = [scale for scale in AIMS if scale not in scales]
        note = f"No claim is judged at {' or '.join(none)} scale yet. " if none else ""
        note += "A dash: its runs are not in the ledger of that scale. Verdicts lead to the page that shows them."
        first = (
            html_table(head, several, "verdicts") if several else "<p>No claim is judged at more than one scale.</p>"
        )
        fold = f"<details><summary>All {len(every)} claims that were judged at any scale</summary>"
        fold += f"{html_table(head, every, 'verdicts')}</details>"
        return [raw(f'{first}<p class="caption">{html.escape(note)}</p>{fold}')]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("claims-by-scale", ClaimsByScale)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
