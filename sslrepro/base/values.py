"""What the fields of a configuration may hold: types from the annotations, ranges beside the defaults."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
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


def setting(default: Any, allowed: Allowed = None, added: bool = False, **about: Any) -> Any:
    """A dataclass field with what it may hold.

    allowed   None stands for all values of its type; numbers are finite in any case
    added     the field is younger than runs that are stored: at its default it is left out of a run's identity
    about     further metadata, for those who know what to do with it
    """
    metadata = {"allowed": allowed, "added": added, **about}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


NAMES = {int: "a whole number", float: "a finite number", bool: "True or False", str: "a text", type(None): "None"}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type: `True`, infinity and NaN are no numbers; 1 is a float."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, one) for one in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return isinstance(value, tuple) and len(value) > 0 and all(fits(one, inner[0]) for one in value)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(fits, value, inner))
    if origin is dict:
        return isinstance(value, dict) and all(isinstance(key, str) for key in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def described(kind: Any) -> str:
    """An annotated type in words.

    >>> described(tuple[int, ...] | None)
    'a list of whole numbers or None'
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(described(one) for one in inner)
    if origin is tuple:
        n = "a list of" if inner[-1] is Ellipsis else f"{len(inner)}"
        return f"{n} {described(inner[0]).removeprefix('a ')}s"
    if origin is dict:
        return "a mapping of settings"
    return NAMES.get(kind, f"a {kind.__name__}")


def check_values(config: Any, owner: str) -> None:
    """Raise ValueError for the first field of a dataclass that is of another type or outside what it may hold."""
    for field in fields(config):
        value, allowed = getattr(config, field.name), field.metadata.get("allowed")
        require(fits(value, field.type), owner, field.name, described(field.type), value)
        if allowed is None or value is None:
            continue
        if isinstance(allowed, Range):
            among = "each " if isinstance(value, tuple) else ""
            values = value if isinstance(value, tuple) else (value,)
            require(all(number in allowed for number in values), owner, field.name, f"{among}{allowed}", value)
        else:
            one_of(value, allowed, owner, field.name)


def from_mapping(kind: type, values: Any, owner: str) -> Any:
    """The dataclass `kind` with its values from a mapping, as JSON has them: lists stand for tuples.

    Raises ValueError for what is no mapping and for unknown names, with the nearest.
    """
    require(isinstance(values, Mapping), owner, "settings", "a mapping of names to values", values)
    known_keys(values, [field.name for field in fields(kind)], owner)
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def default_of(field: Field) -> Any:
    """The default of a dataclass field; MISSING where there is none."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def without_defaults(config: Any) -> dict[str, Any]:
    """`asdict` without the added fields that are at their defaults, inside too: what a run's identity is made of."""
    values = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if not field.metadata.get("added") or value != default_of(field):
            values[field.name] = without_defaults(value) if dataclasses.is_dataclass(value) else value
    return values
