"""Runs side by side: stopped at once, killed without leftovers, a dead worker replaced, any executor in their place."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from sslrepro.base.store import Store
from sslrepro.study import workers
from sslrepro.study.run import Run, is_complete
from tests.conftest import tiny

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)
PATIENCE = 15.0  # the promise is 2 s; a loaded machine must not fail a test, and these runs would take hours
ENDLESS = """
import signal
import sys
from pathlib import Path
from sslrepro.study.run import Run
from sslrepro.study.workers import Stopped, carry_out
from tests.conftest import tiny
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
configs = [tiny("simclr", seed, epochs=100_000) for seed in range(5)]
try:
    carry_out([Run(c.data, c.seed, {}, c) for c in configs], Path(sys.argv[1]), jobs=2, progress=False)
except Stopped as stop:
    print(stop, flush=True)
    sys.exit(130)
"""


def runs_of(n: int, epochs: int = 2) -> list[Run]:
    configs = [tiny("simclr", seed, epochs) for seed in range(n)]
    return [Run(config.data, config.seed, {"knn": {"k": 5, "temperature": 0.07}}, config) for config in configs]


def wait_for(what, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def group(pid: int) -> list[int]:
    """Living processes of a process group, zombies left out."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pid and fields[0] != "Z":
            members.append(int(path.parent.name))
    return members


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed from /proc")


@pytest.fixture
def started(tmp_path):
    """A call that trains five endless runs, two at a time, in a process group of its own."""
    call = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        start_new_session=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: len(list(tmp_path.glob("*/log.jsonl"))) == 2)
        yield call, tmp_path
    finally:
        for pid in group(call.pid):
            os.kill(pid, signal.SIGKILL)
        call.communicate()


@needs_proc
def test_nothing_outlives_a_killed_call(started):
    call, _ = started
    assert len(group(call.pid)) >= 3
    begun = time.monotonic()
    os.kill(call.pid, signal.SIGKILL)
    call.wait()
    wait_for(lambda: group(call.pid) == [], PATIENCE)
    assert time.monotonic() - begun < PATIENCE


@needs_proc
def test_ctrl_c_stops_the_runs_under_way_and_starts_no_other(started):
    call, folder = started
    os.killpg(call.pid, signal.SIGINT)  # as a terminal sends it, to workers too
    output, errors = call.communicate(timeout=PATIENCE)
    assert call.returncode == 130 and "Traceback" not in errors
    assert output == f"0 of 5 runs are whole and kept in {folder}; 2 under way go on from the last checkpoint\n"
    wait_for(lambda: group(call.pid) == [], PATIENCE)
    assert len(list(folder.glob("*/config.json"))) == 2


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_command_says_what_is_kept_and_how_to_go_on(number, tmp_path):
    words = ["reproduce", "nnclr_queue", "--seeds", "1", "--runs", str(tmp_path), "--no-page"]
    place = {name: value for name, value in os.environ.items() if name != "SSLREPRO_COMMAND"}
    call = subprocess.Popen(
        [sys.executable, "-m", "sslrepro", *words],
        start_new_session=True,
        text=True,
        cwd=ROOT,
        env=place | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: list(tmp_path.glob("*/log.jsonl")))
        os.kill(call.pid, number)
        _, errors = call.communicate(timeout=PATIENCE)
    finally:
        for pid in group(call.pid):
            os.kill(pid, signal.SIGKILL)
    assert call.returncode == 128 + number and "Traceback" not in errors
    assert f"stopped: 0 of 9 runs are whole and kept in {tmp_path}" in errors
    assert errors.endswith(f"go on with: python -m sslrepro {' '.join(words)}\n")


@needs_proc
def test_no_rank_outlives_a_killed_torchrun(tmp_path):
    words = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "sslrepro", "train", "--method", "simclr"]
    call = subprocess.Popen(
        [sys.executable, *words, "--runs", str(tmp_path)],
        start_new_session=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    children = Path(f"/proc/{call.pid}/task/{call.pid}/children")
    ranks: list[int] = []
    try:
        wait_for(lambda: list(tmp_path.glob("*/log.jsonl")))
        ranks = [int(pid) for pid in children.read_text("utf-8").split()]
        call.kill()
        call.wait()
        wait_for(lambda: not any(alive(pid) for pid in ranks), PATIENCE)
    finally:
        for pid in filter(alive, ranks):
            os.kill(pid, signal.SIGKILL)
    assert len(ranks) == 2


class Killer(threading.Thread):
    """Kills the first worker that has logged a step of a run, as often as told."""

    def __init__(self, log: Path, times: int):
        super().__init__(daemon=True)
        self.log, self.times, self.killed = log, times, []

    def run(self) -> None:
        wait_for(self.log.exists)
        before = 0
        for _ in range(self.times):
            wait_for(lambda before=before: self.log.stat().st_mtime_ns != before)
            before = self.log.stat().st_mtime_ns
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
                self.killed.append(process.pid)


@pytest.mark.parametrize("times", [1, 2])
def test_a_dead_worker_is_named_and_its_run_tried_once_more(times, tmp_path, capsys):
    first, other = runs_of(2, epochs=60)
    other = runs_of(2)[1]
    killer = Killer(tmp_path / first.name / "log.jsonl", times)
    killer.start()
    if times == 1:
        workers.carry_out([first, other], tmp_path, jobs=1, progress=False)
    else:
        with pytest.raises(RuntimeError, match=rf"1 of 2 runs failed\. The first: {first.name}: The worker died"):
            workers.carry_out([first, other], tmp_path, jobs=1, progress=False)
    output = capsys.readouterr().err
    assert f"the worker of simclr, seed 0 ({first.name}) died (process {killer.killed[0]}, signal 9)" in output
    assert output.count("tried once more") == 1
    assert is_complete(other, Store(tmp_path)) and is_complete(first, Store(tmp_path)) == (times == 1)
    assert multiprocessing.active_children() == []


def test_runs_go_wherever_an_executor_takes_them(tmp_path):
    runs = runs_of(3)
    with ThreadPoolExecutor(1) as pool:
        workers.carry_out(runs, tmp_path, executor=pool, progress=False)
        assert pool.submit(int, "7").result() == 7, "it is left open"
    assert all(is_complete(run, Store(tmp_path)) for run in runs)


def test_an_executor_that_breaks_fails_its_runs(tmp_path):
    class Broken(ThreadPoolExecutor):
        def submit(self, *arguments):
            future = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    with pytest.raises(RuntimeError, match="2 of 2 runs failed"):
        workers.carry_out(runs_of(2), tmp_path, executor=Broken(), progress=False)


def test_a_run_that_fails_does_not_stop_the_others_and_is_not_tried_again(tmp_path):
    bad, good = runs_of(2)
    (tmp_path / bad.name).mkdir()
    (tmp_path / bad.name / "checkpoint.safetensors").write_text("not a checkpoint")
    with pytest.raises(RuntimeError, match=rf"1 of 2 runs failed\. The first: {bad.name}"):
        workers.carry_out([bad, good], tmp_path, jobs=1, progress=False)
    assert is_complete(good, Store(tmp_path))


@pytest.mark.parametrize("counts", [{"jobs": 0}, {"n_threads": 0}, {"n_threads": -1}])
def test_counts_are_checked_before_anything_is_created(counts, tmp_path):
    with pytest.raises(ValueError, match="must be >= 1"):
        workers.carry_out(runs_of(1), tmp_path / "runs", **counts)
    assert not (tmp_path / "runs").exists()
