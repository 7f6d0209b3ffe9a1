"""Learning: methods reach what no untrained encoder and no pixel classifier does."""

from dataclasses import replace

import pytest
import torch

from sslrepro import evaluate, methods
from sslrepro.data import load
from sslrepro.study.profiles import profile
from sslrepro.training.loop import initial_method, train


@pytest.fixture(scope="module")
def setting():
    cpu = profile("cpu")
    config = cpu.config("simclr", 104)
    config = replace(config, data=replace(config.data, n_train=3072, n_test=1024))
    config = config.with_changes(**{"plan.epochs": 5, "plan.batch_size": 32})
    splits = load(config.data)
    return cpu, config, splits, tuple(tuple(part) for part in splits[0].mean_std())


def linear(encoder, splits, normalise) -> float:
    features = [evaluate.features(encoder, split, normalise) for split in splits]
    return evaluate.run("linear", *features)["linear_top1"]


def test_simclr_beats_the_random_encoder_and_pixels(setting, tmp_path):
    _, config, splits, normalise = setting
    random = linear(initial_method(config).encoder, splits, normalise)
    trained = linear(train(config, tmp_path, splits[0]).encoder, splits, normalise)
    pixels = [evaluate.pixels(split) for split in splits]
    best_pixels = max(evaluate.run("linear", *pixels)["linear_top1"], evaluate.run("knn", *pixels)["knn_top1"])
    assert trained > random + 0.15 and trained > best_pixels + 0.15


# A bank holds an image's embedding of an epoch ago: few epochs teach it nothing; what is said of these on their pages.
# NNSiam at the profile's queue has hardly left its start after 500 steps, whatever the seed; at a short one it has.
LONGER = {
    "nnsiam": {"settings.queue_size": 96},
    "instdisc": {},
    "isl": {},
    "la": {"settings.warm": 0.5},
    "invp": {"settings.gate": 0.5, "settings.hidden": 0},
}


@pytest.mark.parametrize("name", methods.names())
def test_every_method_learns(name, tmp_path):
    """A few hundred steps lift the linear probe of every method clearly above its own first weights."""
    base = profile("cpu")
    plan = replace(base.plan, epochs=16 if name in LONGER else 6, batch_size=32)
    base = replace(base, data=replace(base.data, n_train=1536, n_test=1024), plan=plan)
    config = base.config(name, 104).with_changes(**LONGER.get(name, {}))
    splits = load(config.data)
    normalise = tuple(tuple(part) for part in splits[0].mean_std())
    random = linear(initial_method(config).encoder, splits, normalise)
    trained = linear(train(config, tmp_path / "run", splits[0]).encoder, splits, normalise)
    assert trained > random + 0.03  # the probe's standard error is 0.015


def test_nnclr_finds_neighbours_of_the_class(setting, tmp_path):
    """Its queue's neighbours start near chance (1/16) and leave it."""
    from sslrepro.base.store import read_lines

    cpu, base, splits, _ = setting
    config = replace(base, method="nnclr", settings=cpu.scaled("nnclr") | {"queue_size": 192})
    config = config.with_changes(**{"plan.epochs": 8})
    train(config, tmp_path, splits[0])
    match = torch.tensor([line["neighbour_match"] for line in read_lines(tmp_path / "log.jsonl")])
    assert match[1:4].mean() < 0.10 < match[-6:].mean()
