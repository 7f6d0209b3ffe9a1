"""Properties of every reader, on a few inputs each; `make faults` has many."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.faults.campaign import COUNTS, PROPERTIES


@pytest.mark.parametrize("reader", PROPERTIES, ids=lambda reader: reader.__name__)
def test_every_input_is_answered(reader, without_shape_checks):
    few = settings(
        max_examples=20,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    before = sum(COUNTS.values())
    few(given(PROPERTIES[reader])(reader))()
    assert sum(COUNTS.values()) >= before + 20, "every input was answered, and counted"
