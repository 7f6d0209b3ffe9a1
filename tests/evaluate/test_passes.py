"""Forward passes of a training step, counted."""

import pytest

from sslrepro import evaluate
from sslrepro.data import load
from tests.conftest import tiny


@pytest.mark.parametrize("name, passes", [
    ("invp", 1), ("instdisc", 1), ("invp_moco", 2), ("mocov2", 2), ("simclr", 2), ("byol", 4), ("fnc", 8),
])  # fmt: skip
def test_passes_are_those_of_the_algorithm(name, passes):
    """One view: one; a student's and a teacher's view: two; both views of both: four; FNC: four views of both."""
    config = tiny(name)
    data = load(config.data)[0]
    assert evaluate.measure("passes", config, data, "cpu") == {"forward_passes": passes}
    assert evaluate.measure("passes", config, data, "cpu", {"batch_size": 10**6}) == {"forward_passes": passes}
