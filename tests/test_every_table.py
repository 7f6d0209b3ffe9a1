"""Every defined table at smoke size, trained and shown: what differs between tables is data, so all must work."""

import math

import pytest

from sslrepro import papers, plans, report, study, survey, tables, tasks
from sslrepro.store import Store

PAPERS = [name for name in tables.names() if tables.definition(name).notebook == "table"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All runs that the committed smoke ledger lacks, those that tables share once."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = tasks.united([task for name in tables.names() for task in plans.plan(name, "smoke", 1).tasks])
    made = plans.plan("nnclr_queue", "smoke", 1)
    study.carry_out([task for task in wanted if study.published(task, made) is None], folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def found(runs):
    return {name: study.results(plans.plan(name, "smoke", 1), runs) for name in tables.names()}


@pytest.mark.parametrize("name", tables.names())
def test_every_run_is_there_and_whole(name, found, runs):
    made = found[name].plan
    assert made.tasks and all(study.lookup(task, made, runs) for task in made.tasks)
    failed = [task.name for task in made.tasks if not tasks.complete(task, Store(runs))
              and study.published(task, made) is None]  # fmt: skip
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
    for part in (report.table, report.verdicts, report.headline, report.copies, report.changes, report.cost,
                 report.rerun, report.provenance):  # fmt: skip
        shown = part(one)
        assert shown.html and shown.text and "nan" not in shown.text.split()
    assert report.figure(one).png.startswith(b"\x89PNG") and report.figure(one).alt
    text = str(report.table(one))
    for row in papers.table(name)["rows"]:
        label = row.get(one.definition.varied) if one.definition.varied else None
        assert label is None or isinstance(label, bool | int | float) or str(label) in text


@pytest.mark.parametrize("name", PAPERS)
def test_nothing_is_concluded_at_this_size(name, found):
    verdicts = found[name].verdicts()
    assert {one.claim for one in verdicts} >= {claim["id"] for claim in papers.claims_on(name)}
    assert {one.verdict for one in verdicts} <= {"not judged"}


def test_the_survey_shows_its_tables(found):
    for name in set(tables.names()) - set(PAPERS):
        assert survey.table(found[name]).text and survey.figure(found[name]).png
