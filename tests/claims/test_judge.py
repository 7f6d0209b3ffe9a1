"""Verdicts on known cells: the rule, what stands beside a verdict, gates, and what is not judged."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sslrepro import papers
from sslrepro.claims import CONTRADICTED, HOLDS, LEAST_SEEDS, Cell, Letter, holds_in_paper, judge, seeds_needed
from sslrepro.claims.gates import Facts, Level, Run, constant_loss, match_of, run_of
from sslrepro.claims.judge import as_contrast
from sslrepro.claims.verdict import lenses, verdict_word

A, B, C = (("t", row, "x") for row in "abc")
a, b, c = (f"c('t','{row}','x')" for row in "abc")
ORDER = {
    "name": "a beats b",
    "section": "4",
    "basis": "asserted",
    "statistic": {"kind": "order", "at": "t/*/x", "more": "a", "less": "b"},
}


def claim_of(expr: str | None = f"{a} > {b}", gap: str | None = f"d({a}, {b})", **check) -> dict:
    return {"id": "nnclr_x", "text": "some text", "check": {"expr": expr, "gap_expr": gap} | check}


def seeds(*values: float, first: int = 0, source: str = "") -> Cell:
    return Cell.of(dict(enumerate(values, first)), source)


def verdict(first: Cell, second: Cell, statistic: dict | None = None, claim: dict | None = None, **options):
    change = options.pop("change", {})
    judgement = ORDER | ({"statistic": ORDER["statistic"] | statistic} if statistic else {}) | change
    return judge(claim or claim_of(), {A: first, B: second}, judgement=judgement, **options)


UP = seeds(71.0, 72.1, 69.9), seeds(60.0, 61.0, 59.0)
TIE = seeds(70.0, 71.0, 69.0), seeds(70.2, 70.8, 69.0)


# --- the rule --------------------------------------------------------------------------------------------------------


def test_the_rule_is_the_one_of_the_decision_record():
    assert (HOLDS, CONTRADICTED, LEAST_SEEDS) == (0.95, 0.05, 3)


@pytest.mark.parametrize(
    "p, word",
    [
        ((0.05, 0.95), "holds"),
        ((0.051, 0.949), "inconclusive"),
        ((0.95, 0.05), "contradicted"),
        ((0.95, 0.051), "inconclusive"),
        ((0.9, 0.9), "inconclusive"),
    ],
)
def test_exactly_at_the_thresholds(p, word):
    assert verdict_word(*p) == word


def test_holds_and_contradicted_are_symmetric():
    up, down = verdict(*UP), verdict(*UP[::-1])
    assert (up.verdict, down.verdict) == ("holds", "contradicted")
    assert (up.probability, up.opposite) == (pytest.approx(down.opposite), pytest.approx(down.probability))
    assert up.probability == pytest.approx(
        1 - stats.ttest_rel([71, 72.1, 69.9], [60, 61, 59], alternative="greater").pvalue
    )


def test_an_open_claim_says_how_many_seeds_it_would_take():
    outcome = verdict(seeds(70.0, 71.0, 69.0), seeds(69.8, 70.1, 69.0))
    assert outcome.verdict == "inconclusive" and outcome.seeds_needed > 3
    difference = np.array([0.2, 0.9, 0.0])

    def p(n):
        return stats.t.sf(difference.mean() / (difference.std(ddof=1) / math.sqrt(n)), n - 1)

    assert p(outcome.seeds_needed) <= 0.05 < p(outcome.seeds_needed - 1)
    assert verdict(*TIE).seeds_needed is None, "no number of seeds tells equal means apart"


def test_shared_seeds_make_a_narrow_difference_visible():
    first, second = seeds(60.5, 70.4, 80.6), seeds(60.0, 70.0, 80.0)
    assert verdict(first, second).verdict == "holds"
    assert verdict(first, seeds(60.0, 70.0, 80.0, first=10)).verdict == "inconclusive"


def test_a_verdict_carries_what_the_page_needs():
    outcome = verdict(*UP, claim=claim_of(paper_gap=2.5, gap_unit="points"))
    assert (outcome.claim, outcome.text, outcome.name, outcome.section, outcome.basis, outcome.kind) == (
        "nnclr_x",
        "some text",
        "a beats b",
        "4",
        "asserted",
        "order",
    )
    assert (outcome.n, outcome.paper_gap, outcome.gap_unit, outcome.reason, outcome.gate) == (3, 2.5, "points", "", "")
    assert outcome.gap == pytest.approx(stats_interval(np.array([11, 11.1, 10.9])))


def stats_interval(values):
    low, high = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    return values.mean(), low, high


def test_values_of_a_text_are_cells():
    statistic = {"more": "nnclr/z", "less": "a"}
    outcome = judge(
        claim_of(), {A: UP[1]}, {("nnclr", "z"): UP[0]}, judgement=ORDER | {"statistic": ORDER["statistic"] | statistic}
    )
    assert outcome.verdict == "holds"


def test_the_parts_of_a_conjunction_are_shown():
    of = [{"kind": "order", "more": "a", "less": "b", "words": "one"}, {"kind": "order", "more": "b", "less": "c"}]
    judgement = ORDER | {"statistic": {"kind": "conjunction", "at": "t/*/x", "of": of}}
    outcome = judge(claim_of(), {A: UP[0], B: UP[1], C: seeds(65.0, 66.0, 64.1)}, judgement=judgement)
    assert outcome.verdict == "contradicted"
    assert [(part.words, part.verdict) for part in outcome.parts] == [
        ("one", "holds"),
        ("b (x) above c (x)", "contradicted"),
    ]
    assert outcome.parts[1].opposite > 0.95 > outcome.parts[0].opposite


def test_a_printed_size_is_asked_for_at_paper_scale_alone():
    size = {"kind": "gap", "by": 20}
    assert verdict(*UP, statistic=size).verdict == "holds"
    assert verdict(*UP, statistic=size, sizes=True).verdict == "contradicted"


# --- beside the verdict ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gap, paper, expected",
    [
        ((2.0, 1.0, 3.0), 1.5, (True, True, False)),
        ((2.0, -1.0, 5.0), -1.5, (False, False, True)),
        ((-2.0, -3.0, -1.0), 4.0, (False, False, False)),
        ((2.0, 1.0, 3.0), None, (None, None, False)),
        ((2.0, -1.0, 3.0), 0.0, (None, True, True)),
    ],
)
def test_lenses_by_hand(gap, paper, expected):
    shown = lenses(gap, paper)
    assert (shown.same_direction, shown.paper_inside, shown.zero_inside) == expected


def test_without_an_effect_there_is_no_lens():
    assert lenses(None, 2.0) is None


def test_every_step_is_a_statement_of_its_own():
    judgement = ORDER | {"statistic": {"kind": "trend", "at": "t/*/x", "rows": ["a", "b", "c"]}}
    cells = {A: seeds(60.0, 61.0, 59.0), B: seeds(59.9, 60.8, 59.1), C: seeds(64.0, 65.2, 63.1)}
    outcome = judge(claim_of(f"inc([{a}, {b}, {c}])"), cells, judgement=judgement)
    assert outcome.verdict == "holds" and outcome.every_step == Letter(means=False, seeds=1, of=3)


def test_a_claim_of_no_difference_says_what_equal_cells_would_give():
    same = {"kind": "equivalence", "cells": ["a", "b"], "within": 0.3, "at": "t/*/x"}
    judgement = ORDER | {"statistic": same, "tolerance": {"value": 0.3, "source": "ours"}}
    wide = judge(claim_of(), {A: Cell(70.0, 1.5, 3), B: Cell(73.0, 1.5, 3)}, judgement=judgement)
    equal = judge(claim_of(), {A: Cell(70.0, 1.5, 3), B: Cell(70.0, 1.5, 3)}, judgement=judgement)
    assert wide.if_equal == pytest.approx(equal.probability) and equal.probability < 0.7
    assert equal.verdict == "inconclusive" and wide.tolerance == "0.3 (ours)"
    assert verdict(*UP).if_equal is None


@pytest.mark.parametrize(
    "expression, weights, constant",
    [
        (f"d({a}, {b})", {A: 1, B: -1}, 0),
        (a, {A: 1}, 0),
        (f"d(d({a}, {b}), d({a}, {c}))", {B: -1, C: 1}, 0),
        (f"2 * {a} + 1", {A: 2}, 1),
    ],
)
def test_a_transcribed_effect_is_a_sum_of_cells(expression, weights, constant):
    contrast = as_contrast(expression)
    assert contrast.weights == pytest.approx(weights) and contrast.constant == pytest.approx(constant)


@pytest.mark.parametrize("expression", [f"spread([{a}, {b}])", f"max({a}, {b})", f"100 * {a} / {b}", f"abs({a})"])
def test_an_extreme_or_a_ratio_is_not(expression):
    assert as_contrast(expression) is None


def test_the_papers_effect_is_that_of_the_cells_that_are_run():
    """c29: the row of batch 256 is not run, so its effect is from 512, and so is the paper's."""
    rows = {
        row: seeds(50.0 + i, 51.0 + i, 49.2 + i) for i, row in enumerate(("b512", "b1024", "b2048", "b4096", "b8192"))
    }
    cells = {("nnclr_batch", row, "top1"): cell for row, cell in rows.items()}
    outcome = judge(papers.claims()["nnclr_c29"], cells)
    printed = {row["row"]: row["top1"] for row in papers.table("nnclr_batch")["rows"]}
    assert outcome.paper_gap == pytest.approx(printed["b4096"] - printed["b512"])
    assert outcome.gap[0] == pytest.approx(3.0)
    assert outcome.judged_as == "without b256"


# --- not judged ------------------------------------------------------------------------------------------------------


def test_two_seeds_are_shown_but_not_judged():
    outcome = verdict(seeds(80.0, 80.1), seeds(60.0, 60.2))
    assert (outcome.verdict, outcome.reason) == ("not judged", "2 seeds, at least 3 are needed")
    assert outcome.probability > 0.95 and outcome.gap is not None and outcome.seeds_needed is None


def test_one_seed_is_not_judged():
    outcome = verdict(seeds(80.0), seeds(60.0))
    assert (outcome.verdict, outcome.reason) == ("not judged", "1 seed, at least 3 are needed")
    assert outcome.probability is None


def test_nothing_is_concluded_at_a_scale_that_is_not_judged():
    outcome = verdict(*UP, judged=False)
    assert (outcome.verdict, outcome.reason) == ("not judged", "nothing is concluded at this scale")
    assert outcome.probability > 0.95


def test_a_missing_cell_is_named():
    outcome = judge(claim_of(), {A: UP[0]}, judgement=ORDER)
    assert (outcome.verdict, outcome.reason, outcome.probability) == ("not judged", "not run: t.b.x", None)


def test_what_the_paper_prints_never_fills_in_for_what_was_not_run():
    claim = papers.claims()["nnclr_c28"]
    assert holds_in_paper(claim) is True
    outcome = judge(claim, {("nnclr_softnn", "hard", "top1"): Cell(60, 1, 5)})
    assert outcome.verdict == "not judged" and outcome.reason == "not run: nnclr_softnn.soft.top1"


def test_unrun_claims_give_the_definitions_reason():
    outcome = verdict(*UP, unrun={"nnclr_x": "needs ImageNet"})
    assert (outcome.verdict, outcome.reason, outcome.probability) == ("not judged", "needs ImageNet", None)
    assert verdict(*UP, unrun={"nnclr_y": "needs ImageNet"}).verdict == "holds"


def test_a_claim_that_no_run_can_judge_says_why():
    outcome = judge(papers.claims()["invp_c14"], {})
    assert outcome.verdict == "not judged" and "priority" in outcome.reason
    assert judge(claim_of() | {"id": "x"}, {}).reason == "no judgement is recorded of the claim"


# --- gates -----------------------------------------------------------------------------------------------------------


def facts(first: Facts | None = None, second: Facts | None = None) -> dict:
    return {A: first or Facts(), B: second or Facts()}


def level(cell: Cell, **floors: Cell) -> Facts:
    return Facts((Level(cell, floors),))


RANDOM, PIXELS = seeds(50.0, 51.0, 49.0), seeds(52.0, 53.0, 51.1)


def test_the_floor_stops_a_claim_whose_best_cell_is_not_above_pixels():
    noisy = seeds(52.5, 52.7, 52.5)
    outcome = verdict(noisy, seeds(40.0, 41.0, 39.0), facts=facts(level(noisy, random=RANDOM, pixels=PIXELS)))
    assert (outcome.verdict, outcome.gate) == ("not tested", "floor") and "raw pixels 52.0" in outcome.reason
    assert outcome.probability > 0.9 and "a test would take" in outcome.reason


def test_one_cell_above_all_floors_is_enough():
    outcome = verdict(
        *UP, facts=facts(level(UP[0], random=RANDOM, pixels=PIXELS), level(UP[1], random=UP[0], pixels=UP[0]))
    )
    assert outcome.verdict == "holds" and outcome.notes == ()


def test_an_unrecorded_floor_stops_nothing_and_is_said():
    assert verdict(*UP, facts=facts(level(UP[0], random=RANDOM))).notes == ("floor not recorded: pixels",)
    assert verdict(*UP, facts=facts(level(UP[0]))).notes == ("no floor is recorded for this table",)
    assert verdict(*UP).verdict == "holds"


def mining(match: float, chance: float = 1 / 16, method: str = "nnclr") -> Facts:
    return Facts(runs={seed: (Run("r", method, 1.0, 1.0, None, match, chance),) for seed in range(3)})


@pytest.mark.parametrize("share, stops", [(0.11, True), (0.187, True), (0.188, False), (0.5, False)])
def test_the_premise_is_three_times_chance(share, stops):
    outcome = verdict(*UP, change={"premise": "mined", "paper_match": 57}, facts=facts(mining(share)))
    assert (outcome.verdict == "not tested") is stops
    if stops:
        assert outcome.gate == "premise" and f"right in {100 * share:.0f}%, chance 6%, paper 57%" in outcome.reason
    else:
        assert "mined images shared the class" in outcome.notes[0]


def test_the_premise_is_asked_of_claims_that_declare_it_and_of_the_papers_own_methods():
    poor = facts(mining(0.06))
    assert verdict(*UP, facts=poor).verdict == "holds"
    rival = facts(mining(0.5), mining(0.06, method="pcl"))
    assert verdict(*UP, change={"premise": "mined"}, facts=rival).verdict == "holds"
    unknown = verdict(*UP, change={"premise": "mined"}, facts=facts(mining(0.06, method="pcl")))
    assert unknown.verdict == "holds" and "not recorded" in unknown.notes[0]


def test_the_premise_is_asked_of_every_row_or_of_the_best():
    mixed = facts(mining(0.5), mining(0.06))
    assert verdict(*UP, change={"premise": "mined"}, facts=mixed).gate == "premise"
    assert verdict(*UP, change={"premise": "mined in the best row"}, facts=mixed).verdict == "holds"


def test_true_by_the_letter_alone_does_not_hold():
    """A "larger gain" that is a smaller loss."""
    statistic = {"more": "a", "less": "b", "sense": "a"}
    losses = seeds(-1.0, -1.1, -0.9), seeds(-5.0, -5.2, -4.9)
    outcome = verdict(*losses, statistic=statistic)
    assert (outcome.verdict, outcome.gate) == ("not tested", "letter only") and "a is -1.0" in outcome.reason
    assert verdict(*UP, statistic=statistic).verdict == "holds"
    assert verdict(*losses[::-1], statistic=statistic).verdict == "contradicted", (
        "only a claim that would hold is stopped"
    )


def collapsed(seed: int, **changes) -> Facts:
    return Facts(runs={seed: (replace(Run("b, seed 1", "simclr", 0.01, 1.0, None), **changes),)})


FOUR = seeds(71.0, 72.1, 69.9, 70.4), seeds(60.0, 61.0, 59.1, 60.2)


def test_a_claim_that_rests_on_a_collapsed_run_is_open():
    outcome = verdict(*UP, facts=facts(None, collapsed(1)))
    assert (outcome.verdict, outcome.gate, outcome.seeds_needed) == ("inconclusive", "collapse", None)
    assert "a run nearly collapsed (b, seed 1: its embedding's spread ended at 0.010)" in outcome.reason


def test_a_collapsed_run_that_changes_nothing_is_noted():
    outcome = verdict(*FOUR, facts=facts(None, collapsed(1)))
    assert outcome.verdict == "holds" and outcome.gate == "" and "spread ended at 0.010" in outcome.notes[0]


def test_a_collapsed_run_that_changes_the_verdict_opens_it():
    steady = seeds(71.0, 72.0, 70.0, 71.0), seeds(60.0, 61.1, 58.9, 95.0)
    assert verdict(*steady).verdict == "inconclusive"
    outcome = verdict(*steady, facts=facts(None, collapsed(3)))
    assert outcome.gate == "collapse" and outcome.reason.endswith("without such runs the verdict would be: holds")


@pytest.mark.parametrize(
    "run, marked",
    [
        (Run(spread=0.049), True),
        (Run(spread=0.05), False),
        (Run(), False),
        (Run(loss=3.8496, constant=math.log(47)), True),
        (Run(loss=3.80, constant=math.log(47)), False),
        (Run(loss=3.85), False),
        (Run(spread=1.0, loss=9.0, constant=3.8), False),
    ],
)
def test_which_runs_are_marked(run, marked):
    assert bool(run.collapse) is marked


@pytest.mark.parametrize(
    "method, batch, expected",
    [
        ("nnclr", 24, math.log(24)),
        ("simclr", 24, math.log(47)),
        ("supcon", 24, math.log(47)),
        ("byol", 24, None),
        ("nnclr", 0, None),
    ],
)
def test_the_loss_of_a_constant_network(method, batch, expected):
    assert constant_loss({"method": method, "plan": {"batch_size": batch}}) == (expected and pytest.approx(expected))


def test_a_constant_network_has_that_loss():
    """SupCon and SimCLR with equal embeddings: log of the other 2n - 1 views; NNCLR: log of the batch."""
    import torch

    logits = torch.zeros(48, 48).fill_diagonal_(-torch.inf)
    loss = torch.nn.functional.cross_entropy(logits, (torch.arange(48) + 24) % 48).item()
    assert loss == pytest.approx(constant_loss({"method": "simclr", "plan": {"batch_size": 24}}), abs=1e-5)


def test_match_is_read_by_the_name_a_method_logs_it_under():
    assert match_of({"neighbour_match": 0.4, "neighbour_match_without_self": 0.3}) == 0.3
    assert match_of({"pair_match": 0.9}) == 0.9 and match_of({"relation_match": 0.2}) == 0.2
    assert match_of({"precision_0": 0.3, "precision_1": 0.5, "precision_2": math.nan}) == 0.5
    assert match_of({"loss": 1.0}) is None and match_of({"precision_0": math.nan}) is None


def test_the_facts_of_a_record():
    record = {
        "config": {"method": "nnclr", "plan": {"batch_size": 24}, "settings": {"positive": "nearest"}},
        "results": {"training": {"scores": {"loss": 2.0, "embedding_std": 0.9, "neighbour_match": 0.3}}},
    }
    assert run_of(record, 16, "n") == Run("n", "nnclr", 0.9, 2.0, math.log(24), 0.3, 1 / 16)
    record["config"]["settings"]["positive"] = "oracle"
    assert run_of(record, 16).match is None, "an oracle mines nothing"
    assert run_of({"config": {"method": "pixels"}, "results": {}}, 16) == Run(method="pixels")


# --- how many seeds it would take ------------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [4, 5, 6, 7, 12, 37, 64, 65, 500, 999, 1000])
def test_seeds_needed_is_the_least_number_that_settles(least):
    asked = []

    def verdict_at(n):
        asked.append(n)
        return n >= least

    assert seeds_needed(verdict_at, 3) == least and max(asked) <= 1000 and len(asked) < 25


@pytest.mark.parametrize("start", [3, 5, 20, 999, 1000])
def test_seeds_needed_is_none_when_a_thousand_do_not_settle(start):
    assert seeds_needed(lambda n: n > 1000, start) is None
    assert seeds_needed(lambda n: n > 10, 10, most=10) is None
