"""Scales in the book: the block on a table's page, and a column per scale for claims."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sslrepro.claims import Verdict
from sslrepro.report import every_scale

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(EXTENSIONS))
    names = ("claims_board", "claims_by_scale", "table_page", "yardsticks", "published", "speed_tables")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(EXTENSIONS))


def known(verdict, scale, page="nnclr_queue-cpu"):
    return Verdict("nnclr_c01", "text", verdict, probability=0.5), scale, page


def test_a_claim_has_a_cell_per_scale(pages, monkeypatch):
    by_claim = {
        "nnclr_c01": [known("holds", "night"), known("inconclusive", "cpu"), known("not judged", "cpu-cifar10")]
    }
    monkeypatch.setattr(pages.claims_by_scale, "verdicts_by_claim", lambda: by_claim)
    text = pages.claims_by_scale.ClaimsByScale.run(object.__new__(pages.claims_by_scale.ClaimsByScale))[0].astext()
    head = text.partition("</thead>")[0]
    assert head.index("<th>cpu</th>") < head.index("<th>cpu-cifar10</th>") < head.index("<th>night</th>")
    first = text.partition("<details>")[0]
    row = first[first.index("<tbody>") :]
    assert row.index("inconclusive") < row.index("<td>–</td>") < row.index("holds")
    assert "No claim is judged at gpu or paper scale yet." in text and "All 1 claims" in text


def test_a_claim_of_one_scale_is_folded(pages, monkeypatch):
    monkeypatch.setattr(pages.claims_by_scale, "verdicts_by_claim", lambda: {"nnclr_c01": [known("holds", "cpu")]})
    text = pages.claims_by_scale.ClaimsByScale.run(object.__new__(pages.claims_by_scale.ClaimsByScale))[0].astext()
    first, _, fold = text.partition("<details>")
    assert first.startswith("<p>No claim is judged at more than one scale.") and "holds" in fold


def test_a_square_names_every_scale(pages):
    claim = {"id": "nnclr_c01", "text": "a claim"}
    mark = pages.claims_board.square(claim, [known("holds", "night"), known("contradicted", "cpu")])
    assert "(holds at night scale; contradicted at cpu scale)" in mark and 'class="square holds"' in mark
    assert "(not judged)" in pages.claims_board.square(claim, [])


def test_the_pages_of_papers_tables_have_the_block_and_ours_have_not(pages):
    def completed(name):
        source = [json.dumps({"cells": []})]
        pages.table_page.complete(None, name, source)
        return source[0]

    assert "```{every-scale} nnclr_queue" in completed("executed/nnclr_queue-cpu")
    assert "every-scale" not in completed("executed/budget_sweep-night")


def test_scales_without_a_page_stand_on_the_tables_first_page(pages, monkeypatch):
    verdicts = [Verdict("nnclr_c01", "text", "holds"), Verdict("nnclr_c02", "text", "not judged")]

    def results(table, scale):
        named = SimpleNamespace(plan=SimpleNamespace(profile=SimpleNamespace(name=scale)), verdicts=lambda: verdicts)
        named.definition = SimpleNamespace(id=table)
        return named

    asked = {}

    def at_every_scale(table, passed_over):
        asked[table] = passed_over
        return [results(table, "night")]

    monkeypatch.setattr(pages.published, "at_every_scale", at_every_scale)
    entries = [
        ("nnclr_queue-cpu", results("nnclr_queue", "cpu"), ()),
        ("nnclr_queue-cpu-cifar10", results("nnclr_queue", "cpu-cifar10"), ()),
        ("budget_sweep-night", results("budget_sweep", "night"), ()),
    ]
    ((page, of, reached),) = pages.published.beside(entries)
    assert page == "nnclr_queue-cpu" and of.plan.profile.name == "night"
    assert [verdict.claim for verdict in reached] == ["nnclr_c01"]
    assert asked == {"nnclr_queue": ("cpu", "cpu-cifar10")}


def test_the_chapter_of_yardsticks_has_its_parts(pages):
    text = (EXTENSIONS.parent / "yardsticks.md").read_text("utf-8")
    assert all(f":part: {part}" in text for part in pages.yardsticks.PARTS)
    assert "file: yardsticks" in (EXTENSIONS.parent / "_toc.yml").read_text("utf-8")


def test_the_committed_ledger_shows_the_queue_on_two_sets_of_images():
    shown = every_scale.of_table("nnclr_queue")
    names = [every_scale.name_of(results) for results in every_scale.compared(shown.several)]
    assert names[:2] == ["cpu", "cpu-cifar10"]
    text = every_scale.block(shown).text
    assert "cpu, n = 5" in text and "cpu-cifar10, n = 3" in text and "Other images: cpu (" in text


def test_a_row_of_the_speed_table_is_held_against_the_peak_of_its_precision(pages):
    peaks = {"flops_per_second": 2e9, "bf16_flops_per_second": 8e9}
    share = pages.speed_tables.share_of_peak
    assert share({"flops_per_second": 1e9}, peaks) == "50%" and share({}, peaks) == ""
    assert share({"flops_per_second": 6e9, "peak": "bf16_flops_per_second"}, peaks) == "75%"
    assert pages.speed_tables.in_words(peaks) == "2 GFLOP/s in fp32, 8 GFLOP/s in bf16"
    for record in pages.speed_tables.of_processors().values():
        assert all(int(share(row, record["peaks"]).strip("%") or 0) <= 100 for row in record["rows"])


def test_targets_say_what_a_step_at_the_peak_would_reach(pages):
    rows = [
        {"what": what, "peer": peer, "ratio": 2.0, "flops_per_second": 1.0, "views_share": 0.04, "alone_share": 0.97}
        for what, peer, _ in pages.speed_tables.TARGETS
    ]
    for row in rows[-2:]:
        row["peak"] = "bf16_flops_per_second"
    record = {"rows": rows, "peaks": {"flops_per_second": 2.0, "bf16_flops_per_second": 8.0}}
    body = pages.speed_tables.targets(record)
    assert [line[3] for line in body[:6]] == ["–", "4.0", "4.0", "4.0", "16.0", "16.0"]
    assert [line[2] for line in body] == ["2.0"] * 6 + ["4%", "97%"]


def test_a_target_that_the_record_lacks_is_listed_as_not_measured(pages):
    rows = [
        {"what": what, "peer": peer, "ratio": 2.0, "flops_per_second": 1.0}
        for what, peer, _ in pages.speed_tables.TARGETS
        if "bf16" not in what
    ]
    body = pages.speed_tables.targets({"rows": rows, "peaks": {"flops_per_second": 2.0}})
    assert [line[2] for line in body] == ["2.0"] * 4 + ["not measured"] * 2


def test_every_kind_of_processor_has_its_columns_and_none_those_of_another(pages):
    """A kind that lacks the steps in bf16 has its own numbers in the lines that it has, and says what it lacks."""
    rows = [
        {"what": what, "peer": peer, "ratio": 2.0, "flops_per_second": 1.0, "views_share": 0.04, "alone_share": 0.97}
        for what, peer, _ in pages.speed_tables.TARGETS
    ]
    peaks = {"flops_per_second": 2.0}
    slow = {"rows": [row | {"ratio": 3.0} for row in rows[:-2]], "peaks": peaks}
    head, body = pages.speed_tables.targets_of_kinds({"has none": slow, "has it": {"rows": rows, "peaks": peaks}})
    assert [words for words in head if "processor" in words] == ["a processor that has none", "a processor that has it"]
    assert [line[2] for line in body] == ["3.0"] * 4 + ["not measured"] * 4
    assert [line[4] for line in body] == ["2.0"] * 6 + ["4%", "97%"] and all(len(line) == len(head) for line in body)


def test_the_committed_results_are_of_the_kind_that_their_name_says(pages):
    """What multiplies bf16 measures the steps in bf16, what does not has none of them."""
    records = pages.speed_tables.of_processors()
    assert len(records) >= 2
    for words, record in records.items():
        has = any(row.get("peak") == "bf16_flops_per_second" for row in record["rows"])
        assert has == ("does not" not in words) == ("bf16_flops_per_second" in record["peaks"])
