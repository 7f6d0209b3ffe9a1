"""A table with every run from one kind of processor: what is trained again, and what stands in for it."""

import importlib
import sys
from pathlib import Path

import pytest

from benchmarks import one_processor as benchmark
from sslrepro.base.store import read_json
from sslrepro.study import ledger
from sslrepro.study.plans import plan_table

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
page = importlib.import_module("one_processor")


@pytest.fixture(scope="module")
def plan():
    return plan_table("neighbour_anchors", "cpu")


def test_what_another_kind_trained_is_trained_again(plan):
    devices = [of["environment"]["device"] for run in plan.runs if (of := ledger.published_record(run, plan))]
    for device in set(devices):
        assert len(benchmark.from_elsewhere(plan, device)) == len(devices) - devices.count(device)
    assert len(benchmark.from_elsewhere(plan, "none of them")) == len(devices)


def test_scores_stand_in_for_the_published_ones_and_all_else_stays(plan):
    row = "nearest neighbour"
    run = next(run for run in plan.of(row) if run.seed == 0)
    before, after = (page.results_here(plan, runs) for runs in ({}, {run.name: {"linear": {"linear_top1": 0.5}}}))
    old, new = (results.by_seed(row, "linear_top1") for results in (before, after))
    assert new[0] == 0.5 != old[0] and {s: v for s, v in new.items() if s} == {s: v for s, v in old.items() if s}
    assert after.by_seed(row, "knn_top1") == before.by_seed(row, "knn_top1")
    assert before.known[run.name] == ledger.published_record(run, plan)


def test_the_sentence_counts():
    assert page.sentence(1, 9, "Intel(R) Xeon(R)").startswith("1 run of 9 was published from another kind")
    assert "12 runs of 110 were" in page.sentence(12, 110, "x") and "on Intel Xeon," in page.sentence(
        2, 9, "Intel(R) Xeon(R)"
    )


@pytest.mark.parametrize("key", read_json(benchmark.RESULTS))
def test_what_is_stored_are_the_runs_of_another_kind_and_no_others(key):
    of, plan = read_json(benchmark.RESULTS)[key], plan_table(*key.split())
    device = of["environment"]["device"]
    assert (
        set(of["runs"]) == {run.name for run in benchmark.from_elsewhere(plan, device)}
        and not of["environment"]["dirty"]
    )
    assert all(scores["linear"].keys() >= {"linear_top1"} for scores in of["runs"].values())
