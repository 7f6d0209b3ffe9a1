"""One unit of work: what a run is to be trained and evaluated for, doing it, and doing many side by side."""

import contextlib
import hashlib
import json
import os
import queue as queues
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from multiprocessing import Manager, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sslrepro import evaluate
from sslrepro.check import require
from sslrepro.config import RunConfig
from sslrepro.data.datasets import DataConfig, load
from sslrepro.parts.gather import rank, wait
from sslrepro.profiles import images_in
from sslrepro.store import Store, environment, locked, read_json, read_lines, result_key, write_json
from sslrepro.train import header, threads, train

PROJECT = Path(os.environ.get("SSLREPRO_HOME", Path(__file__).resolve().parent.parent))
RUNS = PROJECT / "runs"


@dataclass(frozen=True)
class Task:
    """One unit of work: a run to train and evaluate, or (config None) the pixels themselves to evaluate.

    evaluations   evaluation -> its full protocol
    """

    data: DataConfig
    seed: int
    evaluations: dict[str, dict[str, Any]]
    config: RunConfig | None = None

    @cached_property
    def name(self) -> str:
        """Folder and ledger name."""
        if self.config is not None:
            return self.config.name
        mark = hashlib.sha256(json.dumps(asdict(self.data), sort_keys=True).encode()).hexdigest()[:12]
        return f"pixels-{self.data.name}-s{self.seed}-{mark}"

    @property
    def steps(self) -> int:
        """Training steps; 1 where nothing is trained, so that every task moves the bar."""
        return 1 if self.config is None else max(1, self.config.plan.epochs * steps_per_epoch(self.config))


def steps_per_epoch(config: RunConfig) -> int:
    """Batches in an epoch, from the configured number of images."""
    return images_in(config.data) // config.plan.batch_size


def united(tasks: list[Task]) -> list[Task]:
    """Tasks of the same run as one, with the evaluations of all, in the order of their first.

    Raises ValueError where two of them ask for one evaluation by two protocols.
    """
    out: dict[str, Task] = {}
    for task in tasks:
        first = out.setdefault(task.name, task)
        for name, protocol in task.evaluations.items():
            same = first.evaluations.get(name, protocol) == protocol
            require(same, "tasks.united", f"protocol of {name}", "one for all tables", protocol)
        if not task.evaluations.keys() <= first.evaluations.keys():
            out[task.name] = replace(first, evaluations=first.evaluations | task.evaluations)
    return list(out.values())


def exported(task: Task, store: Store) -> dict[str, Any]:
    """Everything about a finished task that is worth committing: one small JSON."""
    folder = store.folder(task.name)
    results = {key: line for key, line in sorted(store.results(task.name).items())}
    return {"config": read_json(folder / "config.json"), "environment": read_json(folder / "environment.json"),
            "results": results}  # fmt: skip


# --- doing it -------------------------------------------------------------------------------------------------------


def perform(
    task: Task, runs: Path, root: str | None, device: str, n_threads: int, report=None, compiling: str = "no"
) -> None:
    """Train (or resume) a task and run the evaluations it still lacks; safe to call from several processes."""
    store = Store(runs)
    folder = store.folder(task.name)
    with threads(n_threads), locked(folder) if rank() == 0 else contextlib.nullcontext():
        wait()
        done = store.results(task.name)
        wait()
        missing = {e: p for e, p in task.evaluations.items() if result_key(e, p) not in done}
        config = task.config
        if not missing and "training" in done:
            return
        splits = tuple(split.to(device) for split in load(task.data, root))
        normalise = tuple(tuple(part) for part in splits[0].mean_std())
        if config is None:
            write_json(folder / "config.json", {"pixels": asdict(task.data)})
            write_json(folder / "environment.json", environment(device))
            features = [evaluate.pixels(split) for split in splits]
        else:
            method = train(config, folder, splits[0], device, report, compiling=compiling)
            if rank() > 0:
                return
            features = [evaluate.features(method.encoder, split, normalise) for split in splits]
        if "training" not in done:
            store.append_result(task.name, {"key": "training", "evaluation": "training", "scores": cost(task, folder)})
        for name, protocol in missing.items():
            begun = time.process_time()
            if evaluate.of_run(name):
                scores = evaluate.measure(name, config, splits[0], device, protocol)
            else:
                scores = evaluate.run(name, *features, protocol, task.seed)
            record = {"key": result_key(name, protocol), "evaluation": name, "protocol": protocol, "scores": scores,
                      "seconds": round(time.process_time() - begun, 2)}  # fmt: skip
            store.append_result(task.name, record)


def cost(task: Task, folder: Path) -> dict[str, Any]:
    """What training took and how it ended: CPU-seconds, peak bytes, and the last logged metrics."""
    if task.config is None:
        return {"seconds": 0.0, "steps": 0}
    about = header(folder / "checkpoint.safetensors")
    out = {"seconds": round(float(about["seconds"]), 2), "peak_bytes": int(about["peak_bytes"])}
    out["steps"] = int(about["step"])
    if task.config.sampler is not None:
        sampler = folder.parent / task.config.sampler.name / "checkpoint.safetensors"
        out["sampler_seconds"] = round(float(header(sampler)["seconds"]), 2)
    lines = read_lines(folder / "log.jsonl")
    return out | ({k: v for k, v in lines[-1].items() if k not in ("step", "lr", "epoch")} if lines else {})


_channel: Any = None


def _begin(channel: Any) -> None:
    global _channel
    _channel = channel


def _work(task: Task, runs: Path, root: str | None, device: str, n_threads: int, compiling: str) -> str | None:
    """A task in a worker process; returns the traceback of a failure."""
    last = 0.0

    def report(step: int, steps: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.5 or step == steps:
            last = now
            _channel.put((task.name, step))

    try:
        perform(task, runs, root, device, n_threads, report, compiling)
    except Exception:
        return traceback.format_exc()
    return None


def whole(task: Task, results: dict[str, Any]) -> bool:
    """Whether results have what training cost and every evaluation of a task."""
    return "training" in results and all(result_key(e, p) in results for e, p in task.evaluations.items())


def complete(task: Task, store: Store) -> bool:
    """Whether the store holds every result of a task."""
    return whole(task, store.results(task.name))


def carry_out(
    tasks: list[Task],
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
    left = [task for task in tasks if not complete(task, store)]
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


def label(task: Task) -> str:
    """A run in a few words, for the bar."""
    if task.config is None:
        return f"pixels, seed {task.seed}"
    rows = task.config.settings.get("queue_size")
    return f"{task.config.method}{f' queue {rows}' if rows else ''}, seed {task.seed}"
