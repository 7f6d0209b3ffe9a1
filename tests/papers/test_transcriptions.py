"""The papers' transcriptions: claims against their own tables, and found by table."""

import pytest

from sslrepro import claims, papers
from sslrepro.claims import Reader, holds_in_paper

EVALUABLE = [claim for claim in papers.claims().values() if (claim.get("check") or {}).get("expr")]


WITH_GAP = [claim for claim in EVALUABLE if claim["check"].get("gap_expr")]


def by_id(claim):
    return claim["id"]


def paper_reader() -> Reader:
    return Reader(claims.printed_cell, claims.stated_value)


def claim_of(expr: str | None, gap: str | None = None, **check) -> dict:
    return {"id": "x_c01", "text": "some text", "check": {"expr": expr, "gap_expr": gap} | check}


def test_every_paper_has_claims_that_its_own_tables_can_tell():
    assert {claim["paper"] for claim in EVALUABLE} == set(papers.PAPERS)
    assert len(EVALUABLE) > 80 and len(WITH_GAP) > 80


@pytest.mark.parametrize("claim", EVALUABLE, ids=by_id)
def test_the_papers_cells_give_the_transcribed_truth(claim):
    assert isinstance(claim["check"]["holds_in_paper"], bool)
    assert holds_in_paper(claim) is claim["check"]["holds_in_paper"]


@pytest.mark.parametrize("claim", WITH_GAP, ids=by_id)
def test_the_papers_cells_give_the_transcribed_gap(claim):
    assert float(paper_reader().read(claim["check"]["gap_expr"])) == pytest.approx(
        claim["check"]["paper_gap"], abs=1e-6
    )


def test_a_claim_without_an_expression_over_printed_cells_has_no_truth_in_the_paper():
    assert holds_in_paper({"id": "x", "text": "x"}) is None
    assert holds_in_paper(claim_of(None)) is None
    assert holds_in_paper(claim_of(None, overlay_expr="1 > 2")) is None


@pytest.mark.parametrize("table", papers.tables())
def test_claims_on_a_table_rest_on_it_or_name_it(table):
    expected = []
    for claim in papers.claims().values():
        check = claim.get("check") or {}
        text = check.get("expr") or check.get("overlay_expr") or ""
        quoted = text.split("'")[1::2]
        if table in claim.get("rests_on", []) or table in quoted:
            expected.append(claim["id"])
    assert [claim["id"] for claim in papers.claims_on(table)] == expected


def test_claims_are_found_either_way(monkeypatch):
    entries = [
        claim_of("c('one','r','x') > 1") | {"id": "by_expression"},
        claim_of(None, overlay_expr="c('one','r','x') > 1") | {"id": "by_overlay", "rests_on": ["two"]},
        {"id": "by_rest", "text": "", "rests_on": ["two", "one"]},
        claim_of("c('one_more','r','x') > 1") | {"id": "longer_name", "rests_on": ["one_more"]},
        {"id": "nothing", "text": ""},
    ]
    monkeypatch.setattr(papers, "claims", lambda: {claim["id"]: claim for claim in entries})
    assert [claim["id"] for claim in papers.claims_on("one")] == ["by_expression", "by_overlay", "by_rest"]
    assert [claim["id"] for claim in papers.claims_on("two")] == ["by_overlay", "by_rest"]
    assert papers.claims_on("three") == []


def test_the_claims_of_the_queue_table():
    assert {claim["id"] for claim in papers.claims_on("nnclr_queue")} >= {"nnclr_c23", "nnclr_c24"}


def test_unknown_papers_and_tables_name_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'nnclr'"):
        papers.paper("nnlcr")
    with pytest.raises(ValueError, match="Did you mean 'nnclr_queue'"):
        papers.table("nnclr_que")
