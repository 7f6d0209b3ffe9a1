"""Learning: methods reach what no untrained encoder and no pixel classifier does."""

import functools
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sslrepro import evaluate, methods
from sslrepro.data import load
from sslrepro.evaluate.linear import Protocol, fit, predict, standardise
from sslrepro.study.profiles import profile
from sslrepro.training.loop import initial_method, train

pytestmark = pytest.mark.usefixtures("without_shape_checks")


@pytest.fixture(scope="module")
def setting():
    cpu = profile("cpu")
    config = cpu.config("simclr", 104)
    config = replace(config, data=replace(config.data, n_train=1536, n_test=1024))
    config = config.with_changes(**{"plan.epochs": 5, "plan.batch_size": 32})
    splits = load(config.data)
    return cpu, config, splits, tuple(tuple(part) for part in splits[0].mean_std())


def linear(encoder, splits, normalise) -> float:
    """Top-1 of the linear probe with one penalty: there is none to choose, so no images are held out."""
    train, test = (evaluate.features(encoder, split, normalise) for split in splits)
    x, x_test = standardise(train, test)
    w = fit(x, train.y, 16, 1e-3, Protocol().iterations)
    return float((predict(x_test, w).argmax(1) == test.y).double().mean())


def test_simclr_beats_the_random_encoder_and_pixels(setting, tmp_path):
    _, config, splits, normalise = setting
    random = linear(initial_method(config).encoder, splits, normalise)
    trained = linear(train(config, tmp_path, splits[0]).encoder, splits, normalise)
    pixels = [evaluate.pixels(split) for split in splits]
    best_pixels = max(evaluate.run(name, *pixels)[f"{name}_top1"] for name in ("linear", "knn"))
    assert trained > random + 0.15 and trained > best_pixels + 0.15


# What some methods need to have left their start after so few steps, however a processor rounds.
CHANGES = {
    "nnsiam": {"settings.queue_size": 96, "plan.optimizer": "sgd", "plan.lr": 0.1},  # as SimSiam; AdamW may undo it
    "nnsiam_controlled": {"settings.queue_size": 96, "settings.right_share": 1.0},
    "msf": {"settings.queue_size": 256},
    "jigsaw": {"settings.grid": 2, "settings.permutations": 24},  # nine tiles of 4 px teach a tenth as much
    "la": {"settings.warm": 0.5},
    "invp": {"settings.gate": 0.5, "settings.hidden": 0},
    # at a rate of 0.003 its labels, those of an epoch ago, teach nothing in 400 steps
    "sela": {"plan.lr": 0.01, "settings.n_heads": 2},
}
# A bank holds an image's embedding of an epoch ago, and SeLa's labels are as old: few epochs teach them nothing.
SLOW = ("instdisc", "isl", "pirl", "la", "invp", "sela", "swav", "ifnd_swav", "simsiam", "nnsiam")


class Learned(Exception):
    """Ends a run; its argument is the lift."""


START: dict[str, float] = {}  # probe of first weights, by their digest: most methods draw the same


@functools.cache
def images():
    """(profile, splits, normalisation) that all methods share: few images, so that there are many epochs."""
    base = profile("cpu")
    base = replace(base, data=replace(base.data, n_train=512, n_test=1024))
    splits = load(base.config("simclr", 104).data)
    return base, splits, tuple(tuple(part) for part in splits[0].mean_std())


def lift(name: str, folder: Path, **changes) -> float:
    """By how much the linear probe comes above the first weights' within a few hundred steps.

    It is asked after every 32 steps (64 where few epochs teach nothing) and at the end. Its standard error is below 0.02
    (1,024 images, two probes): three of them end the run early, two are enough at the end.
    """
    base, splits, normalise = images()
    epochs = 24 if name in SLOW else 16  # of 16 steps
    base = replace(base, plan=replace(base.plan, epochs=epochs, batch_size=32, lr=0.003))
    config = base.config(name, 104).with_changes(**CHANGES.get(name, {}) | changes)
    encoder = initial_method(config).encoder
    drawn = hashlib.sha256(b"".join(t.numpy().tobytes() for t in encoder.state_dict().values())).hexdigest()
    if drawn not in START:
        START[drawn] = linear(encoder, splits, normalise)

    def watch(step: int, method) -> None:
        if step and step % (64 if name in SLOW else 32) == 0:
            lifted = linear(method.encoder, splits, normalise) - START[drawn]
            if lifted > 0.06:
                raise Learned(lifted)

    try:
        return linear(train(config, folder, splits[0], watch=watch).encoder, splits, normalise) - START[drawn]
    except Learned as end:
        return end.args[0]


@pytest.mark.parametrize("name", methods.names())
def test_every_method_learns(name, tmp_path):
    assert lift(name, tmp_path / "run") > 0.04


def test_a_method_that_does_not_move_has_not_learned(tmp_path):
    assert lift("simclr", tmp_path / "run", **{"plan.lr": 1e-9, "plan.epochs": 4}) < 0.04


def test_nnclr_finds_neighbours_of_the_class(setting, tmp_path):
    """Its queue's neighbours start near chance (1/16) and leave it."""
    from sslrepro.base.store import read_lines

    cpu, base, splits, _ = setting
    config = replace(base, method="nnclr", settings=cpu.settings_at("nnclr") | {"queue_size": 192})
    config = config.with_changes(**{"plan.epochs": 8})
    train(config, tmp_path, splits[0])
    match = torch.tensor([line["neighbour_match"] for line in read_lines(tmp_path / "log.jsonl")])
    assert match[1:4].mean() < 0.10 < match[-6:].mean()
