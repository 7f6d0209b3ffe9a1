"""Some rows of a table: a smaller plan, results like those of the whole."""

import pytest

import sslrepro
from sslrepro import tables
from sslrepro.report import all_methods, files, table_page
from sslrepro.report.presenters import presenter
from sslrepro.study.plans import plan_table
from sslrepro.study.reproduce import Request
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


ONE_OF_EACH = {tables.definition(name).notebook: name for name in reversed(tables.names())}


@pytest.mark.parametrize("table", sorted(ONE_OF_EACH.values()))
def test_any_row_alone_has_a_table_a_figure_and_files(table):
    plan = plan_table(table)
    page, rows = presenter(plan.definition), list(plan.definition.ours)
    for row in (rows[0], rows[-1]):
        some = read_results(with_rows(plan, [row]))
        assert page.finding(some) and str(page.headline(some)) and str(page.table(some)) and page.figure(some).alt
        assert files.tex(some).startswith("% ") and "csv" in str(page.copies(some))


def test_all_tables_are_not_cut_to_rows():
    with pytest.raises(ValueError, match="rows must be those of one table, got 'simclr'"):
        Request.of("all", "smoke", rows=["simclr"])
