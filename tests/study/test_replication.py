"""A reader's runs beside the published ones: what is the same, agrees and differs, and that nothing is overwritten."""

import datetime
import math
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest
from scipy import stats

from sslrepro import tables
from sslrepro.base.store import write_json
from sslrepro.cli import reproduce as entry
from sslrepro.cli.main import main
from sslrepro.report import comparison, publish
from sslrepro.study import plans, replication
from sslrepro.study import reproduce as conductor
from sslrepro.study import results as results_module
from sslrepro.study.replication import compare_values, counts_of
from sslrepro.study.results import published_results, read_results
from tests.tables.test_cells import record, stored

PUBLISHED = {0: 70.0, 1: 71.0, 2: 72.5, 3: 69.0, 4: 70.5}


def moved(*gaps: float) -> dict[int, float]:
    return {seed: PUBLISHED[seed] + gap for seed, gap in enumerate(gaps)}


# --- every table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [name for name in tables.names() if tables.definition(name).notebook != "table"])
def test_a_table_of_ours_is_compared_row_by_row_too(table):
    results = published_results(plans.plan_table(table, "cpu"))
    cells = replication.compare_results(results, results)
    lines = comparison.table(results, cells).splitlines()
    assert len(lines) == 2 + len(cells) and (not cells or all("same to the bit" in line for line in lines[2:]))
    assert {cell.row for cell in cells if not cell.control} <= set(results.definition.ours)


# --- the rule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gaps, outcome",
    [
        ((0, 0, 0, 0, 0), "same"),
        ((0, 0, 0), "same"),  # fewer seeds than are published
        ((0.4, -0.3, 0.1, -0.2, 0.3), "agrees"),
        ((1e-12, 0, 0, 0, -1e-12), "agrees"),  # not to the bit
        ((2.0, 2.1, 1.9, 2.2, 1.8), "differs"),
        ((0.5, 0.5, 0.5), "differs"),  # always by the same: no noise
        ((0.0,), "same"),
        ((2.5,), "agrees"),
        ((9.0,), "differs"),
    ],
)
def test_the_outcome_follows_the_seeds_that_both_have(gaps, outcome):
    assert compare_values(moved(*gaps), PUBLISHED)[0] == outcome


def test_several_seeds_are_judged_by_the_paired_interval():
    gaps = (0.4, -0.3, 0.1, -0.2, 0.3)
    outcome, difference, low, high, n = compare_values(moved(*gaps), PUBLISHED)
    half = stats.t.ppf(0.975, 4) * statistics.stdev(gaps) / math.sqrt(5)
    assert (outcome, n) == ("agrees", 5) and difference == pytest.approx(statistics.fmean(gaps))
    assert (low, high) == (pytest.approx(difference - half), pytest.approx(difference + half))


def test_one_seed_is_judged_by_where_a_new_run_would_fall():
    values = list(PUBLISHED.values())
    half = stats.t.ppf(0.975, 4) * statistics.stdev(values) * math.sqrt(1 + 1 / 5)
    at = {0: statistics.fmean(values) + 0.999 * half}
    outcome, difference, _, high, n = compare_values(at, PUBLISHED)
    assert (outcome, n, high) == ("agrees", 1, pytest.approx(half)) and difference == pytest.approx(0.999 * half)
    assert compare_values({0: statistics.fmean(values) + 1.001 * half}, PUBLISHED)[0] == "differs"
    assert compare_values({0: 1.0}, {0: 2.0})[0] == "undecided", "one published seed says nothing of spread"
    assert compare_values({7: 1.0}, PUBLISHED) is None


# --- from the command line --------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A published table of made-up runs, and the words that compare it with what lies in runs/."""
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(replication, "REPLICATIONS", tmp_path / "replications")
    plan = plans.plan_table("nnclr_croponly", "cpu")
    for run in plan.runs:
        write_json(plan.ledger / f"{run.name}.json", record(run))
    words = ["reproduce", "nnclr_croponly", "--runs", str(tmp_path / "runs"), "--no-page"]
    return tmp_path, plan, words


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_runs_of_another_processor_are_shown_beside_the_published_and_change_nothing(here, capsys):
    folder, plan, words = here
    for run in plan.runs:
        stored(run, folder / "runs", shift=0.001 * (-1) ** run.seed)
        about = {"device": "another processor", "threads": 1, "torch": "2", "commit": None, "dirty": None}
        write_json(folder / "runs" / run.name / "environment.json", about)
    before = contents(folder / "ledger")
    assert main(words) == 0
    output = capsys.readouterr().out
    cells = len(plan.definition.ours) * 2 + len(plan.definition.controls) * 2
    assert f"compared  {cells} cells with the published ledger, which stays as it is: {cells} agrees within" in output
    assert "made on another processor, published from a machine: on another processor" in output
    assert "yours" in output and "published" in output and contents(folder / "ledger") == before


def test_equal_runs_are_the_same_to_the_bit_and_a_wrong_cell_differs(here, capsys):
    folder, plan, words = here
    wrong = {run.name for run in plan.of("nnclr", "only_crop")}
    for run in plan.runs:
        stored(run, folder / "runs", shift=0.2 if run.name in wrong else 0.0)
    assert main([*words, "--compare"]) == 0
    output = capsys.readouterr().out
    assert "1 differs" in output and "same to the bit" in output
    (line,) = [line for line in output.splitlines() if line.endswith("differs") and "20.00" in line.replace("+", "")]
    assert line.startswith("NNCLR") and "another processor" not in output


def test_a_replication_is_kept_only_when_told_and_read_back(here, capsys):
    folder, plan, words = here
    for run in plan.runs:
        stored(run, folder / "runs")
    assert main(words) == 0 and not (folder / "replications").exists()
    assert main([*words, "--publish-replication"]) == 0 and "kept      " in capsys.readouterr().out
    (read_back,) = replication.read_replications()
    cells = len(plan.definition.ours) * 2 + len(plan.definition.controls) * 2
    assert (read_back.table, read_back.profile, read_back.cells, read_back.largest) == (
        "nnclr_croponly",
        "cpu",
        {"same": cells},
        {},
    )
    assert read_back.processor == "a machine" and read_back.date == datetime.date.today().isoformat()
    assert main([*words, "--publish-replication"]) == 0 and len(replication.read_replications()) == 1
    assert replication.read_replications("nnclr_queue") == []
    for option in ("--publish-replication", "--publish"):
        assert main([*words, "--rows", "nnclr", option]) == 2
        assert "--rows must be left out where results are published" in capsys.readouterr().err
    text = replication.agreement_of(replication.read_replications("nnclr_croponly", "cpu"))
    assert text == (
        f"Derived again from scratch on 1 other machine: {cells} of {cells} cells agree within seed noise, "
        f"{cells} of them to the bit."
    )
    assert replication.agreement_of([]) == ""


def test_the_largest_difference_is_measured_by_its_interval(here):
    folder, plan, _ = here
    for run in plan.runs:
        shift = 0.3 if run.name in {r.name for r in plan.of("simclr", "full_aug")} else 0.001 * (-1) ** run.seed
        stored(run, folder / "runs", shift)
    cells = replication.compare_with_ledger(plan, folder / "runs")
    summary = replication.replication_of(read_results(plan, folder / "runs", own_first=True), cells)
    assert (summary.largest["row"], summary.largest["column"]) == ("simclr", "full_aug")
    assert summary.largest["difference"] == pytest.approx(30) and counts_of(cells)["differs"] >= 1


def test_without_anything_published_nothing_is_compared_or_kept(here, capsys):
    folder, _, _ = here
    plan = plans.plan_table("nnclr_croponly", "smoke", 1)
    for run in plan.runs:
        stored(run, folder / "runs")
    words = ["reproduce", "nnclr_croponly", "--profile", "smoke", "--runs", str(folder / "runs"), "--no-page"]
    assert main(words) == 0 and "nothing is published of nnclr_croponly at smoke scale" in capsys.readouterr().out
    assert main([*words, "--publish-replication"]) == 2
    assert "cells must be some that both the ledger and these runs have" in capsys.readouterr().err


def test_own_runs_stand_first_and_published_ones_fill_up(here):
    folder, plan, _ = here
    first = plan.of("nnclr", "full_aug")[0]
    stored(first, folder / "runs", shift=0.25)
    own = read_results(plan, folder / "runs", own_first=True)
    published = read_results(plan, folder / "runs")
    gap = own.values_by_seed("nnclr", "full_aug")[0] - published.values_by_seed("nnclr", "full_aug")[0]
    assert (
        gap == pytest.approx(25)
        and own.values_by_seed("nnclr", "full_aug")[1] == published.values_by_seed("nnclr", "full_aug")[1]
    )
    assert "+24.50 (a new run: ±3.10)" in comparison.text(
        own, replication.compare_with_ledger(plan, folder / "runs"), folder / "runs"
    )


def test_a_table_is_planned_read_and_judged_once(here, monkeypatch, capsys):
    """From a name to its page each step is taken once, by the conductor; the command line takes none itself."""
    folder, plan, words = here
    for run in plan.runs:
        stored(run, folder / "runs")
    calls = Counter()

    def counted(module, name):
        real = getattr(module, name)

        def call(*arguments, **more):
            calls[name] += 1
            return real(*arguments, **more)

        monkeypatch.setattr(module, name, call)

    for name in ("plan_table", "read_results"):
        counted(conductor, name)
    counted(results_module, "judge")
    counted(publish, "publish")
    monkeypatch.setattr(publish, "PAGES", folder)
    monkeypatch.setattr(publish, "digest", lambda plan, own=None: "the same")
    page = folder / "runs" / "pages" / f"{publish.page_name(plan)}.ipynb"
    page.parent.mkdir()
    page.write_text('{"metadata": {"sslrepro": {"digest": "the same"}}}')
    assert main(words[:-1]) == 0 and f"notebook  {page}" in capsys.readouterr().out
    claims = len(results_module.claims_of(plan.definition))
    assert calls == {"plan_table": 1, "read_results": 1, "judge": claims, "publish": 1} and claims > 1
    text = (Path(entry.__file__)).read_text(encoding="utf-8")
    assert not re.search(r"import .*(plan_table|carry_out|read_results|find_record)", text)
