"""Our CIFAR-10 runs beside published ones: which runs count, what differs, what is said of them."""

import json
from dataclasses import asdict, replace

import pytest

from sslrepro.base.store import write_json
from sslrepro.report import yardsticks as page
from sslrepro.study import plans
from sslrepro.study import yardsticks as study
from sslrepro.study.profiles import on_dataset, profile
from sslrepro.study.yardsticks import acceptance_config, protocol_of

AT = on_dataset(profile("cpu"), "cifar10")


@pytest.fixture(autouse=True)
def ledger(tmp_path, monkeypatch):
    """A ledger of its own, empty."""
    monkeypatch.setattr(plans, "LEDGER", tmp_path)
    monkeypatch.setattr(study, "LEDGER", tmp_path)
    return tmp_path


def publish(folder, config, linear, knn, k=20):
    """Put a run with accuracies in % into a scale's ledger."""
    lines = {
        "linear": {"evaluation": "linear", "protocol": protocol_of("linear"), "scores": {"linear_top1": linear / 100}},
        "knn": {"evaluation": "knn", "protocol": protocol_of("knn") | {"k": k}, "scores": {"knn_top1": knn / 100}},
    }
    write_json(folder / f"{config.name}.json", json.loads(json.dumps({"config": asdict(config), "results": lines})))


def simclr(seed=0, **changes):
    return AT.config("simclr", seed).with_changes(**changes)


def test_own_settings_count_over_seeds_and_others_do_not(ledger):
    for seed, value in enumerate((44.0, 45.0, 46.0)):
        publish(ledger / "cpu-cifar10", simclr(seed), value, value - 4)
    publish(ledger / "cpu-cifar10", simclr(**{"plan.epochs": 0}), 38.0, 34.0)
    publish(ledger / "cpu-cifar10", simclr(**{"settings.temperature": 0.5}), 90.0, 90.0)
    publish(ledger / "cpu-cifar10", simclr(**{"plan.batch_size": 12}), 90.0, 90.0)
    untrained, trained = sorted(page.ours(), key=lambda row: row.config.plan.epochs)
    assert trained.cell("linear_top1").mean == pytest.approx(45.0) and trained.cell("linear_top1").n == 3
    assert trained.k == 20 and trained.worth == pytest.approx(8 * 9216 / 50_000)
    assert untrained.cell("knn_top1").mean == pytest.approx(34.0)


def test_a_row_stands_at_its_length_and_says_what_differs(ledger):
    publish(ledger / "cpu-cifar10", simclr(**{"data.fingerprint": next(iter(page.JPEG))}), 44.5, 40.7)
    cells = [cells for _, cells in page.lines() if cells[0] == "SimCLR"]
    lengths = [int(line[2].replace(",", "")) for line in cells]
    assert lengths == sorted(lengths) and lengths[:3] == [1, 8, 10]
    (ours,) = [line for line in cells if line[1] == "ours, cpu-cifar10"]
    assert ours[3] == "1.5" and ours[4] == "44.5" and ours[5] == "40.7 (20-NN)" and ours[6] == "1"
    for words in ("9,216 of 50,000 images", "16 px of 32", "encoder conv", "views moco2, crops of at least 80%",
                  "batch 24", "adamw", "JPEG files of quality 95", "4,096 of 10,000 test images"):  # fmt: skip
        assert words in ours[7]
    assert "quoted" in page.table().html and page.table().html.count('<tr class="quoted">') == len(
        study.public()["rows"]
    )


def test_the_test_of_the_stack_differs_in_its_files_alone(ledger):
    config = replace(acceptance_config(), data=replace(acceptance_config().data, fingerprint="other"))
    publish(ledger / "gpu", config, 85.0, 83.0, k=10)
    (row,) = page.ours()
    assert page.differs(row) == "views gray10-cifar; batch 512; sgd, lr 0.12" and row.worth == 100
    assert "It reaches" in page.acceptance().text and "10-NN 83.0%" in page.acceptance().text
    assert "(n = 1): pass." in page.acceptance().text
    (sentence,) = [text for text in page.finding().split(". ") if "linear" in text]
    assert "85.0% after 100 epochs at gpu scale (n = 1), 85.6% published after 100" in sentence


def test_lengths_that_are_not_near_are_not_compared(ledger):
    publish(ledger / "cpu-cifar10", simclr(**{"plan.epochs": 4}), 40.0, 36.0)
    assert page.finding().startswith("No run of ours has a published run of its method at nearly its length")
    publish(ledger / "cpu-cifar10", simclr(), 44.5, 40.7)
    text = page.finding()
    assert (
        "44.5% after 8 epochs" in text and "56.5% published after 10" in text and "28.2% is published after 1." in text
    )


def test_before_any_run_the_interval_and_its_reason_are_said():
    text = page.acceptance().text
    assert "10-NN 82.2 to 84.2% and linear probe 84.6 to 86.6%" in text and "It was not run yet." in text
    assert "standard deviation of 0.23, so 0.45 in 95%" in text
