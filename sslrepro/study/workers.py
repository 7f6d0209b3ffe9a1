"""Many runs side by side, in processes of this machine."""

import queue as queues
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import Manager, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store
from sslrepro.study.run import Run, is_complete, label, perform_run

_channel: Any = None


def _begin(channel: Any) -> None:
    global _channel
    _channel = channel


def _work(task: Run, runs: Path, root: str | None, device: str, n_threads: int, compiling: str) -> str | None:
    """A task in a worker process; returns the traceback of a failure."""
    last = 0.0

    def report(step: int, steps: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.5 or step == steps:
            last = now
            _channel.put((task.name, step))

    try:
        perform_run(task, runs, root, device, n_threads, report, compiling)
    except Exception:
        return traceback.format_exc()
    return None


def carry_out(
    tasks: list[Run],
    runs: Path = RUNS,
    root: str | None = None,
    device: str = "cpu",
    jobs: int = 2,
    n_threads: int = 1,
    progress: bool = True,
    compiling: str = "no",
) -> None:
    """Do what the store lacks, `jobs` processes side by side, with a bar for the whole and one for each current run.

    Raises RuntimeError with the first failure's traceback after the others have ended.
    """
    require(jobs >= 1, "study.carry_out", "jobs", ">= 1", jobs)
    store = Store(runs)
    left = [task for task in tasks if not is_complete(task, store)]
    if not left:
        return
    total = sum(task.steps for task in left)
    by_name = {task.name: task for task in left}
    failures: list[str] = []
    with (
        Manager() as manager,
        tqdm(total=total, desc=f"table: {len(left)} runs", unit="step", disable=not progress, position=0) as whole,
        ProcessPoolExecutor(min(jobs, len(left)), get_context("spawn"), _begin, (channel := manager.Queue(),)) as pool,
    ):
        begun: dict[str, int] = {}
        bars: dict[str, tqdm] = {}
        slots: dict[str, int] = {}
        futures = {pool.submit(_work, t, runs, root, device, n_threads, compiling): t.name for t in left}
        while futures or not channel.empty():
            try:
                name, step = channel.get(timeout=0.2)
            except queues.Empty:
                name = None
            if name is not None:
                if name not in bars:
                    slots[name] = min(set(range(1, jobs + 2)) - {slots[other] for other in bars})
                    task = by_name[name]
                    bars[name] = tqdm(total=task.steps, desc=f"  {label(task)}", unit="step", leave=False,
                                      disable=not progress, position=slots[name], initial=step)  # fmt: skip
                bars[name].update(step - bars[name].n)
                whole.update(step - begun.get(name, 0))
                begun[name] = step
            for future in [future for future in futures if future.done()]:
                name = futures.pop(future)
                try:
                    failed = future.result()
                except BrokenProcessPool:
                    failed = "A worker process was killed; the next call resumes from the last checkpoint."
                if failed:
                    failures.append(f"{name}\n{failed}")
                whole.update(by_name[name].steps - begun.get(name, 0))
                begun[name] = by_name[name].steps
                if name in bars:
                    bars.pop(name).close()
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(left)} runs failed. The first:\n{failures[0]}")
