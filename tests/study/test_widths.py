"""Widths of heads that a table sets: in the ratio to the method's default, on which the profile's own width stands."""

import pytest

from sslrepro import tables
from sslrepro.study.profiles import profile


@pytest.mark.parametrize(
    ("scale", "widths"),
    [("smoke", [16, 32, 64, 128, 256]), ("cpu", [64, 128, 256, 512, 1024]), ("gpu", None), ("paper", None)],
)
def test_embedding_widths_of_a_table(scale, widths):
    rows = tables.definition("nnclr_dim").rows.values()
    dims = [profile(scale).config("nnclr", 0, row).settings["dim"] for row in rows]
    assert dims == (widths or [row["dim"] for row in rows])


def test_the_default_width_is_the_default_run_and_none_stays_none():
    cpu = profile("cpu")
    assert cpu.config("nnclr", 0, {"dim": 256}) == cpu.config("nnclr", 0)
    assert cpu.config("invp", 0, {"hidden": 0}).settings["hidden"] == 0
