"""The ledger runner: order, budget, interruption, bundles."""

import errno
import itertools
import json
import shutil
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from sslrepro import tables
from sslrepro.base import store
from sslrepro.base.store import lock_folder, read_json
from sslrepro.cli.ledger import say_missing
from sslrepro.study import budget, bundles, ledger, plans
from sslrepro.study.clusters import Cluster
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
    pairs = list(budget.agenda("smoke"))
    order = [plan.definition.id for plan, _ in pairs]
    expected = ["all_methods", *(name for name in tables.names() if name != "all_methods")]
    assert list(dict.fromkeys(order)) == [name for name in expected if name in order]
    assert len({run.name for _, run in pairs}) == len(pairs)


def test_a_budget_that_suffices_does_everything_once(here):
    tally = budget.work_through("smoke", 1e6, folder=here / "runs", quiet=True)
    assert tally.missing == 0 and not tally.failed and tally.cut_off is None
    assert names(here) == sorted(tally.finished) and len(tally.finished) == len(list(budget.agenda("smoke")))
    run = tally.finished[0]
    assert read_json(here / "ledger" / "smoke" / f"{run}.json")["results"]
    log = (here / "ledger" / "smoke" / "logs" / f"{run}.jsonl").read_text("utf-8").splitlines()
    assert 1 <= len(log) <= ledger.LOG_LINES and json.loads(log[-1])["step"] == 26
    again = budget.work_through("smoke", 1e6, folder=here / "runs", quiet=True)
    assert again.finished == [] and again.missing == 0


def test_a_spent_budget_cuts_a_run_off_and_the_next_call_goes_on(here):
    first = budget.work_through(
        "smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True
    )  # a second per step
    assert len(first.finished) == 1 and first.cut_off is not None and first.missing > 1
    assert names(here) == first.finished, "nothing half-done is published"
    assert not (here / "runs" / first.cut_off / "results.jsonl").exists()
    second = budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert second.finished[0] == first.cut_off


@pytest.mark.parametrize("error", [FloatingPointError("the loss is nan"), PermissionError(13, "the loss is nan")])
def test_a_failing_run_does_not_stop_the_others(error, here, monkeypatch):
    real, calls = perform_locked, []

    def breaks_once(run, *rest):
        calls.append(run.name)
        if len(calls) == 1:
            raise error
        return real(run, *rest)

    monkeypatch.setattr(budget, "perform_locked", breaks_once)
    tally = budget.work_through("smoke", 150.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert tally.failed == {calls[0]: str(error)} and "the loss is nan" in str(error) and tally.finished


def test_a_full_disk_ends_the_call(here, monkeypatch):
    def fills_up(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(budget, "perform_locked", fills_up)
    with pytest.raises(OSError, match="No space left"):
        budget.work_through("smoke", 150.0, folder=here / "runs", clock=ticking(1.0), quiet=True)


def test_a_bundle_carries_results_and_never_overwrites(here, monkeypatch):
    budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    bundle = here / "bundle.tar.gz"
    assert bundles.export_bundle(bundle, ["smoke"]) == len(list((here / "ledger").rglob("*.json*")))
    first = bundle.read_bytes()
    bundles.export_bundle(bundle, ["smoke"])
    assert bundle.read_bytes() == first, "the same results give the same bytes"
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
    assert [p.name for p in root.parent.glob("[!.]*")] == ["holiday"], "nothing is left lying about"
    shutil.rmtree(root)
    with ThreadPoolExecutor(4) as several:
        roots = list(several.map(lambda _: budget.unpack_root(archive, here / "runs"), range(4)))
    assert roots == [root] * 4 and (root / "holiday" / "train" / "beach" / "0.txt").exists()
    with pytest.raises(ValueError, match="one archive"):
        budget.unpack_root(here / "absent.tar.xz", here / "runs")


def test_a_ledger_file_that_lacks_an_evaluation_is_made_whole(here):
    tally = budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    path = here / "ledger" / "smoke" / f"{tally.finished[0]}.json"
    record = read_json(path)
    whole = dict(record["results"])
    record["results"].popitem()
    path.write_text(json.dumps(record))
    again = budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert tally.finished[0] in again.finished and read_json(path)["results"] == whole


# --- several processes -------------------------------------------------------------------------------------------


def test_what_another_process_is_at_is_left_to_it(here):
    _, first = next(budget.agenda("smoke"))
    with lock_folder(here / "runs" / first.name):
        tally = budget.work_through("smoke", 150.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    assert tally.busy == [first.name] and tally.finished and first.name not in tally.finished
    assert first.name not in names(here) and tally.missing == 9 - len(tally.finished)


def test_a_run_whose_sampler_another_process_trains_is_left_to_it(here, monkeypatch):
    monkeypatch.setattr(budget, "PRIORITY", (("all_methods", None),))
    monkeypatch.setattr(tables, "names", lambda: ["all_methods"])
    plan, run = next(pair for pair in budget.agenda("smoke") if pair[1].config and pair[1].config.sampler)
    with lock_folder(here / "runs" / run.config.sampler.name), pytest.raises(BlockingIOError):
        budget.take_run(plan, run, here / "runs", None, "cpu", 1, None, "no")
    free = []

    def submit(*_):
        with lock_folder(here / "runs" / run.name, wait=False):
            free.append(run.name)
        return []

    monkeypatch.setattr(budget, "submit_runs", submit)
    with lock_folder(here / "runs" / run.config.sampler.name):
        tally, cluster = budget.Tally(), Cluster(ThreadPoolExecutor(1), shared=True)
        budget._work_elsewhere([(plan, run)], cluster, here / "runs", (None, "cpu", 1, "no"), 1.0, tally, quiet=True)
    assert tally.busy == free == [run.name], "left to the other process, and free again while others are worked on"


def test_two_calls_side_by_side_do_no_run_twice(here):
    """The second call starts when the first is at its third run, and takes those that are free."""
    real, done = budget.perform_locked, []

    def perform(run, *rest):
        done.append(run.name)
        if len(done) == 3:
            tallies.append(budget.work_through("smoke", 1e6, folder=here / "runs", quiet=True))
        return real(run, *rest)

    tallies = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "perform_locked", perform)
        tallies.append(budget.work_through("smoke", 1e6, folder=here / "runs", quiet=True))
    second, first = tallies
    assert second.busy == [done[2]] and len(done) == len(set(done)) == 9
    assert sorted(first.finished + second.finished) == names(here) and not set(first.finished) & set(second.finished)
    assert first.missing == 0 and second.missing == 1


def test_publishing_side_by_side_loses_no_mark(here, monkeypatch):
    """Eight publish at once, each a run on images of its own."""
    _, run = next(budget.agenda("smoke"))
    runs = [replace(run, data=replace(run.data, name=f"set{n}"), config=None, evaluations={}) for n in range(8)]
    for each in runs:
        store.write_json(here / "runs" / each.name / "config.json", {"pixels": asdict(each.data)})
        store.write_json(here / "runs" / each.name / "environment.json", {})
        store.Store(here / "runs").append_result(each.name, {"key": "training", "evaluation": "training", "scores": {}})
    real = ledger.write_json

    def slowly(path, record):
        time.sleep(0.02)
        real(path, record)

    monkeypatch.setattr(ledger, "write_json", slowly)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda run: ledger.publish_run(run, here / "ledger" / "smoke", here / "runs"), runs))
    assert sorted(read_json(here / "ledger" / "smoke" / "data.json")) == [f"set{n}" for n in range(8)]


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_is_a_finite_time(seconds, here):
    with pytest.raises(ValueError, match="budget must be > 0 seconds and finite"):
        budget.work_through("smoke", seconds, folder=here / "runs")
    assert not (here / "runs").exists()


def test_a_bundle_is_not_written_into_a_folder(here):
    budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    with pytest.raises(ValueError, match="path must be a file's, got 'a folder'"):
        bundles.export_bundle(here, ["smoke"])


def test_an_archive_that_is_none_is_one_clear_error_and_leaves_nothing(here):
    (here / "holiday.tar.xz").write_text("no archive")
    with pytest.raises(ValueError, match="root must be an archive that can be unpacked"):
        budget.unpack_root(here / "holiday.tar.xz", here / "runs")
    assert not (here / "runs" / "data").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"environment": {"device": "<script>alert(1)</script>"}}, "text in smoke/"),
        ({"config": {"pixels": {}, "method": "simclr"}}, "of pixels alone"),
        ({"config": {"pixels": {"name": "shapes"}}}, "named for its configuration"),
        ({"config": {"pixels": {"nam": "shapes"}}}, "Did you mean 'name'?"),
        ({"results": []}, "must be a result {config, environment, results}"),
    ],
)
def test_a_bundle_with_a_wrong_file_changes_nothing(change, message, here, monkeypatch):
    budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    (path,) = (here / "ledger" / "smoke").glob("*-s*.json")
    path.write_text(json.dumps(read_json(path) | change))
    bundles.export_bundle(here / "bundle.tar.gz", ["smoke"])
    monkeypatch.setattr(plans, "LEDGER", here / "elsewhere")
    with pytest.raises(ValueError, match=message):
        bundles.import_bundle(here / "bundle.tar.gz")
    assert not (here / "elsewhere").exists()


def test_a_bundle_too_large_to_be_one_is_refused(here, monkeypatch):
    budget.work_through("smoke", 50.0, folder=here / "runs", clock=ticking(1.0), quiet=True)
    bundles.export_bundle(here / "bundle.tar.gz", ["smoke"])
    monkeypatch.setattr(bundles, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="bundle must be of at most 0 MiB"):
        bundles.import_bundle(here / "bundle.tar.gz")


def test_what_is_missing_is_counted_by_table_with_its_cost(capsys):
    plan = plans.plan_table("nnclr_queue", "cpu", 1)
    pairs = [(plan, run) for run in plan.runs if run.steps]
    say_missing(pairs, "cpu")
    table, total = capsys.readouterr().out.splitlines()
    assert table.split()[:3] == ["nnclr_queue", str(len(pairs)), "runs"]
    assert f"{sum(run.steps for _, run in pairs):,} steps" in table
    hours = budget.estimate([run for _, run in pairs], plan.ledger) / 3600
    assert 0.01 < hours < 1 and f"about {hours:.1f} processor-hours" in table
    assert total.startswith(f"{len(pairs)} runs missing at cpu scale, about ")
