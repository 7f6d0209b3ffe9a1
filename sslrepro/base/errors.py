"""The one wording of every error: owner, argument, what is allowed, what was given, and what to do."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def require(ok: bool, owner: str, name: str, allowed: str, got: Any, remedy: str = "") -> None:
    """Raise ValueError "owner: name must be <allowed>, got <got>. <remedy>" unless `ok`."""
    if not ok:
        raise ValueError(f"{owner}: {name} must be {allowed}, got {brief(got)}.{' ' + remedy if remedy else ''}")


def brief(value: Any) -> str:
    """A value in one line that a terminal can show: the start of a long one."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:250]}... ({len(text):,} characters)"


def one_of(value: Any, options: Iterable[Any], owner: str, name: str) -> Any:
    """Return `value` when it is one of `options`; otherwise raise ValueError that names the nearest option."""
    options = list(options)
    if value in options:
        return value
    near = difflib.get_close_matches(str(value), [str(option) for option in options], n=1, cutoff=0.4)
    listed = ", ".join(str(option) for option in options)
    hint = f"Did you mean '{near[0]}'?" if near else ""
    require(False, owner, name, f"one of {listed}", value, hint)


def known_keys(keys: Mapping[str, Any], allowed: Iterable[str], owner: str, name: str = "setting") -> None:
    """Raise ValueError naming the nearest allowed key for the first unknown one."""
    allowed = list(allowed)
    for key in keys:
        one_of(key, allowed, owner, name)
