"""Frozen encoder in, metrics out. Evaluations by file name: `knn` is `evaluate/knn.py`, one function `scores`.

Most read the features of a trained encoder (`run`); those whose file says OF_RUN measure the run itself (`measure`).
"""

import hashlib
import importlib
import pkgutil
from dataclasses import asdict, fields, replace
from typing import Any

import torch
from torch import nn

from sslrepro.base.errors import known_keys, one_of
from sslrepro.base.types import Features
from sslrepro.data.dataset import Dataset
from sslrepro.parts.extract import encoded
from sslrepro.training.config import RunConfig

__all__ = ["digest", "features", "measure", "names", "of_run", "pixels", "protocol", "run"]


def names() -> list[str]:
    """Names of all evaluations, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def _module(name: str):
    return importlib.import_module(f"{__name__}.{one_of(name, names(), 'evaluate', 'name')}")


def protocol(name: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """The evaluation's full settings: its defaults with `settings` on top; unknown keys raise with the nearest."""
    defaults = _module(name).Protocol()
    known_keys(settings or {}, [field.name for field in fields(defaults)], f"evaluate.{name}")
    return asdict(replace(defaults, **(settings or {})))


def of_run(name: str) -> bool:
    """Whether an evaluation measures a run (its memory, its speed) and not the features that it ends with."""
    return getattr(_module(name), "OF_RUN", False)


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
    x = encoded(encoder, data, normalise)
    if digest(encoder) != before:
        raise RuntimeError("evaluate.features: the encoder changed while it was evaluated.")
    return Features(x, data.labels)


def pixels(data: Dataset) -> Features:
    """The images themselves as features, scaled to -0.5..0.5: the control that no encoder should lose to."""
    return Features(data.images.flatten(1).float() / 255 - 0.5, data.labels)


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
