"""Every claim has an entry in the judgement files, every operand exists, and the papers' own cells bear them out."""

import pytest

from sslrepro import papers, tables
from sslrepro.claims import Cell, Missing, holds_in_paper, printed_cell, stated_value
from sslrepro.claims.sentences import KINDS, linear, statistic_of
from sslrepro.claims.statistics import p_values
from sslrepro.claims.verdict import verdict_word

ENTRIES = papers.judgements()
JUDGED = {claim: entry for claim, entry in ENTRIES.items() if entry["statistic"]["kind"] != "none"}
# the printed cells lie exactly on the claimed margin, or tie, where a strict statistic decides nothing
ON_THE_EDGE = {"nnclr_c27", "nnclr_c30", "nnclr_c34", "seppid_c10", "seppid_c18", "seppid_c20", "ifnd_c25"}
# 56.5 and 53.8 are not the table's digits, which the transcribed check asked for; that the gain is clear is true of them
SENTENCE_TRUE_LETTER_FALSE = {"nnclr_c47"}


def test_every_claim_has_an_entry_and_every_entry_a_claim():
    assert set(ENTRIES) == set(papers.claims()) and len(ENTRIES) == 130


@pytest.mark.parametrize("claim", ENTRIES)
def test_an_entry_is_readable(claim):
    entry = ENTRIES[claim]
    assert entry["statistic"]["kind"] in KINDS and len(entry["name"]) < 50
    assert (entry["basis"] == "hedged") is ("hedge" in entry)
    assert entry["old_check"]["is"] in ("as said", "stricter", "looser") and entry["old_check"]["how"]
    for statement in (entry["statistic"], entry.get("here")):
        if statement is not None:
            statistic = statistic_of(statement, sizes=True)
            assert (statistic.tree is None) is (statement["kind"] == "none")
            if statement.get("sense"):
                linear(statement["sense"], statement.get("at", ""))
    if "tolerance" in entry:
        assert entry["tolerance"]["value"] > 0 and entry["tolerance"]["source"]


def exists(key: tuple[str, ...], claim: str) -> bool:
    """A cell of a transcribed table or of ours, or a number of a text or of the claim's expression."""
    if len(key) == 2:
        expression = papers.expression(papers.claims()[claim]) or ""
        return papers.text_value(*key) is not None or f"v('{key[0]}','{key[1]}')" in expression
    table, row, column = key
    rows = {record["row"]: record for record in papers.table(table)["rows"]} if table in papers.tables() else {}
    if row in rows and column in rows[row]:
        return True
    if table in tables.names():
        ours = tables.definition(table)
        return row in ours.ours and column in ours.columns
    return f"'{table}','{row}'" in (papers.expression(papers.claims()[claim]) or "") or table == "isl_transfer"


@pytest.mark.parametrize("claim", JUDGED)
def test_every_operand_exists(claim):
    for statement in (ENTRIES[claim]["statistic"], ENTRIES[claim].get("here")):
        if statement is not None:
            missing = [key for key in statistic_of(statement).tree.keys() if not exists(key, claim)]
            assert missing == []


def paper_cell(key: tuple[str, ...]) -> Cell:
    value = printed_cell(*key) if len(key) == 3 else stated_value(*key)
    if value is None:
        raise Missing(".".join(key))
    return Cell(float(value), 0.0, 3)


@pytest.mark.parametrize("claim", JUDGED)
def test_the_papers_cells_bear_the_sentence_out(claim):
    """With the paper's numbers in the place of ours, at its own scale, its claims hold: the statistic is its sentence."""
    tree = statistic_of(ENTRIES[claim]["statistic"], sizes=True).tree
    try:
        word = verdict_word(*p_values(tree, paper_cell))
    except (Missing, ValueError):
        assert holds_in_paper(papers.claims()[claim]) is None, "only claims without printed numbers may lack cells"
        return
    if claim in ON_THE_EDGE:
        assert word == "inconclusive"
    else:
        assert word == "holds"
        assert holds_in_paper(papers.claims()[claim]) is not False or claim in SENTENCE_TRUE_LETTER_FALSE


@pytest.mark.parametrize("claim", [claim for claim, entry in ENTRIES.items() if "here" in entry])
def test_what_is_judged_here_is_said(claim):
    assert ENTRIES[claim]["here"]["words"]


def test_claims_on_mined_images_declare_it():
    declared = {claim for claim, entry in ENTRIES.items() if "premise" in entry}
    assert {"nnclr_c13", "nnclr_c23", "seppid_c03", "ifnd_c18", "isl_c01"} <= declared
    assert not {"nnclr_c21", "nnclr_c35", "nnclr_c39", "ifnd_c08"} & declared


def broken(monkeypatch, **change):
    papers.judgements.cache_clear()
    text = (papers.resources.files("sslrepro.papers") / "judgements" / "isl.yaml").read_text("utf-8")
    real = papers.yaml.load

    def load(source, Loader):
        entries = real(source, Loader)
        if source == text:
            entry = entries["isl_c01"] | change
            entries["isl_c01"] = {key: value for key, value in entry.items() if value is not None}
            if change.get("name") == "":
                del entries["isl_c01"]["name"]
        return entries

    monkeypatch.setattr(papers.yaml, "load", load)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"basis": "guessed"}, "basis must be one of asserted, hedged, read off"),
        ({"nmae": "x"}, "Did you mean 'name'"),
        ({"name": ""}, "judgements.isl_c01: name must be given"),
        ({"premise": "minde"}, "premise must be one of mined"),
        ({"statistic": {"kind": "equivalence", "cells": [], "within": 1}}, "tolerance must be given with its source"),
    ],
)
def test_a_faulty_entry_is_refused(monkeypatch, change, message):
    broken(monkeypatch, **change)
    try:
        with pytest.raises(ValueError, match=message):
            papers.judgements()
    finally:
        papers.judgements.cache_clear()
