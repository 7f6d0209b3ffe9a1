"""Numbers that go wrong are said as what they are, with advice that fits the cause."""

import re
from dataclasses import replace

import pytest
import torch
from PIL import Image

from sslrepro import evaluate
from sslrepro.base.types import Step
from sslrepro.data import load
from sslrepro.data.dataset import Dataset, fingerprint
from sslrepro.data.quality import warnings_about
from sslrepro.explore.own_images import embed
from sslrepro.parts.encoders import encoder
from sslrepro.study.run import Run, perform_run
from sslrepro.training.loop import initial_method, train
from sslrepro.training.monitor import StepDone, TrainingLog, advice
from tests.conftest import tiny


def images(*values: int, noise: bool = False, labels=None) -> Dataset:
    pixels = torch.tensor(values, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 8, 8)
    if noise:
        pixels = pixels + torch.randint(0, 9, pixels.shape, generator=torch.Generator().manual_seed(sum(values)))
    pixels = pixels.to(torch.uint8)
    labels = torch.tensor(labels if labels is not None else [n % 2 for n in range(len(values))])
    return Dataset("mine", pixels, labels, ("a", "b"), {}, fingerprint(pixels, labels))


HONEST = images(10, 60, 110, 160, noise=True)


@pytest.mark.parametrize(
    "train_set, test_set, says",
    [
        (HONEST, images(200, 210, noise=True), []),
        (images(7, 7, 7), images(200, noise=True), ["all 3 training images are equal"]),
        (
            images(10, 20, 10, 10),
            images(200, noise=True),
            ["2 of 4 training images repeat", "4 of 4 .* one colour alone"],
        ),
        (images(10, 20), images(200, noise=True), ["2 of 2 .* one colour alone"]),
        (HONEST, HONEST, ["4 of 4 test images are also training images"]),
        (images(10, 60, noise=True, labels=[0, 0]), images(200, noise=True), ["all training images are of one class"]),
    ],
)
def test_images_that_say_less_than_they_seem_to(train_set, test_set, says):
    warnings = warnings_about(train_set, test_set)
    assert len(warnings) == len(says), warnings
    for line, pattern in zip(warnings, says, strict=True):
        assert re.search(f"data mine: {pattern}", line)


def test_a_folder_with_test_images_among_the_training_images_is_warned_of(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for label in ("a", "b"):
        for n in range(12):
            pixels = torch.randint(0, 256, (8, 8, 3), generator=generator, dtype=torch.uint8).numpy()
            for split in ("train", "test"):
                (tmp_path / "mine" / split / label).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / "mine" / split / label / f"{n}.png")
    config = tiny("simclr", epochs=1).with_changes(**{"data.name": "mine", "data.n_train": 0, "data.n_test": 0})
    with pytest.warns(UserWarning, match="24 of 24 test images are also training images"):
        perform_run(Run(config.data, 0, {}, config), tmp_path / "runs", str(tmp_path), "cpu", 1)


def test_a_learning_rate_too_high_is_told_from_a_loss_that_overflows(tmp_path):
    data = load(tiny().data)[0]
    with pytest.raises(FloatingPointError, match="The weights ran away. Lower lr"):
        wild = tiny("simclr").with_changes(**{"plan.lr": 1e30, "plan.optimizer": "sgd"})
        train(wild, tmp_path / "wild", data, log_every=2)
    sound = train(tiny("simclr", epochs=0), tmp_path / "sound", data)
    assert "lr is not the cause. Raise the temperature." in advice(sound, tiny().plan)
    with torch.no_grad():
        next(sound.parameters())[0] = float("nan")
    assert "Lower lr" in advice(sound, tiny().plan)


@pytest.mark.parametrize(
    "data, ends",
    [
        (images(*[9] * 16), "All images are equal: no setting can keep their embeddings apart."),
        (HONEST, "about 1)."),
    ],
)
def test_collapse_of_equal_images_does_not_blame_the_settings(data, ends):
    log = TrainingLog(data, tiny().plan, every=1)
    out = Step(torch.tensor(1.0), {"embedding_std": torch.tensor(0.01)})
    with pytest.warns(UserWarning, match="embeddings have collapsed by step 1") as told:
        log(StepDone(1, 10, 0.1, 0.1, out, initial_method(tiny("simclr"), 16)))
    assert str(told[0].message).endswith(ends)


def test_features_that_are_not_finite_are_said_before_a_probe_sees_them():
    net = encoder("conv-tiny")
    with torch.no_grad():
        next(net.parameters())[:] = float("nan")
    with pytest.raises(ValueError, match="features must be finite, got '4 of 4 rows that are not'"):
        evaluate.features(net, HONEST, tuple(tuple(part) for part in HONEST.mean_std()))


def test_an_input_that_is_not_finite_is_refused(without_shape_checks):
    with pytest.raises(ValueError, match="images must be a data set or a uint8 tensor"):
        embed(encoder("conv-tiny"), torch.full((2, 3, 8, 8), float("nan")))


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"images": torch.rand(4, 3, 8, 8)}, r"images must be uint8 in 0..255 \[n 3 h w\], got 'torch.float32 \[4, 3"),
        ({"labels": torch.tensor([0, 1])}, "labels must be one for each of 4 images, got 2"),
        ({"labels": torch.tensor([0, 1, 2, 0])}, r"labels must be in 0..1, the classes of the images, got \[0, 2\]"),
        ({"labels": torch.tensor([0, -1, 1, 0])}, r"labels must be in 0..1, .* got \[-1, 1\]"),
    ],
)
def test_images_or_labels_that_are_none_are_refused_before_anything_is_created(
    changes, says, tmp_path, without_shape_checks
):
    with pytest.raises(ValueError, match=f"^train: {says}"):
        train(tiny("simclr"), tmp_path / "run", replace(HONEST, **changes))
    assert not list(tmp_path.iterdir())
