"""What the fields of a configuration may hold: types from the annotations, ranges beside the defaults."""

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sslrepro.base.errors import known_keys, one_of, require


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, which are allowed themselves unless they are open.

    >>> 1.0 in Range(0, 1), 1.0 in Range(0, 1, open_high=True), str(Range(0, open_low=True))
    (True, False, '> 0')
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'>' if self.open_low else '>='} {self.low:g}"
        return f"in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"


COUNT = Range(1)
NOT_NEGATIVE = Range(0)
POSITIVE = Range(0, open_low=True)
SHARE = Range(0, 1)
PART = Range(0, 1, open_low=True)  # a share of which something is left
LESS_THAN_ALL = Range(0, 1, open_high=True)
FRACTION = Range(0, 1, open_low=True, open_high=True)
COSINE = Range(-1, 1)

Allowed = Range | tuple[str, ...] | None  # a range of numbers, of each number of a tuple; or the texts to choose from


def setting(default: Any, allowed: Allowed = None, **about: Any) -> Any:
    """A dataclass field with what it may hold.

    allowed   None stands for all values of its type; numbers are finite in any case
    about     further metadata. `before`: the field is younger than runs that are stored, and this value is what they
              did (docs/adr/0002); the other words are the methods' (methods/kinds.py)
    """
    metadata = {"allowed": allowed, **about}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


NAMES = {int: "a whole number", float: "a finite number", bool: "True or False", str: "a text", type(None): "None"}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type: `True`, infinity and NaN are no numbers; 1 is a float.

    Whole numbers have 63 bits, as everything that counts with them expects.
    """
    if kind is Any:
        return True
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max  # `math.isfinite` cannot take 10**400
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias):
        if kind is int and isinstance(value, int) and abs(value) >= 2**63:
            return False
        return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, part) for part in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return isinstance(value, tuple) and len(value) > 0 and all(fits(item, inner[0]) for item in value)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(fits, value, inner))
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)  # dict[str, Any]


def describe(kind: Any) -> str:
    """An annotated type in words.

    >>> describe(tuple[int, ...] | None)
    'a list of whole numbers or None'
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(describe(part) for part in inner)
    if origin is tuple:
        n = "a list of" if inner[-1] is Ellipsis else f"{len(inner)}"
        return f"{n} {describe(inner[0]).removeprefix('a ')}s"
    if origin is dict:
        return "a mapping of settings"
    return NAMES.get(kind, f"a {kind.__name__}")


def check_values(config: Any, owner: str) -> None:
    """Raise ValueError for the first field of a dataclass that is of another type or outside what it may hold."""
    for field in fields(config):
        value, allowed = getattr(config, field.name), field.metadata.get("allowed")
        if not fits(value, field.type):  # words cost more than the check, and a plan makes thousands
            require(False, owner, field.name, describe(field.type), value)
        if allowed is None or value is None:
            continue
        if isinstance(allowed, Range):
            if not all(number in allowed for number in (value if isinstance(value, tuple) else (value,))):
                among = ("None or " if fits(None, field.type) else "") + ("each " if isinstance(value, tuple) else "")
                require(False, owner, field.name, f"{among}{allowed}", value)
        else:
            one_of(value, allowed, owner, field.name)


def from_mapping(kind: type, values: Any, owner: str) -> Any:
    """The dataclass `kind` with its values from a mapping, as JSON has them: lists stand for tuples.

    Raises ValueError for what is no mapping and for unknown names, with the nearest.
    """
    require(isinstance(values, Mapping), owner, "settings", "a mapping of names to values", values)
    known_keys(values, [field.name for field in fields(kind)], owner)
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def identity_values(config: Any) -> dict[str, Any]:
    """`asdict` without the younger fields that say what was done before there were any: what an identity is made of."""
    values = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if "before" not in field.metadata or value != field.metadata["before"]:
            values[field.name] = identity_values(value) if dataclasses.is_dataclass(value) else value
    return values


def stored_values(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they were stored, with the fields of the dataclass `kind` that are younger: what was done before."""
    younger = {field.name: field.metadata["before"] for field in fields(kind) if "before" in field.metadata}
    return younger | dict(values)
