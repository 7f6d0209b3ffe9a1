"""What a queue costs: bytes against arithmetic, whole steps in turn, and nothing for other methods."""

import pytest
import torch

from sslrepro import evaluate
from sslrepro.data import load
from sslrepro.evaluate import overhead
from sslrepro.study.profiles import profile

SMALL = {"queue_sizes": [64, 512, 128], "dim": 16, "batch_size": 8, "repeats": 2}


@pytest.fixture(scope="module")
def scores():
    config = profile("smoke").config("nnclr", 0)
    return evaluate.measure("overhead", config, load(config.data)[0], "cpu", SMALL)


def test_bytes_are_those_of_the_rows_and_of_the_notes(scores):
    for size in SMALL["queue_sizes"]:
        assert scores[f"row_bytes_{size}"] == size * 16 * 4
        assert scores[f"note_bytes_{size}"] == 3 * 8 * size + 16  # image, class, age; and two counters


def test_every_length_is_timed_and_the_shortest_is_the_measure(scores):
    assert {name.rpartition("_")[2] for name in scores} == {"64", "128", "512"}
    assert scores["of_shortest_64"] == 1.0
    assert all(value > 0 for value in scores.values())


def test_lengths_take_turns_and_warm_up_first(monkeypatch):
    turns, clock = [], iter(range(1, 100))

    def stepper(config, data, device):
        size = config.settings["queue_size"]
        return overhead.initial_method(config), lambda: turns.append(
            (size, config.plan.batch_size, config.settings["dim"])
        )

    monkeypatch.setattr(overhead, "stepper", stepper)
    monkeypatch.setattr(overhead, "seconds", lambda step, device: (step(), next(clock))[1])
    config = profile("smoke").config("nnclr", 0)
    scores = evaluate.measure("overhead", config, load(config.data)[0], "cpu", SMALL | {"repeats": 3})
    assert turns == [(size, 8, 16) for _ in range(4) for size in (64, 128, 512)]
    assert scores["steps_per_second_64"] == 1 / 4 and scores["steps_per_second_512"] == 1 / 6  # medians: 1 4 7, 3 6 9
    assert scores["of_shortest_512"] == pytest.approx(sorted([1 / 3, 4 / 6, 7 / 9])[1])


def test_a_step_is_the_loops_own():
    config = profile("smoke").config("nnclr", 0)
    data, _ = load(config.data)
    method, step = overhead.stepper(config, data, "cpu")
    before = [p.clone() for p in method.encoder.parameters()]
    step()
    step()
    assert method.queue.n_written == 2 * config.plan.batch_size
    assert not any(torch.equal(a, b) for a, b in zip(before, method.encoder.parameters(), strict=True))


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("simclr", {}, "evaluate.overhead: method must be nnclr, got 'simclr'"),
        ("nnclr", {"queue_sizes": [64]}, r"evaluate.overhead: queue_sizes must be at least two lengths, got \[64\]"),
        ("nnclr", {"queue_size": [64]}, "Did you mean 'queue_sizes'"),
    ],
)
def test_wrong_input_is_said(method, settings, message):
    config = profile("smoke").config(method, 0)
    with pytest.raises(ValueError, match=message):
        evaluate.measure("overhead", config, load(config.data)[0], "cpu", settings)
