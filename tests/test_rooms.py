"""Tests stand in the room they are about, and every room has some that `make test-fast` runs."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOMS = sorted(path.parent.name for path in (TESTS.parent / "sslrepro").glob("*/__init__.py"))
SLOW = [line for line in (TESTS / "slow.txt").read_text("utf-8").splitlines() if not line.startswith("#")]


def functions(path: Path) -> list[str]:
    """Names of the tests of a file, as pytest gives them, without their cases."""
    place = path.relative_to(TESTS.parent).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [f"{place}::{node.name}" for node in tree.body if getattr(node, "name", "").startswith("test_")]


@pytest.mark.parametrize("room", [*ROOMS, "book", "notebooks"])
def test_every_room_has_tests_and_fast_ones(room):
    names = [name for path in (TESTS / room).glob("test_*.py") for name in functions(path)]
    assert set(names) - set(SLOW), "`make test-fast` would pass this room by"


def test_every_slow_test_exists():
    """A name that moved would make `make test-fast` slow in silence."""
    names = {name for path in TESTS.rglob("test_*.py") for name in functions(path)}
    assert SLOW and set(SLOW) <= names, sorted(set(SLOW) - names)


def test_no_test_stands_outside_a_room_but_those_of_the_whole():
    whole = {
        "test_checked",
        "test_forked",
        "test_front_door",
        "test_identity",
        "test_install",
        "test_layers",
        "test_processors",
        "test_readme",
        "test_rooms",
    }
    assert {path.stem for path in TESTS.glob("test_*.py")} == whole
