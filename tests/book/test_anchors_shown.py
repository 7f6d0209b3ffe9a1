"""Which images the easy and the hard anchors are: what is counted, and that counting changes nothing."""

import html
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import anchors_shown as benchmark
from sslrepro.base.store import read_json
from sslrepro.data.datasets import load
from sslrepro.study.plans import plan_table
from sslrepro.tables.neighbour_anchors import SET, TABLE
from sslrepro.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
page = importlib.import_module("anchors_shown")


def note(index: list[int], right: list[int], by_itself: list[int]) -> dict[str, torch.Tensor]:
    """A call's note about images whose class is their number's remainder by two."""
    index = torch.tensor(index)
    return {
        "label": index % 2,
        "index": index,
        "right": torch.tensor(right).bool(),
        "by_itself": torch.tensor(by_itself).bool(),
    }


def test_classes_images_and_shares_are_counted():
    # two epochs of two steps of two images, each step with its two views
    first = [note([0, 1], [1, 0], [1, 1]), note([0, 1], [1, 0], [1, 0]), note([2, 3], [1, 0], [0, 0]),
             note([2, 3], [1, 0], [0, 0])]  # fmt: skip
    second = [note([2, 1], [1, 1], [0, 0]), note([2, 1], [0, 0], [0, 0]), note([0, 3], [0, 0], [0, 0]),
              note([0, 3], [1, 1], [0, 0])]  # fmt: skip
    of = benchmark.described(first + second, 2)
    assert of["right"] == 8 / 16 and of["by_itself"] == 2 / 8
    assert of["largest"] == 6 / 8  # images 0, 0, 2, 2, 2, 0 against 1, 3
    p = torch.tensor([6 / 8, 2 / 8], dtype=torch.float64)
    assert of["classes"] == pytest.approx(float((-(p * p.log()).sum()).exp()))
    assert of["again"] == pytest.approx((1 / 2 + 1 / 2) / 2)  # view 1: of 0 and 2 again 2; view 2: of 0 and 2 again 0
    assert benchmark.described(first, 2)["again"] is None


def test_taking_notes_changes_no_weight(tmp_path):
    run = plan_table("neighbour_anchors", "smoke", 1).of(SET[0.4, "hard"])[0]
    config = replace(run.config, plan=replace(run.config.plan, epochs=1))
    data, noted = load(run.data)[0], []
    plain = train(config, tmp_path / "plain", data)
    with benchmark.noting(noted):
        watched = train(config, tmp_path / "watched", data)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert len(noted) == 2 * (len(data) // config.plan.batch_size)
    assert benchmark.described(noted, len(noted) // 2)["by_itself"] < 0.1  # hard: hardly any is right by itself


def test_what_is_stored_has_every_row_and_becomes_a_line():
    stored = read_json(benchmark.RESULTS)
    assert set(stored["rows"]) == set(benchmark.ROWS) and not stored["environment"]["dirty"]
    shown = page.table(stored)
    places = [shown.index(html.escape(row)) for row in TABLE.rows if row in benchmark.ROWS]
    assert places == sorted(places)
    assert all(set(of) == set(page.COLUMNS) for of in stored["rows"].values())
    assert shown.count("<tr>") == 1 + len(benchmark.ROWS)
