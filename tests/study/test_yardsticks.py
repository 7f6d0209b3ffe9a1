"""The run that tests the whole stack: its settings, its interval, its place in the ledger of GPUs."""

import json
from dataclasses import asdict, replace

import pytest

from sslrepro import tables
from sslrepro.cli.main import main
from sslrepro.data.recipes import recipe
from sslrepro.study import budget, plans, yardsticks
from sslrepro.study.yardsticks import THEIRS, TOLERANCE, acceptance, acceptance_config, acceptance_plan


@pytest.fixture(autouse=True)
def no_images(monkeypatch):
    """Plans of one table, without reading an image."""
    monkeypatch.setattr(tables, "names", lambda: ["nnclr_queue"])
    monkeypatch.setattr(plans, "fingerprint_of", lambda data, scale, root: f"images of {data.name}")
    monkeypatch.setattr(plans, "noted_fingerprint", lambda data, scale, root: f"images of {data.name}")


def record(knn=83.2, linear=85.6, seed=0, **changes):
    """What the ledger would hold of the run, with accuracies in %."""
    config = acceptance_config(seed).with_changes(**changes)
    lines = {}
    for name, score, value in (("knn", "knn_top1", knn), ("linear", "linear_top1", linear)):
        protocol = yardsticks.protocol_of(name)
        lines[name] = {"evaluation": name, "protocol": protocol, "scores": {score: value / 100}}
    return json.loads(json.dumps({"config": asdict(config), "results": lines}))


def test_the_settings_are_those_of_the_public_run():
    config = acceptance_config()
    assert (config.method, config.encoder, config.data.name) == ("simclr", "resnet18-cifar", "cifar10")
    assert config.settings == {"temperature": 0.5, "hidden": 1024, "dim": 128}
    plan = config.plan
    assert (plan.epochs, plan.batch_size, plan.optimizer, plan.momentum) == (100, 512, "sgd", 0.9)
    assert plan.lr == pytest.approx(0.12) and plan.weight_decay == 5e-4 and plan.warmup == 0
    first, second = recipe(config.views)
    assert first == second and first.crop == (0.2, 1.0) and first.gray == 0.1 and first.blur == 0


@pytest.mark.parametrize(
    "knn, linear, verdict",
    [
        (83.2, 85.6, "pass"),
        (83.2 - TOLERANCE, 85.6 + TOLERANCE, "pass"),
        (82.1, 85.6, "too low"),
        (83.2, 84.5, "too low"),
        (84.3, 85.6, "too high"),
        (83.2, 86.7, "too high"),
    ],
)
def test_the_interval_decides_in_both_scores(knn, linear, verdict):
    result = acceptance([record(knn, linear)])
    assert result.verdict == verdict and result.n == 1 and str(result).startswith(f"{verdict}: knn_top1 {knn:.2f}")


def test_seeds_are_averaged():
    result = acceptance([record(81.9, seed=0), record(83.0, seed=1), record(84.4, seed=2)])
    assert result.verdict == "pass" and result.n == 3 and result.means["knn_top1"] == pytest.approx(83.1)


def test_without_a_run_the_interval_is_said():
    assert acceptance([]).verdict == "no run yet"
    assert str(acceptance([])) == "no run yet; to pass: knn_top1 82.2 to 84.2 and linear_top1 84.6 to 86.6"
    assert yardsticks.intervals().keys() == THEIRS.keys()


@pytest.mark.parametrize(
    "name, value", [("plan.epochs", 200), ("plan.lr", 0.06), ("views.recipe", "supcon"), ("settings.temperature", 0.1)]
)
def test_another_run_is_not_taken_for_the_test(name, value):
    with pytest.raises(ValueError, match=rf"yardsticks: {name} must be"):
        acceptance([record(**{name: value})])


def test_another_protocol_is_not_taken_for_the_test():
    weighted = record()
    weighted["results"]["knn"]["protocol"]["temperature"] = 0.07
    with pytest.raises(ValueError, match="measured once, by the test's own protocol"):
        acceptance([weighted])


def test_other_files_and_seeds_are_the_same_test():
    assert acceptance([record(seed=2, **{"data.fingerprint": "other", "data.seed": 2})]).verdict == "pass"


def test_the_ledger_of_gpus_begins_with_it_and_no_other_does(monkeypatch):
    first, second, third, then = [pair for pair, _ in zip(budget.agenda("gpu"), range(4), strict=False)]
    assert [run.seed for _, run in (first, second, third)] == [0, 1, 2]
    for plan, run in (first, second, third):
        assert plan.definition.id == "yardsticks" and plan.ledger.name == "gpu"
        assert replace(run.config, data=acceptance_config().data) == acceptance_config(run.seed)
        assert run.evaluations["knn"]["k"] == 10 and run.steps == 100 * (50_000 // 512)
    assert then[0].definition.id == "nnclr_queue"
    assert next(budget.agenda("night"))[0].definition.id != "yardsticks"


def test_a_dry_run_lists_it_first_and_says_the_interval(tmp_path, capsys):
    (tmp_path / "cifar10").mkdir()
    assert main(["ledger", "--profile", "gpu", "--dry-run", "--seeds", "1", "--root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["yardsticks", acceptance_plan(seeds=1).runs[0].name]
    assert "acceptance (SimCLR, 100 epochs of CIFAR-10): no run yet; to pass: knn_top1 82.2" in lines[-1]


def test_the_ledger_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(yardsticks, "LEDGER", tmp_path)
    (tmp_path / "gpu").mkdir()
    assert yardsticks.published_acceptance().n == 0
    for name, content in (("a", record(seed=0)), ("b", record(seed=1)), ("c", record(**{"plan.epochs": 200}))):
        (tmp_path / "gpu" / f"simclr-cifar10-s{name}.json").write_text(json.dumps(content))
    assert yardsticks.published_acceptance().n == 2 and yardsticks.published_acceptance().verdict == "pass"


def test_public_numbers_say_where_they_are_from():
    rows, sources = yardsticks.public()["rows"], yardsticks.public()["sources"]
    assert {row["source"] for row in rows} == set(sources) and all(source["note"] for source in sources.values())
    (theirs,) = [row for row in rows if row["source"] == "kobak" and row["epochs"] == 100]
    assert {"knn_top1": theirs["knn"], "linear_top1": theirs["linear"]} == THEIRS and theirs["runs"] == yardsticks.SEEDS
