"""The checker of shapes refuses what it should, from a test's first calls on; then it lets the function be."""

import beartype
import jaxtyping
import pytest
import torch
from jaxtyping import Float, TypeCheckError

from tests import ENOUGH, ENOUGH_WITHIN, check_again, checked, decorate, jaxtyped


@jaxtyped(typechecker=checked)
def rows(x: Float[torch.Tensor, "n f"], y: Float[torch.Tensor, "n g"]) -> Float[torch.Tensor, " n"]:
    return (x.sum(1) + y.sum(1)).flatten()[: 3 if len(x) < 9 else 2]


class Owner:
    @staticmethod
    @jaxtyped(typechecker=checked)
    def length(x: Float[torch.Tensor, " n"]) -> int:
        return len(x)


@pytest.fixture(autouse=True)
def afresh():
    check_again()
    yield
    check_again()


GOOD, BAD = torch.ones(3, 2), torch.ones(4, 2)


def test_shapes_that_do_not_agree_are_refused():
    assert rows(GOOD, GOOD).tolist() == [4, 4, 4]
    with pytest.raises(TypeCheckError, match="parameters of tests.test_checked.rows"):
        rows(GOOD, BAD)
    with pytest.raises(TypeCheckError, match="return value of tests.test_checked.rows"):
        rows(torch.ones(9, 2), torch.ones(9, 2))


def test_a_whole_number_is_a_float_and_a_text_is_not():
    half = checked(half_of)
    assert half(3) == 1.5
    with pytest.raises(beartype.roar.BeartypeCallHintParamViolation):
        half("3")


def half_of(x: float) -> float:
    return x / 2


@pytest.mark.parametrize(("function", "good", "bad"), [(rows, (GOOD, GOOD), (GOOD, BAD)),
                                                       (Owner.length, (GOOD[:, 0],), (GOOD,))])  # fmt: skip
def test_a_test_that_has_seen_enough_calls_a_function_as_it_is_and_the_next_begins_anew(function, good, bad):
    for _ in range(ENOUGH - 1):
        function(*good)
    with pytest.raises(TypeCheckError):
        function(*bad)
    for _ in range(ENOUGH):
        function(*good)
    assert function.__no_type_check__
    function.__wrapped__(*good)
    check_again()
    with pytest.raises(TypeCheckError):
        function(*bad)


def test_functions_within_functions_are_checked_the_first_times_they_are_made():
    def make():
        @jaxtyped(typechecker=checked)
        def inner(x: Float[torch.Tensor, " n"]) -> int:
            return len(x)

        return inner

    for _ in range(ENOUGH_WITHIN):
        inner = make()
        for _ in range(3 * ENOUGH):
            inner(GOOD[:, 0])
        with pytest.raises(TypeCheckError):
            inner(GOOD)
    assert make()(GOOD) == 3
    check_again()
    with pytest.raises(TypeCheckError):
        make()(GOOD)


def test_the_import_hook_finds_the_decorator():
    """It looks the name up in the module whenever a function is made."""
    assert jaxtyping.jaxtyped is jaxtyped and jaxtyped is not decorate
