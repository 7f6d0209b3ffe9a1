"""`evaluate`: which evaluations read a data root, whatever images the run was trained on."""

import pytest

from sslrepro.cli.evaluate import reads_root


@pytest.mark.parametrize(
    "protocol, reads",
    [
        ({}, False),
        ({"data": "scenes"}, False),
        ({"data": "bccd"}, True),
        ({"sets": ("digits", "scenes")}, False),
        ({"sets": ("digits", "pets")}, True),
    ],
)
def test_sets_that_are_not_drawn_are_read_from_a_root(protocol, reads):
    assert reads_root(protocol) is reads
