"""Methods by file name: `nnclr` is `methods/nnclr.py`. A new file is a new method; there is no list to edit."""

import importlib
import inspect
import pkgutil
from dataclasses import asdict, fields, replace
from typing import Any

from torch import nn

from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.methods.base import Method

__all__ = ["Method", "build", "method_class", "names", "settings"]


def names() -> list[str]:
    """Names of all methods, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def method_class(name: str) -> type[Method]:
    """The `Method` subclass that a method's file defines; raises ValueError with the nearest name."""
    module = importlib.import_module(f"{__name__}.{one_of(name, names(), 'methods', 'name')}")
    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return next(c for c in found if issubclass(c, Method))


# what a setting may be, by its name, whatever method it belongs to
POSITIVE = ("temperature", "soft_temperature", "teacher_temperature", "teacher_temperature_end", "epsilon", "gan_lr")
COUNTS = ("dim", "queue_size", "top_k", "hops", "rounds", "cap", "norm_groups", "sinkhorn_iterations", "mining_batch",
          "max_gan_epochs", "max_passes", "n_neighbours", "n_positives", "n_negatives", "n_nearest", "n_clusterings",
          "n_heads", "n_prototypes", "n_classes", "n_proxy_neighbours", "n_strangers")  # fmt: skip
SHARES = ("gate", "warm", "freeze", "queue_from", "final_rate", "step_at", "every", "share", "teacher_momentum",
          "bank_momentum", "centre_momentum", "teacher_temperature_warmup", "quantile")  # fmt: skip


def in_range(owner: str, values: dict[str, Any]) -> None:
    """Raise ValueError for a setting outside what its name allows; None is left to the method."""
    for name, value in values.items():
        if value is None:
            continue
        if name in POSITIVE:
            require(value > 0, owner, name, "> 0", value)
        elif name in COUNTS:
            require(value >= 1, owner, name, ">= 1", value)
        elif name in SHARES:
            require(0 <= value <= 1, owner, name, "in [0, 1]", value)


def settings(name: str, given: dict[str, Any] | None = None) -> Any:
    """The method's `Config`: the paper's defaults with `given` on top; unknown keys raise with the nearest."""
    config = inspect.getmodule(method_class(name)).Config()
    given = dict(given or {})
    known_keys(given, [field.name for field in fields(config)], f"methods.{name}")
    made = replace(config, **{key: tuple(v) if isinstance(v, list) else v for key, v in given.items()})
    in_range(f"methods.{name}", vars(made))
    if hasattr(made, "base"):  # a method around another: the inner settings are filled in too
        made = replace(made, base_settings=asdict(settings(made.base, made.base_settings)))
    if hasattr(made, "sampler"):
        blind = not method_class(made.sampler).needs_labels and made.sampler_settings.get("positive") != "oracle"
        require(blind, f"methods.{name}", "sampler", "a method that sees no labels", made.sampler)
        made = replace(made, sampler_settings=asdict(settings(made.sampler, made.sampler_settings)))
    return made


def build(name: str, config: Any, encoder: nn.Module, n_images: int) -> Method:
    """The method around an encoder; draws its heads from torch's global generator, which the caller seeds.

    n_images   of the training set: banks and pseudo-labels have a row for each
    """
    if hasattr(config, "base"):
        base = build(config.base, settings(config.base, config.base_settings), encoder, n_images)
        return method_class(name)(config, base, n_images)
    return method_class(name)(config, encoder, n_images)
