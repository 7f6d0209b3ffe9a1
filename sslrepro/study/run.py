"""One run: what it is to be trained and evaluated for, and doing it."""

import contextlib
import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sslrepro import evaluate
from sslrepro.base.errors import require
from sslrepro.base.store import Store, environment, locked, read_json, read_lines, result_key, write_json
from sslrepro.base.values import identity_values
from sslrepro.data.dataset import DataConfig
from sslrepro.data.datasets import load
from sslrepro.parts.distributed import barrier, rank
from sslrepro.study.profiles import images_in
from sslrepro.training.checkpoint import header
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import threads, train


@dataclass(frozen=True)
class Run:
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
        mark = hashlib.sha256(json.dumps(identity_values(self.data), sort_keys=True).encode()).hexdigest()[:12]
        return f"pixels-{self.data.name}-s{self.seed}-{mark}"

    @property
    def steps(self) -> int:
        """Training steps; 1 where nothing is trained, so that every task moves the bar."""
        return 1 if self.config is None else max(1, self.config.plan.epochs * steps_per_epoch(self.config))


def steps_per_epoch(config: RunConfig) -> int:
    """Batches in an epoch, from the configured number of images."""
    return images_in(config.data) // config.plan.batch_size


def merge_runs(tasks: list[Run]) -> list[Run]:
    """Tasks of the same run as one, with the evaluations of all, in the order of their first.

    Raises ValueError where two of them ask for one evaluation by two protocols.
    """
    out: dict[str, Run] = {}
    for task in tasks:
        first = out.setdefault(task.name, task)
        for name, protocol in task.evaluations.items():
            same = first.evaluations.get(name, protocol) == protocol
            require(same, "tasks.united", f"protocol of {name}", "one for all tables", protocol)
        if not task.evaluations.keys() <= first.evaluations.keys():
            out[task.name] = replace(first, evaluations=first.evaluations | task.evaluations)
    return list(out.values())


def ledger_record(task: Run, store: Store) -> dict[str, Any]:
    """Everything about a finished task that is worth committing: one small JSON."""
    folder = store.folder(task.name)
    results = {key: line for key, line in sorted(store.results(task.name).items())}
    return {"config": read_json(folder / "config.json"), "environment": read_json(folder / "environment.json"),
            "results": results}  # fmt: skip


def perform_run(
    task: Run, runs: Path, root: str | None, device: str, n_threads: int, report=None, compiling: str = "no"
) -> None:
    """Train (or resume) a task and run the evaluations it still lacks; safe to call from several processes."""
    store = Store(runs)
    folder = store.folder(task.name)
    with threads(n_threads), locked(folder) if rank() == 0 else contextlib.nullcontext():
        barrier()
        done = store.results(task.name)
        barrier()
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
            store.append_result(
                task.name, {"key": "training", "evaluation": "training", "scores": training_cost(task, folder)}
            )
        for name, protocol in missing.items():
            begun = time.process_time()
            if evaluate.of_run(name):
                scores = evaluate.measure(name, config, splits[0], device, protocol)
            else:
                scores = evaluate.run(name, *features, protocol, task.seed)
            record = {"key": result_key(name, protocol), "evaluation": name, "protocol": protocol, "scores": scores,
                      "seconds": round(time.process_time() - begun, 2)}  # fmt: skip
            store.append_result(task.name, record)


def training_cost(task: Run, folder: Path) -> dict[str, Any]:
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


def has_every_result(task: Run, results: dict[str, Any]) -> bool:
    """Whether results have what training cost and every evaluation of a task."""
    return "training" in results and all(result_key(e, p) in results for e, p in task.evaluations.items())


def is_complete(task: Run, store: Store) -> bool:
    """Whether the store holds every result of a task."""
    return has_every_result(task, store.results(task.name))


def label(task: Run) -> str:
    """A run in a few words, for the bar."""
    if task.config is None:
        return f"pixels, seed {task.seed}"
    rows = task.config.settings.get("queue_size")
    return f"{task.config.method}{f' queue {rows}' if rows else ''}, seed {task.seed}"
