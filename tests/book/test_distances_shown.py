"""How far the rows lie that anchors take: what is counted, and that counting changes nothing."""

import html
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import distances_shown as benchmark
from sslrepro.base.store import read_json
from sslrepro.data.datasets import load
from sslrepro.study.plans import plan_table
from sslrepro.tables.neighbour_confidence import SOME
from sslrepro.tables.neighbour_distance import ANYWHERE, AS_NEAR
from sslrepro.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
page = importlib.import_module("distances_shown")


def trained(row: str, folder: Path, noted: list):
    """A row's run at smoke scale, one epoch, with and without notes."""
    run = plan_table("neighbour_distance", "smoke", 1).of(row)[0]
    config = replace(run.config, plan=replace(run.config.plan, epochs=1))
    data = load(run.data)[0]
    plain = train(config, folder / "plain", data)
    with benchmark.noting(noted):
        watched = train(config, folder / "watched", data)
    assert len(noted) == 2 * (len(data) // config.plan.batch_size)
    return plain.state_dict(), watched.state_dict()


@pytest.mark.parametrize("row", [AS_NEAR[0.4], SOME[0.4, "hard"], ANYWHERE[0.4, "hard"]])
def test_taking_notes_changes_no_weight_and_the_rows_lie_as_they_should(row, tmp_path):
    noted = []
    plain, watched = trained(row, tmp_path, noted)
    assert all(torch.equal(value, watched[name]) for name, value in plain.items())
    of = benchmark.described(noted)
    assert of["right"] < of["wrong"]  # hard anchors
    if row == SOME[0.4, "hard"]:
        assert of["taken"] == of["right"] and of["gap"] == 0
    if row == ANYWHERE[0.4, "hard"]:
        assert of["taken"] < of["right"]
    if row == AS_NEAR[0.4]:
        assert 0 < of["gap"] < of["wrong"] - of["right"]


def test_means_are_over_anchors():
    noted = [torch.tensor([[0.5, 0.4, 0.9]]), torch.empty(0, 3), torch.tensor([[0.2, 0.4, 0.6], [0.2, 0.1, 0.3]])]
    of = benchmark.described(noted)
    assert [of[name] for name in (*benchmark.MEASURES, "gap")] == pytest.approx([0.3, 0.3, 0.6, 0.4 / 3])


def test_what_is_stored_has_every_row_and_becomes_a_line():
    stored = read_json(benchmark.RESULTS)
    assert set(stored["rows"]) == set(benchmark.ROWS) and not stored["environment"]["dirty"]
    shown = page.table(stored)
    assert all(html.escape(row) in shown for row in benchmark.ROWS)
    assert all(set(of) == set(page.COLUMNS) for of in stored["rows"].values())
    assert shown.count("<tr>") == 1 + len(benchmark.ROWS)
