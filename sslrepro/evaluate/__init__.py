"""Frozen encoder in, metrics out. Evaluations by file name: `knn` is `evaluate/knn.py`, one function `scores`.

Most read the features of a trained encoder (`run`). Those whose file says OF_RUN measure the run itself (`measure`),
those that say OF_LOG read what its training logged (`of_course`), those that say OF_ENCODER train on from a copy of
the encoder, or take it to other images (`tune`).
The room itself can be called, as `sslrepro.evaluate(encoder, data, "knn")`: see `frozen_scores`.
"""

import hashlib
import importlib
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.base.modules import module_names
from sslrepro.base.paths import data_root
from sslrepro.base.types import Features
from sslrepro.data.dataset import Dataset
from sslrepro.data.sources import blocks_of
from sslrepro.methods.base import Method
from sslrepro.parts.extract import encode_images
from sslrepro.parts.trained_encoder import TrainedEncoder
from sslrepro.training.config import RunConfig
from sslrepro.training.stored import stored_method

__all__ = ["digest", "features", "frozen_scores", "measure", "names", "of_course", "of_encoder", "of_features",
           "of_log", "of_run", "pixels", "protocol", "run", "tune"]  # fmt: skip


def names() -> list[str]:
    """Names of all evaluations, sorted."""
    return module_names(__path__)


def _module(name: str):
    return importlib.import_module(f"{__name__}.{one_of(name, names(), 'evaluate', 'name')}")


def protocol(name: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """The evaluation's full settings: its defaults with `settings` on top; unknown keys raise with the nearest."""
    defaults = _module(name).Protocol()
    known_keys(settings or {}, [field.name for field in fields(defaults)], f"evaluate.{name}")
    return asdict(replace(defaults, **(settings or {})))


def of_run(name: str) -> bool:
    """Whether an evaluation measures a run (its memory, its speed, its log) and not the features that it ends with."""
    return getattr(_module(name), "OF_RUN", False) or of_log(name)


def of_log(name: str) -> bool:
    """Whether an evaluation reads what training logged."""
    return getattr(_module(name), "OF_LOG", False)


def of_encoder(name: str) -> bool:
    """Whether an evaluation needs the encoder: it trains on from its weights, or encodes other images."""
    return getattr(_module(name), "OF_ENCODER", False)


def of_features(name: str) -> bool:
    """Whether an evaluation reads the features of a frozen encoder and nothing else."""
    return not of_run(name) and not of_encoder(name)


def digest(net: nn.Module) -> str:
    """SHA-256 over a network's parameters and buffers, by name."""
    state = hashlib.sha256()
    for name, tensor in sorted([*net.named_parameters(), *net.named_buffers()], key=lambda pair: pair[0]):
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def features(encoder: nn.Module, data: Dataset, normalise: tuple[tuple[float, ...], tuple[float, ...]]) -> Features:
    """Features of a split in eval mode; raises RuntimeError if making them changed the encoder."""
    before = digest(encoder)
    x = encode_images(encoder, data, normalise)
    if digest(encoder) != before:
        raise RuntimeError("evaluate.features: the encoder changed while it was evaluated.")
    n = int((~torch.isfinite(x)).any(1).sum())
    require(
        n == 0,
        "evaluate.features",
        "features",
        "finite",
        f"{n} of {len(x)} rows that are not",
        "The weights are damaged, or training ran away.",
    )
    return Features(x, data.labels)


def pixels(data: Dataset) -> Features:
    """The images themselves as features, scaled to -0.5..0.5: the control that no encoder should lose to."""
    return Features(torch.cat([block.flatten(1).float() / 255 - 0.5 for block in blocks_of(data.images)]), data.labels)


def run(name: str, train: Features, test: Features, settings: dict[str, Any] | None = None, seed: int = 0) -> dict:
    """Scores of one evaluation: a flat dict, accuracies in [0, 1].

    seed   of the evaluation's own draws (train split for the regularisation, few-label draws)
    """
    chosen = _module(name).Protocol(**protocol(name, settings))
    with torch.random.fork_rng(devices=[]):
        return _module(name).scores(train, test, chosen, seed)


def measure(name: str, config: RunConfig, data: Dataset, device: str, settings: dict[str, Any] | None = None) -> dict:
    """Scores of an evaluation of a run: a flat dict.

    data   the training images, on `device`
    """
    chosen = _module(name).Protocol(**protocol(name, settings))
    return _module(name).scores(config, data, device, chosen)


def of_course(name: str, lines: list[dict[str, Any]], settings: dict[str, Any] | None = None) -> dict[str, float]:
    """Scores of an evaluation of a training's log: a flat dict.

    lines   of the log, in order
    """
    return _module(name).scores(lines, _module(name).Protocol(**protocol(name, settings)))


def tune(
    name: str,
    encoder: nn.Module,
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    device: str,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    splits: tuple[Dataset, Dataset] | None = None,
) -> dict[str, float]:
    """Scores of an evaluation that trains on from a copy of an encoder, or reads other images: a flat dict.

    normalise   mean and deviation per colour that the encoder was trained with
    root        folder of data sets, where the protocol names one
    splits      the run's own images, where the evaluation reads them

    Raises RuntimeError if the encoder itself changed.
    """
    chosen, before = _module(name).Protocol(**protocol(name, settings)), digest(encoder)
    with torch.random.fork_rng(devices=[]):
        trained = TrainedEncoder(encoder, normalise, seed, device, data_root(root), splits)
        scores = _module(name).scores(trained, chosen)
    if digest(encoder) != before:
        raise RuntimeError(f"evaluate.{name}: the encoder changed while a copy of it was tuned.")
    return scores


def frozen_scores(
    encoder: nn.Module | str | Path,
    data: tuple[Dataset, Dataset] | None = None,
    name: str = "knn",
    root: str | Path | None = None,
    device: str = "cpu",
    seed: int = 0,
    **settings: Any,
) -> dict[str, float]:
    """Scores of a frozen encoder by one evaluation: a flat dict, accuracies in [0, 1]. What `sslrepro.evaluate` calls.

        encoder   a network, a `Method` (its encoder is used, not the head), or a stored run by folder or name
        data      (train split, test split), as `sslrepro.load` returns them; default a stored run's own images
        name      "knn", "linear", "linear_sgd", "few", "nmi" read frozen features; "transfer", "finetune_...",
                  "faster_rcnn" and "mask_rcnn" take a copy of the encoder
        root      folder of data sets, where a stored run's images are not embedded
        seed      of the evaluation's own draws
        settings  of the evaluation, such as k=5

    Images are normalised as the training split is, not augmented. Raises ValueError for an unknown evaluation or
    setting (with the nearest), a missing run, or no data; RuntimeError if the encoder changed under it.

    >>> import sslrepro
    >>> from sslrepro.parts.encoders import encoder
    >>> scores = sslrepro.evaluate(encoder("conv-tiny"), sslrepro.load("digits", n_train=200), "knn", k=5)
    >>> sorted(scores), scores["knn_top1"] > 0.5
    (['knn_top1', 'knn_top5', 'neighbour_match'], True)
    """
    protocol(name, settings)
    require(not of_run(name), "evaluate", "name", "an evaluation of features", name)
    if isinstance(encoder, str | Path):
        _, encoder, own = stored_method(encoder, data_root(root), device)
        data = own if data is None else data
    splits = isinstance(data, tuple) and len(data) == 2 and all(isinstance(split, Dataset) for split in data)
    require(splits, "evaluate", "data", "(train split, test split)", type(data).__name__, "See sslrepro.load.")
    train, test = (split.to(device) for split in data)
    net = (encoder.encoder if isinstance(encoder, Method) else encoder).to(device)
    normalise = tuple(tuple(part) for part in train.mean_std())
    if of_encoder(name):
        return tune(name, net, normalise, device, settings, seed, root, (train, test))
    return run(name, features(net, train, normalise), features(net, test, normalise), settings, seed)


class _Room(ModuleType):
    """A module that can be called: `sslrepro.evaluate` is this room and the front door's function, however imported."""

    def __call__(self, *words: Any, **named: Any) -> dict[str, float]:
        return frozen_scores(*words, **named)


_Room.__call__.__doc__ = frozen_scores.__doc__
sys.modules[__name__].__class__ = _Room
