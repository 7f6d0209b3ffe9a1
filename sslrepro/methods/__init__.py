"""Methods by file name: `nnclr` is `methods/nnclr.py`. A new file is a new method; there is no list to edit."""

import functools
import importlib
import inspect
import json
from dataclasses import asdict, fields, replace
from typing import Any

from torch import nn

from sslrepro.base.errors import one_of, require
from sslrepro.base.modules import module_names
from sslrepro.base.values import Range, check_values, from_mapping, stored_values
from sslrepro.base.values import identity_values as values_of_identity
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import Scale

__all__ = [
    "Method",
    "build",
    "config_class",
    "encodes_one_view",
    "identity_values",
    "method_class",
    "names",
    "ranges",
    "settings",
    "settings_at",
    "stored_settings",
]


def names() -> list[str]:
    """Names of all methods, sorted."""
    return [name for name in module_names(__path__) if name not in ("base", "kinds")]


@functools.cache
def method_class(name: str) -> type[Method]:
    """The `Method` subclass that a method's file defines; raises ValueError with the nearest name."""
    module = importlib.import_module(f"{__name__}.{one_of(name, names(), 'methods', 'name')}")
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return next(c for c in classes if issubclass(c, Method))


@functools.cache
def config_class(name: str) -> type:
    """The frozen dataclass `Config` of a method's file."""
    return inspect.getmodule(method_class(name)).Config


def settings_inside(name: str) -> dict[str, str]:
    """Setting that holds those of another method -> the setting that names it (SePP-ID is around two)."""
    return {field.name: field.metadata["of"] for field in fields(config_class(name)) if "of" in field.metadata}


def settings(name: str, values: dict[str, Any] | None = None) -> Any:
    """The method's `Config`: the paper's defaults with `values` on top, as they stand or as JSON has them.

    Raises ValueError for an unknown name, with the nearest, and for a value that its field does not allow.
    """
    values = {} if values is None else values
    try:
        return _settings_of_text(name, json.dumps(values))  # equal texts are equal values: 1, 1.0 and true differ
    except (TypeError, ValueError):  # values that are refused, in their own words, or that have no such text
        return _settings(name, values)


@functools.lru_cache(maxsize=8192)
def _settings_of_text(name: str, text: str) -> Any:
    """The same, worked out once: a plan asks thousands of times for the settings of a dozen methods."""
    return _settings(name, json.loads(text))


def _settings(name: str, values: dict[str, Any]) -> Any:
    owner = f"methods.{name}"
    config = from_mapping(config_class(name), values, owner)
    check_values(config, owner)
    if hasattr(config, "sampler"):
        sampler = method_class(one_of(config.sampler, names(), owner, "sampler"))
        blind = not sampler.needs_labels and config.sampler_settings.get("positive") != "oracle"
        require(blind, owner, "sampler", "a method that sees no labels", config.sampler)
    for field, method in settings_inside(name).items():  # the inner settings are filled in too
        config = replace(config, **{field: asdict(settings(getattr(config, method), getattr(config, field)))})
    return config


def identity_values(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The settings of a method as an identity is made of them: without younger ones that change nothing."""
    config = settings(name, values)
    inner = {
        field: identity_values(getattr(config, method), getattr(config, field))
        for field, method in settings_inside(name).items()
    }
    return values_of_identity(config) | inner


def stored_settings(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Settings as they were stored, with those that are younger: what was done before there were any."""
    values = stored_values(config_class(name), values)
    for field, method in settings_inside(name).items():
        if isinstance(values.get(field), dict) and method in values:
            values[field] = stored_settings(values[method], values[field])
    return values


def ranges(name: str) -> dict[str, Range]:
    """Setting -> the numbers it may be, of those that have bounds."""
    allowed = {field.name: field.metadata.get("allowed") for field in fields(config_class(name))}
    return {name: bounds for name, bounds in allowed.items() if isinstance(bounds, Range)}


def settings_at(name: str, scale: Scale, of_table: dict[str, Any]) -> dict[str, Any]:
    """A method's settings at a small scale: those with a rule of their own, and those that a table sets.

    of_table   in the paper's units; they stand where their field has no rule for them
    """
    values = vars(settings(name)) | of_table
    out: dict[str, Any] = {}
    for field in fields(config_class(name)):
        rule = field.metadata.get("of_tables" if field.name in of_table else "scale")
        if "of" in field.metadata:
            out[field.name] = settings_at(values[field.metadata["of"]], scale, of_table.get(field.name, {}))
        elif rule:
            values[field.name] = out[field.name] = rule(values[field.name], scale, values)
        elif field.name in of_table:
            out[field.name] = of_table[field.name]
    return out


def encodes_one_view(name: str) -> bool:
    """Whether a method that sees no labels encodes one view of an image per epoch (InstDisc, LA, InvP, ISL)."""
    method = method_class(name)
    return method.n_views == 1 and method.n_versions == 1 and not method.needs_labels


def build(name: str, config: Any, encoder: nn.Module, n_images: int) -> Method:
    """The method around an encoder; draws its heads from torch's global generator, which the caller seeds.

    n_images   of the training set: banks and pseudo-labels have a row for each
    """
    if hasattr(config, "base"):
        base = build(config.base, settings(config.base, config.base_settings), encoder, n_images)
        return method_class(name)(config, base, n_images)
    return method_class(name)(config, encoder, n_images)
