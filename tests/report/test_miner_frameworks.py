"""The grid of miners and frameworks: its gains, and its questions where the answer is known."""

import functools

import pytest

from sslrepro.report import grid_answers
from sslrepro.report import miner_frameworks as grid
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.results import Results
from sslrepro.tables.miner_frameworks import MINERS, ON, SHORT

WORDS = {
    "gains the same": "same",
    "gains in all frameworks": "sign",
    "gains in each": "each",
    "a momentum": "letter",
    "right partners": "labels",
}


@functools.cache
def planned() -> TablePlan:
    return plan_table("miner_frameworks", "cpu", 3)


def results(gains: dict[tuple[str, str], float], noise: float = 0.001, known: int = 3) -> Results:
    """Runs whose accuracies are 50% and what is gained, with noise that no two rows share."""
    plan = planned()
    rows = {ON(rule, name): (rule, name) for rule in grid_answers.RULES for name in SHORT.values()}
    records = {}
    for place, ((row, _), runs) in enumerate(plan.cells.items()):
        top1 = 0.5 + gains.get(rows.get(row, (row, "")), 0.0) / 100
        for seed, run in enumerate(runs[:known]):
            jitter = noise * ((7 * place + 3 * seed * (place + 1)) % 5 - 2)
            scores = {"pair_match": 0.7, "pair_self": 0.5}
            records[run.name] = {
                "config": {},
                "results": {"linear": {"scores": {"linear_top1": top1 + jitter}}, "training": {"scores": scores}},
            }
    return Results(plan, records)


def verdicts(of: Results) -> dict[tuple[str, str], str]:
    words = {
        answer: next(word for start, word in WORDS.items() if answer.question.startswith(start))
        for answer in grid_answers.answers(of)
    }
    return {(word, answer.of.partition(" ")[0]): answer.verdict for answer, word in words.items()}


def test_equal_gains_are_equal_and_unequal_ones_are_not():
    gains = {("nearest", name): 6.0 for name in SHORT.values()}
    gains |= {("hops", "SimCLR"): 9.0, ("hops", "MoCo v2"): -9.0, ("window", "VICReg"): -8.0}
    said = verdicts(results(gains, noise=0.0002))
    assert said["same", "nearest"] == said["sign", "nearest"] == "holds"
    assert said["same", "hops"] == said["sign", "hops"] == "contradicted"
    assert said["each", "SePP-ID's"] in ("contradicted", "inconclusive") and said["sign", "clusters"] == "inconclusive"


def test_gains_in_every_framework_are_asked_of_each():
    every = {("window", name): 6.0 for name in SHORT.values()}
    answers = {answer.of: answer for answer in grid_answers.answers(results(every, noise=0.0002))}
    rule = answers["SePP-ID's rule, as many pairs as images"]
    assert rule.verdict == "holds" and rule.numbers.count("+6.0") == 4
    missing = {
        answer.of: answer for answer in grid_answers.answers(results(every | {("window", "SimSiam"): -6.0}, 0.0002))
    }
    assert missing[rule.of].verdict == "contradicted"
    assert answers["SePP-ID's own runs"].verdict == "inconclusive"


def test_noise_decides_nothing():
    said = verdicts(results({}, noise=0.03))
    assert said["same", "nearest"] != "holds" and said["labels", "labels"] == "inconclusive"


def test_the_letter_of_the_rebuttal_compares_levels():
    better = results({("invp_moco", ""): 5.0}, noise=0.0002)
    assert verdicts(better)["letter", "InvP's"] == "holds"
    assert verdicts(results({("invp", ""): 5.0}, noise=0.0002))["letter", "InvP's"] == "contradicted"


def test_partners_that_are_other_images_are_graded_alone():
    share, right = grid_answers.partners(results({}), "nearest")
    assert share.mean == pytest.approx(50) and right.mean == pytest.approx(40)  # 0.7 = 0.5 + 0.5 * 0.4


def test_the_page_counts_what_leaves_out_zero():
    shown = results({("hops", "SimCLR"): 9.0, ("nearest", "VICReg"): -9.0, ("labels", "SimCLR"): 20.0}, noise=0.0002)
    text = grid.finding(shown)
    assert "Of 16 cells" in text and "hops on SimCLR" in text and "nearest on VICReg" in text and "+20.0" in text
    lines = grid.body(shown)
    assert [line[0] for line in lines] == [*grid_answers.RULES, "same: accuracy"] and "+9.0" in lines[3][4]
    for part in (grid.table, grid.questions, grid.papers_own, grid.headline, grid.copies):
        assert part(shown).html and "nan" not in part(shown).text.split()
    assert grid.figure(shown).png and "hops on SimCLR +9.0" in grid.figure(shown).alt


def test_what_was_not_run_is_not_judged():
    assert grid.finding(Results(planned(), {})) == "Not run yet."
    assert set(verdicts(Results(planned(), {})).values()) == {"not judged"} and len(MINERS) == 4
    assert set(verdicts(results({}, known=2)).values()) == {"not judged"}
