"""Methods by file name: `nnclr` is `methods/nnclr.py`. A new file is a new method; there is no list to edit."""

import importlib
import inspect
import pkgutil
from dataclasses import asdict, fields, replace
from typing import Any

from torch import nn

from sslrepro.check import known_keys, one_of
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


def settings(name: str, given: dict[str, Any] | None = None) -> Any:
    """The method's `Config`: the paper's defaults with `given` on top; unknown keys raise with the nearest."""
    config = inspect.getmodule(method_class(name)).Config()
    given = dict(given or {})
    known_keys(given, [field.name for field in fields(config)], f"methods.{name}")
    made = replace(config, **{key: tuple(v) if isinstance(v, list) else v for key, v in given.items()})
    if hasattr(made, "base"):  # a method around another: the inner settings are filled in too
        made = replace(made, base_settings=asdict(settings(made.base, made.base_settings)))
    if hasattr(made, "sampler"):
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
