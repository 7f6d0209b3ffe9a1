"""What is trained where nobody says: side, encoder, batch and epochs, from the images and the device."""

import re
import statistics
from typing import Any

from sslrepro import methods
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import ViewConfig
from sslrepro.methods.kinds import Scale
from sslrepro.own.images import Survey
from sslrepro.parts.backbones import require_side
from sslrepro.parts.encoders import ENCODERS, encoder, require_name
from sslrepro.training.config import RunConfig, TrainingConfig

SIDES = (32, 64, 96, 128, 160, 192, 224)  # px; what images of a folder are resized to
MOST = {"cpu": 96, "cuda": 224}  # px; a ResNet-18 step on two cores stays below some seconds
SHOWN = {"cpu": 200_000, "cuda": 4_000_000}  # images that training shows, epochs x images, where they fit the bounds
EPOCHS = {"cpu": (20, 200), "cuda": (100, 800)}  # bounds on the epochs
BATCH = {"cpu": 64, "cuda": 256}  # images a step
LR = 1e-3  # AdamW's, at 64 images a step; grows with the root of the batch
WIDTHS = {"dim": 128, "hidden": 1024, "hidden_predictor": 1024}  # of heads: no wider than such encoders need
PER_CLUSTER = 50  # images, where a method wants to know how many groups there are and nobody can tell
CHOICES = ("method", "encoder", "side", "epochs", "batch_size", "accumulate", "seed")


def choose(seen: Survey, device: str = "cpu", **asked: Any) -> RunConfig:
    """The run that is trained on a folder of images: what was asked for, and defaults for the rest.

        seen     the images, by their headers
        device   "cpu" or "cuda": how much is affordable
        asked    method, encoder, side (px), epochs, batch_size (images), accumulate (parts of a batch, see
                 training/micro.py), seed; None stands for the default

    side        the largest of `SIDES` that the median image has, at most 96 px on a CPU and 224 px on a GPU
    encoder     resnet18; below 64 px the one whose first layers keep the resolution (resnet18-cifar)
    batch_size  64 or 256, at most a quarter of the images
    epochs      as many as show 200,000 images (4,000,000 on a GPU), within 20..200 (100..800)

    Raises ValueError for another word, and for values outside what the run allows.

    >>> from pathlib import Path
    >>> from sslrepro.own.images import ImageFile
    >>> files = [ImageFile(Path(), str(n), 320, 240, "jpeg", False) for n in range(2000)]
    >>> run = choose(Survey(Path("photos"), tuple(files)))
    >>> run.data.side, run.encoder, run.method, run.plan.epochs, run.plan.batch_size
    (96, 'resnet18', 'nnclr', 100, 64)
    """
    known_keys(asked, CHOICES, "fit", "setting")
    stated = {name: value for name, value in asked.items() if value is not None}
    kind = "cuda" if device.startswith("cuda") else "cpu"
    n = len(seen)
    method = one_of(stated.get("method", "nnclr"), methods.names(), "fit", "method")
    blind = not methods.method_class(method).needs_labels
    remedy = "Labels are read for scores after training, never by the method."
    require(blind, "fit", "method", "one that sees no labels", method, remedy)

    median = statistics.median(seen.shorter_sides)
    side = stated.get("side", max((s for s in SIDES if s <= min(median, MOST[kind])), default=SIDES[0]))
    require(type(side) is int and 8 <= side <= 1024, "fit", "side", "8..1024 px", side)
    name = require_name(stated.get("encoder", "resnet18" if side >= 64 else "resnet18-cifar"), "fit")
    if name not in ENCODERS:
        require_side(name, encoder(name), side)
    batch = stated.get("batch_size", max(4, min(BATCH[kind], n // 4)))
    require(type(batch) is int and 4 <= batch <= n, "fit", "batch_size", f"4..{n} images", batch)
    least, most = EPOCHS[kind]
    parts = stated.get("accumulate", 1)
    split = type(parts) is int and batch % parts == 0 and batch // parts >= 2 if parts else False
    require(split, "fit", "accumulate", f"a divisor of the batch, {batch} images, that leaves 2 or more", parts)
    epochs = stated.get("epochs", min(max(round(SHOWN[kind] / n), least), most))
    plan = TrainingConfig(
        epochs,
        batch,
        lr=round(LR * (batch / 64) ** 0.5, 6),
        precision="bf16" if kind == "cuda" else "fp32",
        accumulate=parts,
    )
    scale = Scale(n, max(2, n // PER_CLUSTER), max(1, epochs), batch, batch, WIDTHS)
    settings = methods.settings_at(method, scale, {})
    data = DataConfig(plain_name(seen.folder.resolve().name), n_train=n, side=side)
    return RunConfig(method, settings, name, data, ViewConfig("moco2"), plan, stated.get("seed", 0))


def at_once(config: RunConfig) -> int:
    """Images that are encoded together: no more than a step trains on, so that what was trained also ends.

    >>> from sslrepro.training.config import RunConfig, TrainingConfig
    >>> plan = TrainingConfig(1, 64, accumulate=2)
    >>> at_once(RunConfig("nnclr", {}, "conv-tiny", DataConfig("shapes"), ViewConfig("moco2"), plan, 0))
    32
    """
    return min(128, config.plan.batch_size // config.plan.accumulate)


def plain_name(folder: str) -> str:
    """A folder's name as the name of a set: letters that such a name may not have become _.

    >>> plain_name("été/2024!"), plain_name("")
    ('été_2024_', 'images')
    """
    return re.sub(r"[^\w .,+()-]", "_", folder).lstrip(" .,+()-")[:100] or "images"


def words(seen: Survey, config: RunConfig) -> str:
    """What is about to be trained on what, without the time: see `Survey.words`."""
    return (
        f"{seen.words} -> {config.data.side} px · {config.encoder} · {config.method} · "
        f"{config.plan.epochs} epochs of {len(seen) // config.plan.batch_size} steps"
    )
