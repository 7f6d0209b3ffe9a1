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
def results(smoke_runs):
    return {name: read_results(plans.plan_table(name, "smoke", 1), smoke_runs) for name in tables.names()}


@pytest.mark.parametrize("name", tables.names())
def test_every_run_is_there_and_whole(name, results, smoke_runs):
    plan = results[name].plan
    assert plan.runs and all(ledger.find_record(run, plan, smoke_runs) for run in plan.runs)
    failed = [
        run.name
        for run in plan.runs
        if not is_complete(run, Store(smoke_runs)) and ledger.published_record(run, plan) is None
    ]
    assert failed == []


@pytest.mark.parametrize("name", PAPERS)
def test_every_cell_that_can_be_measured_is(name, results):
    table = results[name]
    for row in table.definition.ours:
        if not table.plan.of(row):
            assert row in table.definition.rows and table.definition.only
            continue
        for column, about in table.definition.score_columns.items():
            if about.rows and row not in about.rows:
                continue
            cell = table.at(row, column)
            assert cell is not None and math.isfinite(cell.mean) and cell.n == 1, (row, column)


@pytest.mark.parametrize("name", PAPERS)
def test_every_part_of_its_page_is_made(name, results):
    table = results[name]
    for part in (
        table_page.table,
        table_page.verdicts,
        table_page.headline,
        table_page.copies,
        table_page.changes,
        table_page.cost,
        table_page.rerun,
        table_page.provenance,
    ):
        shown = part(table)
        assert shown.html and shown.text and "nan" not in shown.text.split()
    assert table_page.figure(table).png.startswith(b"\x89PNG") and table_page.figure(table).alt
    text = str(table_page.table(table))
    for row in papers.table(name)["rows"]:
        label = row.get(table.definition.varied) if table.definition.varied else None
        assert label is None or isinstance(label, bool | int | float) or str(label) in text


@pytest.mark.parametrize("name", PAPERS)
def test_nothing_is_concluded_at_this_size(name, results):
    verdicts = results[name].verdicts()
    assert {verdict.claim for verdict in verdicts} >= {claim["id"] for claim in papers.claims_on(name)}
    assert {verdict.verdict for verdict in verdicts} <= {"not judged"}


@pytest.mark.parametrize("name", sorted(set(tables.names()) - set(PAPERS)))
def test_tables_of_ours_are_shown(name, results):
    pages = presenter(results[name].definition)
    for part in (pages.table, pages.headline, pages.copies):
        assert part(results[name]).html and "nan" not in part(results[name]).text.split()
    assert pages.figure(results[name]).png.startswith(b"\x89PNG") and pages.figure(results[name]).alt
    assert "Nothing is concluded at this scale." in pages.finding(results[name])
