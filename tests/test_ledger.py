"""The ledger runner: order, budget, interruption, bundles."""

import itertools
import json
import tarfile

import pytest

from sslrepro import tables
from sslrepro.base.store import read_json
from sslrepro.study import budget, bundles, ledger, plans
from sslrepro.study.run import perform_locked


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A ledger of its own, and an agenda of one small table."""
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(budget, "PRIORITY", (("nnclr_queue", None),))
    monkeypatch.setattr(tables, "names", lambda: ["nnclr_queue"])
    return tmp_path


def ticking(step: float):
    """A clock that moves by `step` seconds whenever it is read."""
    count = itertools.count()
    return lambda: next(count) * step


def names(folder) -> list[str]:
    return sorted(p.stem for p in (folder / "ledger" / "smoke").glob("*-s*.json"))


def test_order_is_by_value_then_name_and_shared_runs_come_once(monkeypatch):
    monkeypatch.setattr(budget, "PRIORITY", (("all_methods", None), ("no_such_table", None)))
    made = list(budget.agenda("smoke"))
    order = [plan.definition.id for plan, _ in made]
    expected = ["all_methods", *(name for name in tables.names() if name != "all_methods")]
    assert list(dict.fromkeys(order)) == [name for name in expected if name in order]
    assert len({run.name for _, run in made}) == len(made)


def test_a_budget_that_suffices_does_everything_once(here):
    tally = budget.work_through("smoke", 1e6, folder=here / "runs", quiet=True)
    assert tally.missing == 0 and not tally.failed and tally.cut_off is None
    assert names(here) == sorted(tally.finished) and len(tally.finished) == len(list(budget.agenda("smoke")))
    run = tally.finished[0]
    assert read_json(here / "ledger" / "smoke" / f"{run}.json")["results"]
    log = (here / "ledger" / "smoke" / "logs" / f"{run}.jsonl").read_text().splitlines()
    assert 1 <= len(log) <= ledger.LOG_LINES and json.loads(log[-1])["step"] == 192
    again = budget.work_through("smoke", 1e6, folder=here / "runs", quiet=True)
    assert again.finished == [] and again.missing == 0


def test_a_spent_budget_cuts_a_run_off_and_the_next_call_goes_on(here):
    first = budget.work_through(
        "smoke", 250.0, folder=here / "runs", clock=ticking(1.0), quiet=True
    )  # a second per step
    assert len(first.finished) == 1 and first.cut_off is not None and first.missing > 1
    assert names(here) == first.finished, "nothing half-done is published"
    assert not (here / "runs" / first.cut_off / "results.jsonl").exists()
    second = budget.work_through("smoke", 250.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert second.finished[0] == first.cut_off


def test_a_failing_run_does_not_stop_the_others(here, monkeypatch):
    real, calls = perform_locked, []

    def breaks_once(run, *rest):
        calls.append(run.name)
        if len(calls) == 1:
            raise FloatingPointError("the loss is nan")
        return real(run, *rest)

    monkeypatch.setattr(budget, "perform_locked", breaks_once)
    tally = budget.work_through("smoke", 600.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert tally.failed == {calls[0]: "the loss is nan"} and tally.finished


def test_a_bundle_carries_results_and_never_overwrites(here, monkeypatch):
    budget.work_through("smoke", 250.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    bundle = here / "bundle.tar.gz"
    assert bundles.export_bundle(bundle, ["smoke"]) == len(list((here / "ledger").rglob("*.json*")))
    first = bundle.read_bytes()
    bundles.export_bundle(bundle, ["smoke"])
    assert bundle.read_bytes()[10:] == first[10:], "the same results give the same bytes (behind gzip's time stamp)"
    monkeypatch.setattr(plans, "LEDGER", here / "elsewhere")
    assert bundles.import_bundle(bundle) == {"new": 1, "agree": 0, "differ": 0}
    assert bundles.import_bundle(bundle) == {"new": 0, "agree": 1, "differ": 0}
    (path,) = (here / "elsewhere" / "smoke").glob("*-s*.json")
    record = read_json(path)
    key = next(k for k, line in record["results"].items() if line["evaluation"] == "linear")
    record["results"][key]["scores"]["linear_top1"] = 0.5
    path.write_text(json.dumps(record))
    assert bundles.import_bundle(bundle)["differ"] == 1
    assert read_json(path)["results"][key]["scores"]["linear_top1"] == 0.5


@pytest.mark.parametrize("bad", ["text", "outside", "renamed"])
def test_what_is_no_bundle_changes_nothing(bad, here):
    path = here / "bundle.tar.gz"
    if bad == "text":
        path.write_text("not a bundle")
    else:
        name = "../evil.json" if bad == "outside" else "smoke/simclr-shapes-s0-000000000000.json"
        content = here / "content.json"
        content.write_text(json.dumps({"config": {"method": "simclr", "settings": {}}, "results": {}}))
        with tarfile.open(path, "w:gz") as file:
            file.add(content, name)
    with pytest.raises(ValueError, match=r"ledger\.import"):
        bundles.import_bundle(path)
    assert not (here / "ledger").exists() and not (here / "evil.json").exists()


def test_an_archive_is_a_root(here):
    folder = here / "holiday" / "train" / "beach"
    folder.mkdir(parents=True)
    (folder / "0.txt").write_text("x")
    archive = here / "holiday.tar.xz"
    with tarfile.open(archive, "w:xz") as file:
        file.add(here / "holiday", "holiday")
    root = budget.unpack_root(archive, here / "runs")
    assert (root / "holiday" / "train" / "beach" / "0.txt").exists()
    assert budget.unpack_root(archive, here / "runs") == root
    assert [p.name for p in root.parent.iterdir()] == ["holiday"], "nothing is left lying about"
    with pytest.raises(ValueError, match="one archive"):
        budget.unpack_root(here / "absent.tar.xz", here / "runs")


def test_no_budget_is_one_clear_error(here):
    with pytest.raises(ValueError, match="budget must be > 0"):
        budget.work_through("smoke", 0.0, folder=here / "runs")


def test_a_ledger_file_that_lacks_an_evaluation_is_made_whole(here):
    tally = budget.work_through("smoke", 250.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    path = here / "ledger" / "smoke" / f"{tally.finished[0]}.json"
    record = read_json(path)
    whole = dict(record["results"])
    record["results"].popitem()
    path.write_text(json.dumps(record))
    again = budget.work_through("smoke", 250.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert tally.finished[0] in again.finished and read_json(path)["results"] == whole
