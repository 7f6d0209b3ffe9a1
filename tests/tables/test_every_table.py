"""Every defined table at smoke size, trained and shown: what differs between tables is data, so all must work."""

import math

import pytest

from sslrepro import papers, tables
from sslrepro.base.store import Store
from sslrepro.report import table_page
from sslrepro.report.presenters import presenter
from sslrepro.study import ledger, plans
from sslrepro.study.results import read_results
from sslrepro.study.run import is_complete

PAPERS = [name for name in tables.names() if tables.definition(name).notebook == "table"]


@pytest.fixture(scope="module")
def found(smoke_runs):
    return {name: read_results(plans.plan_table(name, "smoke", 1), smoke_runs) for name in tables.names()}


@pytest.mark.parametrize("name", tables.names())
def test_every_run_is_there_and_whole(name, found, smoke_runs):
    made = found[name].plan
    assert made.runs and all(ledger.find_record(run, made, smoke_runs) for run in made.runs)
    failed = [run.name for run in made.runs if not is_complete(run, Store(smoke_runs))
              and ledger.published_record(run, made) is None]  # fmt: skip
    assert failed == []


@pytest.mark.parametrize("name", PAPERS)
def test_every_cell_that_can_be_measured_is(name, found):
    one = found[name]
    for row in one.definition.ours:
        if not one.plan.of(row):
            assert row in one.definition.rows and one.definition.only
            continue
        for column in one.definition.measured:
            cell = one.at(row, column)
            assert cell is not None and math.isfinite(cell.mean) and cell.n == 1, (row, column)


@pytest.mark.parametrize("name", PAPERS)
def test_every_part_of_its_page_is_made(name, found):
    one = found[name]
    for part in (table_page.table, table_page.verdicts, table_page.headline, table_page.copies, table_page.changes, table_page.cost,
                 table_page.rerun, table_page.provenance):  # fmt: skip
        shown = part(one)
        assert shown.html and shown.text and "nan" not in shown.text.split()
    assert table_page.figure(one).png.startswith(b"\x89PNG") and table_page.figure(one).alt
    text = str(table_page.table(one))
    for row in papers.table(name)["rows"]:
        label = row.get(one.definition.varied) if one.definition.varied else None
        assert label is None or isinstance(label, bool | int | float) or str(label) in text


@pytest.mark.parametrize("name", PAPERS)
def test_nothing_is_concluded_at_this_size(name, found):
    verdicts = found[name].verdicts()
    assert {one.claim for one in verdicts} >= {claim["id"] for claim in papers.claims_on(name)}
    assert {one.verdict for one in verdicts} <= {"not judged"}


@pytest.mark.parametrize("name", sorted(set(tables.names()) - set(PAPERS)))
def test_tables_of_ours_are_shown(name, found):
    pages = presenter(found[name].definition)
    for part in (pages.table, pages.headline, pages.copies):
        assert part(found[name]).html and "nan" not in part(found[name]).text.split()
    assert pages.figure(found[name]).png.startswith(b"\x89PNG") and pages.figure(found[name]).alt
    assert "Nothing is concluded at this scale." in pages.finding(found[name])
