"""Tests, a folder for each room; and the checker of shapes and types that `make test` puts around functions.

Rooms that plan, judge and report neither take nor give tensors: checking the types of their hundreds of thousands of
small calls took nine tenths of their tests' time, so the checker is put around the rooms that hold tensors.
"""

import collections
import functools
import inspect
import sys
import types
from collections.abc import Callable

import beartype
import jaxtyping

ENOUGH = 16  # calls of a function that one test checks: the next thousand bring no shapes that it has not seen
CALLS: collections.Counter[Callable] = collections.Counter()  # of the test at hand
TRUSTED: set[Callable] = set()  # functions that it has seen often enough
ENOUGH_WITHIN = 2  # times a function within a function is checked in a test: each is made, and compiled, anew
MADE: collections.Counter[types.CodeType] = collections.Counter()  # of these, in the test at hand
annotated = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def wrapper_of(check: Callable) -> Callable | None:
    """The function of the package that jaxtyping makes this check for; None for one defined within another."""
    owner = sys.modules.get(check.__module__)
    for name in check.__qualname__.split("."):
        owner = inspect.getattr_static(owner, name, None)
    owner = getattr(owner, "fget", None) or getattr(owner, "__func__", owner)
    return owner if inspect.isfunction(owner) else None


def checked(function: Callable) -> Callable:
    """The function with the types of its arguments and result checked, until a test has seen enough of it."""
    check = annotated(function)

    @functools.wraps(function)
    def counted(*args, **kwargs):
        CALLS[counted] += 1
        if CALLS[counted] == ENOUGH and (wrapper := wrapper_of(function)) is not None:
            wrapper.__no_type_check__ = True  # jaxtyping's word for: call it as it is
            TRUSTED.add(wrapper)
        return check(*args, **kwargs)

    return counted


def check_again() -> None:
    """Each test begins with every function checked."""
    for wrapper in TRUSTED:
        del wrapper.__no_type_check__
    TRUSTED.clear()
    CALLS.clear()
    MADE.clear()


decorate = jaxtyping.jaxtyped


@functools.wraps(decorate)
def jaxtyped(function=None, **options):
    """jaxtyping's decorator, but for functions within functions that the test at hand has seen often enough."""
    if function is None:
        return functools.partial(jaxtyped, **options)
    code = getattr(function, "__code__", None)
    if code is not None and "<locals>" in function.__qualname__:
        MADE[code] += 1
        if MADE[code] > ENOUGH_WITHIN:
            return function
    return decorate(function, **options)


jaxtyping.jaxtyped = jaxtyped  # by this name the import hook of `--jaxtyping-packages` puts it around functions
