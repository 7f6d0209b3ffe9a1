"""Some rows of a table: a smaller plan, results like those of the whole."""

import pytest

import sslrepro
from sslrepro.report import all_methods, table_page
from sslrepro.study.plans import plan_table
from sslrepro.study.results import read_results
from sslrepro.study.rows import with_rows


def test_some_methods_of_all_read_as_in_the_whole_table():
    plan = plan_table("all_methods")
    whole, some = (read_results(with_rows(plan, rows)) for rows in (None, ["nnclr", "simclr", "fnc, elimination"]))
    assert list(some.definition.rows) == [row for row in whole.definition.rows if row in some.definition.rows]
    assert set(some.definition.ours) == {"nnclr", "simclr", "fnc, elimination"}
    assert len(some.plan.runs) < len(whole.plan.runs) / 4
    for row in some.definition.ours:
        assert some.at(row, "top1") == whole.at(row, "top1") is not None
    lines = str(all_methods.table(some)).splitlines()
    assert any(line.startswith("nnclr") for line in lines) and not any(line.startswith("byol") for line in lines)
    assert all_methods.finding(some) and all_methods.figure(some).png


def test_a_papers_table_loses_its_effect_with_its_rows():
    some = sslrepro.reproduce("nnclr_queue", rows=["q8192", "q98304"])
    assert some.definition.ends and table_page.finding(some)
    assert sslrepro.reproduce("nnclr_queue", rows=["q8192", "q16384"]).definition.ends is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["nnlcr"], "row must be one of .*Did you mean 'nnclr'"),
        ([], "rows must be a list of one row or more"),
        ("nnclr", "rows must be a list"),
    ],
)
def test_wrong_rows_are_one_error(rows, message):
    with pytest.raises(ValueError, match=message):
        with_rows(plan_table("all_methods", "smoke", 1), rows)
