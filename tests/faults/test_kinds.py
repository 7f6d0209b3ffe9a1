"""docs/faults.md: every kind of fault names a test, and every named test exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "faults.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| kind |")
]


@pytest.mark.parametrize("kind, tests, red", LINES, ids=[line[0] for line in LINES])
def test_every_kind_has_tests_that_exist(kind, tests, red):
    names = tests.split(", ")
    assert names and all(re.fullmatch(r"[\w/]+\.py::test_\w+", name) for name in names), tests
    assert red in ("", "yes")
    for name in names:
        file, _, test = name.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_there_are_kinds():
    assert len(LINES) > 50
