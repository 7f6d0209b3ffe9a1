"""Runs on a cluster: Dask's own processes; killed, gone, out of time, and whole in the end."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sslrepro import tables
from sslrepro.base import device as device_module
from sslrepro.base.device import own_gpu
from sslrepro.base.store import Store
from sslrepro.base.tensors import DIGEST
from sslrepro.cli.main import main
from sslrepro.study import away, budget, clusters, plans, workers
from sslrepro.study.clusters import Cluster, PolledExecutor, open_cluster
from sslrepro.study.run import Run, is_complete
from tests.study.test_workers import ROOT, alive, group, needs_proc, runs_of, wait_for

pytestmark = pytest.mark.timeout(600)
EPOCHS = 4  # of the runs that are killed, cut off or done on a cluster


@pytest.fixture(autouse=True, scope="module")
def forked_nannies():
    """Dask's own processes are forked from the suite's server, where there is one; it starts them afresh otherwise."""
    import dask.config

    with dask.config.set({"distributed.worker.multiprocessing-method": workers.START}):
        yield


@pytest.fixture(scope="module")
def dask():
    """Two worker processes of this machine."""
    with open_cluster("local", jobs=2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Name -> (digest of the weights, scores) of three runs of some seconds, one after the other in one process."""
    folder, runs = tmp_path_factory.mktemp("serial"), runs_of(3, EPOCHS)
    for run in runs:
        assert away.perform_run(run, folder, None, "cpu", 1) is None
    return {run.name: ends(run, folder) for run in runs}


def ends(run, folder: Path) -> tuple:
    lines = Store(folder).results(run.name)
    return lines["training"][DIGEST], {k: line["scores"] for k, line in lines.items() if k != "training"}


# --- files on the way ---------------------------------------------------------------------------------------------


def test_files_arrive_as_they_left_and_what_is_whole_stays(tmp_path):
    (run,) = runs_of(1)
    away.perform_run(run, tmp_path / "there", None, "cpu", 1)
    content = away.pack(run, tmp_path / "there")
    assert away.pack(run, tmp_path / "nowhere") == b""
    away.unpack(run, b"", tmp_path / "here")
    assert not (tmp_path / "here").exists()
    away.unpack(run, content, tmp_path / "here")
    for file in (tmp_path / "there" / run.name).glob("[!.]*"):
        assert (tmp_path / "here" / run.name / file.name).read_bytes() == file.read_bytes()
    log = tmp_path / "here" / run.name / "log.jsonl"
    log.write_text("mine\n", "utf-8")
    away.unpack(run, content, tmp_path / "here")
    assert log.read_text("utf-8") == "mine\n"


def test_results_that_were_added_at_home_meanwhile_stay(tmp_path):
    (run,) = runs_of(1)
    away.perform_run(run, tmp_path / "there", None, "cpu", 1)
    content, home, added = away.pack(run, tmp_path / "there"), Store(tmp_path / "home"), {"key": "nmi {}", "scores": {}}
    away.perform_run(replace(run, evaluations={}), home.root, None, "cpu", 1)
    home.append_result(run.name, added | {"evaluation": "nmi"})
    away.unpack(run, content, home.root)
    assert set(home.results(run.name)) == {*Store(tmp_path / "there").results(run.name), "nmi {}"}


def test_a_checkpoint_that_is_further_at_home_stays(tmp_path):
    (run,) = runs_of(1)
    away.perform_run(run, tmp_path / "there", None, "cpu", 1)
    whole, path = away.pack(run, tmp_path / "there"), tmp_path / "there" / run.name / away.CHECKPOINT
    steps = away.steps_in(path.read_bytes())
    assert steps == run.steps and away.steps_in(b"") == away.steps_in(b"no checkpoint at all") == 0
    away.unpack(replace(run, evaluations={"nmi": {}}), whole, tmp_path / "home")
    at_home = tmp_path / "home" / run.name / away.CHECKPOINT
    assert at_home.read_bytes() == path.read_bytes()
    ahead = at_home.read_bytes().replace(f'"{steps}"'.encode(), f'"{steps + 1}"'.encode())
    assert away.steps_in(ahead) == steps + 1
    at_home.write_bytes(ahead)
    away.unpack(replace(run, evaluations={"nmi": {}}), whole, tmp_path / "home")
    assert at_home.read_bytes() == ahead


def test_files_of_another_run_and_no_archive_are_refused(tmp_path):
    first, second = runs_of(2)
    (tmp_path / second.name).mkdir()
    (tmp_path / second.name / "log.jsonl").touch()
    with pytest.raises(ValueError, match=f"file must be one of {first.name}, got '{second.name}/log.jsonl'"):
        away.unpack(first, away.pack(second, tmp_path), tmp_path / "here")
    with pytest.raises(ValueError, match="cannot be unpacked"):
        away.unpack(first, b"no archive", tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_out_of_time_comes_back_with_its_checkpoint_and_goes_on(tmp_path, serial, monkeypatch):
    run = runs_of(3, EPOCHS)[0]
    monkeypatch.setattr(away, "scratch", lambda: NotGone(tmp_path))
    assert away.perform_away(run, b"", None, "cpu", 1, "no", until=time.time() - 1) == (away.CUT_OFF, b"")
    clock = iter(range(10**6))
    monkeypatch.setattr(away.time, "time", lambda: next(clock))
    real = away.perform_run
    import sslrepro.study.run as run_module
    from sslrepro.training.loop import train

    monkeypatch.setattr(run_module, "train", lambda *a, **k: train(*a, **k, checkpoint_seconds=0.0))
    wrong, begun = away.perform_away(run, b"", None, "cpu", 1, "no", until=9.5)
    assert wrong == away.CUT_OFF and begun and real is away.perform_run
    first = (tmp_path / "scratch" / run.name / "log.jsonl").exists()
    wrong, whole = away.perform_away(run, begun, None, "cpu", 1, "no")
    assert wrong == "" and first
    away.unpack(run, whole, tmp_path / "home")
    assert ends(run, tmp_path / "home") == serial[run.name]


class NotGone:
    """A scratch folder that stays."""

    def __init__(self, folder: Path):
        self.folder = folder / "scratch"

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *error) -> None:
        pass


# --- Dask ---------------------------------------------------------------------------------------------------------


def die_once(victim: str, marker: Path, work, run: Run, *arguments):
    """In a worker: the process kills itself at the first step of the victim's run, unless another one did before."""
    if run.name == victim and not marker.exists():
        marker.write_text(str(os.getpid()), "utf-8")
        away.teller = lambda: lambda name, step: os.kill(os.getpid(), signal.SIGKILL)
    return work(run, *arguments)


class Deadly(Executor):
    """An executor with a worker that dies."""

    def __init__(self, inner: PolledExecutor, victim: str, marker: Path):
        self.inner, self.words = inner, (victim, marker)

    def submit_all(self, work, calls):
        return self.inner.submit_all(functools.partial(die_once, *self.words, work), calls)


def test_a_killed_worker_costs_nothing_but_time(dask, serial, tmp_path):
    runs, marker = runs_of(3, EPOCHS), tmp_path / "killed"
    deadly = replace(dask, executor=Deadly(dask.executor, runs[0].name, marker))
    workers.carry_out(runs, tmp_path, executor=deadly, progress=False)
    assert not alive(int(marker.read_text("utf-8"))), "a process of its own"
    assert {run.name: ends(run, tmp_path) for run in runs} == serial
    before = {path: path.read_bytes() for path in tmp_path.glob("*/results.jsonl")}
    workers.carry_out(runs, tmp_path, executor=dask, progress=False)
    assert before == {path: path.read_bytes() for path in tmp_path.glob("*/results.jsonl")}


def test_wrong_input_comes_back_in_words_with_the_place_at_home(dask, tmp_path):
    bad, good = runs_of(2)
    (tmp_path / bad.name).mkdir()
    (tmp_path / bad.name / "checkpoint.safetensors").write_text("not a checkpoint")
    with pytest.raises(
        RuntimeError,
        match=rf"1 of 2 runs failed\. The first: {bad.name}: train: checkpoint "
        rf"{tmp_path}/\S+ .* Delete it to start anew\.",
    ):
        workers.carry_out([bad, good], tmp_path, executor=dask, progress=False)
    assert is_complete(good, Store(tmp_path))


def test_steps_reach_the_bar(dask, tmp_path):
    told: list[tuple[str, int]] = []
    (run,) = runs_of(1)
    heard = replace(dask, listen=lambda tell: dask.listen(lambda *now: (told.append(now), tell(*now))))
    workers.carry_out([run], tmp_path, executor=heard, progress=False)
    wait_for(lambda: (run.name, run.steps) in told, 10)


@pytest.fixture
def scheduler():
    """A scheduler with one worker, in a process group of its own: (process, address)."""
    place = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER], env=place, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        for pid in group(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


SCHEDULER = """
import time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    print(cluster.scheduler_address, flush=True)
    time.sleep(300)
"""


@needs_proc
def test_a_dead_scheduler_is_one_line_and_the_next_call_goes_on(scheduler, tmp_path, serial):
    (process, address), runs = scheduler, runs_of(3, EPOCHS)
    many = [*runs, *runs_of(40, EPOCHS)[3:]]
    killer = threading.Thread(
        target=lambda: (wait_for((tmp_path / runs[0].name / "results.jsonl").exists, 60), process.kill()), daemon=True
    )
    killer.start()
    with pytest.raises(
        RuntimeError,
        match=r"cluster: 1 Dask workers at tcp\S+ cannot go on \(its scheduler does not "
        r"answer\); \d of 40 runs are whole and kept in \S+\. The same call goes on"
        r" with the others\.$",
    ):
        with open_cluster(address) as cluster:
            workers.carry_out(many, tmp_path, executor=cluster, progress=False)
    workers.carry_out(runs, tmp_path, jobs=1, progress=False)
    assert {run.name: ends(run, tmp_path) for run in runs} == serial


def test_no_scheduler_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    words = ["reproduce", "nnclr_queue", "--profile", "smoke", "--runs", str(tmp_path / "runs"), "--cluster"]
    for name, message in (
        ("tcp://127.0.0.1:9", "scheduler must be reachable, got 'tcp://127.0.0.1:9'"),
        ("slrum", "name must be local, slurm, or a Dask scheduler's tcp://host:port, got 'slrum'"),
    ):
        assert main([*words, name]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: cluster: ") and message in line
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*words, "slurm"]) == 2
    assert "pip install 'sslrepro[cluster]'" in capsys.readouterr().err
    assert main([*words[:-1], "--cluster-set", "a=1"]) == 2
    assert "cluster must be named with --cluster" in capsys.readouterr().err


# --- any executor, the ledger, GPUs -----------------------------------------------------------------------------------


def test_what_comes_back_without_results_is_a_failure(tmp_path):
    class Forgetful(ThreadPoolExecutor):
        def submit(self, *arguments):
            future = Future()
            future.set_result(("", b""))
            return future

    with pytest.raises(RuntimeError, match="It came back without all of its results"):
        workers.carry_out(runs_of(1), tmp_path, executor=Cluster(Forgetful()), progress=False)


@pytest.fixture
def agenda(tmp_path, monkeypatch):
    """A ledger of its own whose agenda is four small runs."""
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(tables, "names", lambda: ["nnclr_queue"])
    real = plans.plan_table("nnclr_queue", "smoke")
    runs = runs_of(4)
    monkeypatch.setattr(budget, "missing_runs", lambda *_: [(real, run) for run in runs if not done(tmp_path, run)])
    return runs


def done(folder: Path, run) -> bool:
    return (folder / "ledger" / "smoke" / f"{run.name}.json").exists()


def test_the_ledger_on_a_cluster(dask, agenda, tmp_path):
    from sslrepro.base.store import lock_folder

    with lock_folder(tmp_path / "runs" / agenda[1].name):
        tally = budget.work_through("smoke", 600.0, folder=tmp_path / "runs", quiet=True, executor=dask)
    assert tally.busy == [agenda[1].name] and tally.missing == 1 and not tally.failed
    assert sorted(tally.finished) == sorted(run.name for run in agenda if run is not agenda[1])
    assert all(done(tmp_path, run) == (run is not agenda[1]) for run in agenda)
    again = budget.work_through("smoke", 600.0, folder=tmp_path / "runs", quiet=True, executor=dask)
    assert again.finished == [agenda[1].name] and again.missing == 0


def test_the_ledger_keeps_its_budget_on_a_cluster(agenda, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "GRACE_SECONDS", 0.2)

    class Silent(ThreadPoolExecutor):
        def submit(self, *arguments):
            return Future()

    tally = budget.work_through("smoke", 0.1, folder=tmp_path / "runs", quiet=True, executor=Silent())
    assert tally.finished == [] and tally.missing == 4 and tally.seconds < 5


def test_each_worker_has_a_gpu_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(device_module.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device_module.torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    claims = []
    for _ in range(3):  # as three processes: a lock belongs to the file that was opened
        monkeypatch.setattr(device_module, "_claims", {})
        claims.append((own_gpu("cuda", tmp_path), device_module._claims))
        assert own_gpu("cuda", tmp_path) == claims[-1][0] or not device_module._claims, "kept for the next run"
    assert [name for name, _ in claims[:2]] == ["cuda:0", "cuda:1"]
    assert claims[2] == (f"cuda:{os.getpid() % 2}", {})
    claims[0][1]["cuda:0"].close()
    assert own_gpu("cuda", tmp_path) == "cuda:0", "free again"
    assert (own_gpu("cpu"), own_gpu("cuda:1")) == ("cpu", "cuda:1")
    monkeypatch.setattr(device_module.torch.cuda, "device_count", lambda: 1)
    assert own_gpu("cuda", tmp_path) == "cuda"
