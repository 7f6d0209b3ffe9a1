"""A table at every scale: columns, verdicts and sentences from made-up results whose answers are known."""

import math
import re
from collections.abc import Callable
from dataclasses import asdict

import pytest

from sslrepro.base.store import result_key, write_json
from sslrepro.claims import Cell
from sslrepro.report import every_scale as page
from sslrepro.report import scale_changes
from sslrepro.study import every_scale, plans
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results
from sslrepro.study.run import Run

WOBBLE = (-0.3, 0.1, 0.2, 0.0, 0.0)  # of the seeds, in points


@pytest.fixture(autouse=True)
def ledger(tmp_path, monkeypatch):
    """A ledger of its own, empty."""
    monkeypatch.setattr(plans, "LEDGER", tmp_path)
    return tmp_path


def record(run: Run, top1: float, match: float) -> dict:
    """What the ledger holds of a run; `top1` in %."""
    config = asdict(run.config) if run.config else {"pixels": asdict(run.data)}
    cost = {"seconds": 60.0, "steps": 100, "embedding_std": 1.0, "neighbour_match_without_self": match}
    lines = {"training": {"key": "training", "evaluation": "training", "scores": cost}}
    for name, protocol in run.evaluations.items():
        key = result_key(name, protocol)
        scores = {f"{name.partition('_')[0]}_top1": top1 / 100, f"{name.partition('_')[0]}_top5": top1 / 100 + 0.1}
        lines[key] = {"evaluation": name, "protocol": protocol, "scores": scores, "key": key, "seconds": 1.0}
    return {"config": config, "environment": {"device": "x", "threads": 1, "torch": "2"}, "results": lines}


def publish(table: str, scale: str, gain: float, keep: Callable[[Run], bool] = lambda run: True, match: float = 0.6):
    """A scale's ledger in which a neighbour is `gain` points better than the view, which has 70%."""
    base, _, dataset = scale.partition("-")
    if dataset:
        write_json(plans.LEDGER / scale / "data.json", {dataset: "x"})
    plan = plan_table(table, base, None, dataset or None)
    for run in plan.runs:
        if not keep(run):
            continue
        if run.config is None or run.config.plan.epochs == 0:
            top1 = 20.0
        else:
            near = run.config.method == "nnclr" and run.config.settings["positive"] == "nearest"
            top1 = 70 + WOBBLE[run.seed] + (gain + WOBBLE[(run.seed + 1) % 3] if near else 0)
        write_json(plan.ledger / f"{run.name}.json", record(run, top1, match))
    return plan


def rows_only(run: Run) -> bool:
    """Runs of the table's first two rows, without momentum encoder and controls."""
    return run.config is not None and run.config.method == "nnclr" and not run.config.settings["teacher_momentum"]


def test_scales_stand_from_small_to_large_and_only_those_that_judge(ledger):
    for name in ("night", "cpu-cifar10", "smoke", "cpu", "gpu", "night-cifar10", "drafts"):
        (ledger / name).mkdir()
    assert every_scale.ledger_scales() == ["cpu", "cpu-cifar10", "night", "night-cifar10", "gpu"]


def test_one_scale_is_a_line_and_says_what_the_others_would_cost():
    publish("nnclr_positives", "cpu", 5)
    shown = page.block(page.of_table("nnclr_positives"))
    assert shown.text.startswith(
        "So far this table was run at cpu scale alone (10 of 10 rows, n = 3). At gpu scale: no"
    )
    assert (
        "<table" not in shown.html and "core-hours" in shown.text and "none was timed at this scale yet" in shown.text
    )


def test_a_table_that_was_not_run_says_so():
    assert page.block(page.of_table("nnclr_queue")).text.startswith("This table was run at no scale yet.")


def test_a_single_row_is_no_column():
    publish("nnclr_positives", "cpu", 5)
    near = {run.name for run in plan_table("nnclr_positives", "night").of("nn_nomom")}
    publish("nnclr_positives", "night", 5, lambda run: run.name in near)
    text = page.block(page.of_table("nnclr_positives")).text
    assert "run at cpu scale alone" in text and "Of another table's runs night scale has " in text


def test_controls_alone_are_no_scale():
    publish("nnclr_positives", "night", 5, lambda run: run.config is None or run.config.method != "nnclr")
    assert every_scale.at_every_scale("nnclr_positives") == []


def test_scales_stand_side_by_side_each_with_its_n():
    publish("nnclr_positives", "cpu", -5)
    publish("nnclr_positives", "night", 5, lambda run: run.seed < 2)
    publish("nnclr_positives", "cpu-cifar10", 0)
    shown = page.of_table("nnclr_positives")
    text = page.block(shown).text
    assert [page.name_of(results) for results in shown.several] == ["cpu", "cpu-cifar10", "night"]
    (head,) = [line for line in text.splitlines() if "n = 2" in line and "paper" in line]
    assert head.index("cpu, n = 3") < head.index("cpu-cifar10, n = 3") < head.index("night, n = 2")
    (line,) = [
        line for line in text.splitlines() if "no, NN of View 1 " in line and "Top-1" in line and "minus" not in line
    ]
    assert next(float(cell) for cell in line.split() if cell.replace(".", "").isdigit() and "." in cell) == 74.5
    assert "65.0 ± " in line and "70.0 ± " in line
    assert line.endswith("75.0"), "two seeds have no interval"
    strip = text.splitlines()[:9]
    assert [row.split()[0] for row in strip[2:8]] == ["paper", "paper", "gpu", "night", "cpu-cifar10", "cpu"]
    assert "no run yet: " in strip[3] and "10 of 10 rows, n = 2" in strip[5]


def test_a_reversal_is_said_with_its_numbers():
    publish("nnclr_positives", "cpu", -5)
    publish("nnclr_positives", "night", 5)
    shown = page.of_table("nnclr_positives").several
    text = scale_changes.changes(shown).text
    assert re.search(r"reverses \d \([^)]*NN positive beats view 1: contradicted, then holds", text)
    assert "opens none" in text
    assert "goes from −5.0 ± " in text and "a change of +10.0 ± " in text and ", told apart from none." in text
    assert "16-px synthetic images, 8 epochs" in text and "64 epochs" in text


def test_a_scale_confirms_what_it_finds_again_and_mined_images_are_counted():
    publish("nnclr_positives", "cpu", 5, match=0.6)
    publish("nnclr_positives", "night", 4, rows_only, match=0.8)
    text = scale_changes.changes(page.of_table("nnclr_positives").several).text
    assert "night scale confirms 1 (NN positive beats view 1: holds), reverses none and opens none." in text
    assert "Mined positives of the anchor's class: 60.0% (chance 6.2%), then 80.0% (chance 6.2%)." in text


def test_other_images_are_read_against_the_same_scale_and_more_epochs_against_the_same_images():
    for scale in ("cpu", "cpu-cifar10", "night", "night-cifar10"):
        publish("nnclr_positives", scale, 5)
    pairs = list(scale_changes.steps(page.of_table("nnclr_positives").several))
    names = [(before.plan.profile.name, after.plan.profile.name) for before, after in pairs]
    assert names == [("cpu", "cpu-cifar10"), ("cpu", "night"), ("cpu-cifar10", "night-cifar10")]
    text = scale_changes.changes(page.of_table("nnclr_positives").several).text
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        "Other images",
        "What changes with scale",
        "What changes with scale",
    ]


@pytest.mark.parametrize(
    "before, after, kind",
    [
        ("holds", "holds", "confirms"),
        ("contradicted", "contradicted", "confirms"),
        ("holds", "contradicted", "reverses"),
        ("contradicted", "holds", "reverses"),
        ("holds", "inconclusive", "opens"),
        ("inconclusive", "contradicted", "settles"),
        ("inconclusive", "inconclusive", "keeps open"),
        ("not tested", "inconclusive", "first tests"),
        ("not judged", "holds", "first tests"),
        ("holds", "not tested", "no longer tests"),
        ("not tested", "not tested", ""),
        ("not judged", "not tested", ""),
    ],
)
def test_what_a_verdict_becomes_of_another(before, after, kind):
    assert scale_changes.kind_of(before, after) == kind


def test_a_change_has_the_interval_of_two_independent_means():
    from scipy.stats import ttest_ind

    first, second = (Cell.of(dict(enumerate(values))) for values in ((1.0, 2.0, 4.0, 3.0), (5.0, 9.0, 6.0)))
    gap, half = scale_changes.change(first, second)
    interval = ttest_ind((5.0, 9.0, 6.0), (1.0, 2.0, 4.0, 3.0), equal_var=False).confidence_interval(0.95)
    assert (gap - half, gap + half) == pytest.approx((interval.low, interval.high))
    assert math.isnan(scale_changes.change(first, Cell.of({0: 1.0}))[1])
    assert scale_changes.change_in_words(first, Cell.of({0: 1.0})).endswith("a change of −1.5")


def test_the_cost_of_a_scale_is_its_runs_and_the_hours_of_a_measured_device():
    plan = every_scale.aim("nnclr_queue", "paper")
    text = every_scale.cost_in_words(plan)
    n = sum(1 for run in plan.runs if run.config and run.config.plan.epochs)
    assert text.startswith(f"{n} training runs, ") and "core-hours" in text
    assert isinstance(Results(plan, {}).cell("q8192", "linear_top1"), type(None))


def test_verdicts_stand_by_scale_and_those_that_none_judges_are_left_out():
    publish("nnclr_positives", "cpu", -5)
    publish("nnclr_positives", "night", 5, rows_only)
    shown = page.verdicts(page.of_table("nnclr_positives").several)
    (line,) = [line for line in shown.text.splitlines() if line.startswith("NN positive beats view 1")]
    assert line.index("contradicted (") < line.index("holds (") and "n = 3" in line
    assert shown.html.count('class="verdict holds">holds<span class="scale"> · night</span>') == 1, (
        "not the page's scale"
    )
