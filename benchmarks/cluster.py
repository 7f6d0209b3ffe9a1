"""What a cluster costs: efficiency of 2 to 8 workers, overhead of a run, and a plan for 200 workers played through.

    python -m benchmarks.cluster                    # writes benchmarks/results/cluster.json
    python -m benchmarks.cluster plan|scaling|kill|slurm  # one part alone

On two cores eight workers that train only wait for each other. So the workers of the first part sleep for as long as a
run would take and send back the files of one: what is measured is everything around a run, which is what can be lost.
Efficiency is the time that sleeping alone takes over the time it took. The plan of the second part is that of every
table, by as many seeds as 10,000 runs take; each run takes as long as the ledger says its method does, on a clock that
is only counted, and everything else (planning, sending, taking the files in) is done for real. The third part trains a
table twice, in one process and on a cluster of which a worker is killed on the way, and compares weights and scores.
"""

import heapq
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sslrepro.base.store import Store, environment, result_key, write_json
from sslrepro.base.tensors import DIGEST
from sslrepro.study import budget, plans
from sslrepro.study.clusters import Cluster, open_cluster
from sslrepro.study.run import Run
from sslrepro.study.workers import carry_out

RESULT = Path(__file__).parent / "results" / "cluster.json"
SECONDS, RUNS_PER_WORKER, WORKERS = 4.0, 4, (2, 4, 8)
PLANNED, SIMULATED = 10_000, 200  # runs; workers


def files_of(run: Run) -> bytes:
    """The files of a finished run, without weights and with scores of 0."""
    lines = [{"key": "training", "evaluation": "training", "scores": {"steps": run.steps}}]
    lines += [
        {"key": result_key(name, protocol), "evaluation": name, "protocol": protocol, "scores": {}}
        for name, protocol in run.evaluations.items()
    ]
    config = {"pixels": asdict(run.data)} if run.config is None else asdict(run.config)
    contents = {
        "config.json": json.dumps(config),
        "environment.json": "{}",
        "results.jsonl": "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in contents.items():
            member = tarfile.TarInfo(f"{run.name}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def sleep(run: Run, seconds: float) -> tuple[str, bytes]:
    """What `perform_away` returns, after as long as a run takes."""
    time.sleep(seconds)
    return "", files_of(run)


class Sleeping(Executor):
    """A cluster's executor whose workers sleep instead of training."""

    def __init__(self, inner: Executor, seconds: float):
        self.inner, self.seconds = inner, seconds

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future:
        return self.inner.submit(sleep, arguments[0], self.seconds)


class Counted(Executor):
    """Workers on a clock that is only counted: each run goes to the one that is free first."""

    def __init__(self, n_workers: int, seconds: dict[str, float]):
        self.free, self.seconds, self.end = [0.0] * n_workers, seconds, 0.0

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future:
        run, future = arguments[0], Future()
        end = heapq.heappop(self.free) + self.seconds[run.name]
        heapq.heappush(self.free, end)
        self.end = max(self.end, end)
        future.set_result(("", files_of(run)))
        return future


def scaling(n_workers: int) -> dict[str, float]:
    """Efficiency and overhead of `n_workers` Dask workers on this machine."""
    plan = plans.plan_table("nnclr_queue", "smoke", seeds=n_workers * RUNS_PER_WORKER)
    runs = [run for run in plan.runs if run.config is not None][: n_workers * RUNS_PER_WORKER]
    with open_cluster("local", n_workers) as cluster, tempfile.TemporaryDirectory() as folder:
        warm = [cluster.executor.submit(time.sleep, 1.0 + n / 1000) for n in range(n_workers)]
        [future.result() for future in warm]
        begun, busy = time.perf_counter(), time.process_time()
        carry_out(
            runs, Path(folder), executor=replace(cluster, executor=Sleeping(cluster.executor, SECONDS)), progress=False
        )
        took, busy = time.perf_counter() - begun, time.process_time() - busy
    ideal = SECONDS * RUNS_PER_WORKER
    return {
        "workers": n_workers,
        "runs": len(runs),
        "seconds": took,
        "efficiency": ideal / took,
        "overhead_seconds": (took - ideal) / RUNS_PER_WORKER,
        "processor_seconds_per_run": busy / len(runs),
    }


def planned() -> dict[str, float]:
    """The plan of 10,000 runs on 200 workers: how long it takes to make and to see through, and what it comes to."""
    begun, busy = time.perf_counter(), time.process_time()
    per_seed = len(list(budget.agenda("cpu", seeds=1)))
    pairs = list(budget.agenda("cpu", seeds=-(-PLANNED // per_seed)))[:PLANNED]
    made, busy_made = time.perf_counter() - begun, time.process_time() - busy
    runs, ledger = [run for _, run in pairs], pairs[0][0].ledger
    costs = {}
    for run in runs:  # what a method's run costs does not depend on its seed
        kind = (run.config.method, run.config.plan, run.config.data.n_train) if run.config else None
        costs.setdefault(kind, []).append(run)
    seconds = {}
    for alike in costs.values():
        each = budget.estimate(alike[:1], ledger) or 0.0
        seconds |= {run.name: each for run in alike}
    executor = Counted(SIMULATED, seconds)
    with tempfile.TemporaryDirectory() as folder:
        begun, busy = time.perf_counter(), time.process_time()
        carry_out(runs, Path(folder), executor=Cluster(executor), progress=False)
        took, busy = time.perf_counter() - begun, time.process_time() - busy
    total = sum(seconds.values())
    return {
        "runs": len(runs),
        "workers": SIMULATED,
        "plan_seconds": made,
        "plan_processor_seconds": busy_made,
        "seconds": took,
        "processor_seconds": busy,
        "processor_seconds_per_run": busy / len(runs),
        "work_hours": total / 3600,
        "makespan_hours": executor.end / 3600,
        "efficiency": total / (SIMULATED * executor.end),
    }


def outcome(folder: Path) -> dict[str, Any]:
    """Name of a run -> digest of its weights and its scores, of all that are whole."""
    lines = {path.parent.name: Store(folder).results(path.parent.name) for path in folder.glob("*/results.jsonl")}
    return {
        name: [
            results.get("training", {}).get(DIGEST),
            {key: line["scores"] for key, line in results.items() if key != "training"},
        ]
        for name, results in lines.items()
    }


def workers_of(parent: int) -> list[int]:
    """Processes of Dask that a process started, one a worker."""
    children = Path(f"/proc/{parent}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text(encoding="utf-8").split()]
    return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def killed(table: str = "nnclr_queue") -> dict[str, Any]:
    """`reproduce TABLE --cluster local`, a worker of which is killed once a run is whole; beside one process's runs."""
    words = [sys.executable, "-m", "sslrepro", "reproduce", table, "--profile", "smoke", "--no-page", "--runs"]
    with tempfile.TemporaryDirectory() as folder:
        serial, cluster = Path(folder) / "serial", Path(folder) / "cluster"
        subprocess.run([*words, str(serial), "--jobs", "1"], check=True, stdout=subprocess.DEVNULL, timeout=1200)
        child = subprocess.Popen([*words, str(cluster), "--cluster", "local"], stdout=subprocess.DEVNULL)
        try:
            while child.poll() is None and not list(cluster.glob("*/results.jsonl")):
                time.sleep(0.05)
            victim = workers_of(child.pid)[0]
            os.kill(victim, signal.SIGKILL)
            child.wait(1200)
        finally:
            child.kill()
        expected, result = outcome(serial), outcome(cluster)
    identical = sum(result.get(name) == each for name, each in expected.items())
    return {
        "table": table,
        "runs": len(expected),
        "identical": identical,
        "workers_killed": 1,
        "status": child.returncode,
    }


def killed_on_slurm(table: str = "nnclr_queue") -> dict[str, Any] | None:
    """The same on Slurm, a job of which is killed once a run has begun; None where no Slurm answers."""
    if shutil.which("squeue") is None or subprocess.run(["squeue"], capture_output=True).returncode:
        return None
    words = [sys.executable, "-m", "sslrepro", "reproduce", table, "--profile", "smoke", "--no-page", "--runs"]
    with tempfile.TemporaryDirectory() as folder:
        serial, cluster = Path(folder) / "serial", Path(folder) / "cluster"
        subprocess.run([*words, str(serial), "--jobs", "1"], check=True, stdout=subprocess.DEVNULL, timeout=1200)
        child = subprocess.Popen([*words, str(cluster), "--cluster", "slurm"], stdout=subprocess.DEVNULL)
        try:
            while child.poll() is None and not list(cluster.glob("*/log.jsonl")):
                time.sleep(0.05)
            running = ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i"]
            victim = subprocess.run(running, capture_output=True, text=True, check=True).stdout.split()[0]
            subprocess.run(["scancel", "--signal=KILL", victim], check=True)
            child.wait(1200)
        finally:
            child.terminate()
        expected, result = outcome(serial), outcome(cluster)
    identical = sum(result.get(name) == each for name, each in expected.items())
    return {"table": table, "runs": len(expected), "identical": identical, "status": child.returncode}


PARTS = {"plan": planned, "scaling": lambda: [scaling(n) for n in WORKERS], "kill": killed, "slurm": killed_on_slurm}


def main(names: list[str]) -> None:
    """Measure, print and keep."""
    record = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    record |= {"command": "python -m benchmarks.cluster", "environment": environment("cpu")}
    for name in names or PARTS:
        record[name] = PARTS[name]()
        print(json.dumps({name: record[name]}, indent=1))
        write_json(RESULT, record)


if __name__ == "__main__":
    main(sys.argv[1:])
