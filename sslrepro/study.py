"""From a table's definition to its runs, results and verdicts. What the notebooks and the command line call."""

import contextlib
import hashlib
import json
import os
import queue as queues
import statistics
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import Manager, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sslrepro import evaluate, papers, tables
from sslrepro.check import require
from sslrepro.claims import Cell, Verdict, judge
from sslrepro.config import RunConfig
from sslrepro.data.datasets import DataConfig, load, resolve
from sslrepro.parts.gather import rank, wait
from sslrepro.profiles import Profile, images_in, profile, scaled_to
from sslrepro.store import Store, environment, locked, read_json, read_lines, result_key, write_json
from sslrepro.train import header, threads, train

PROJECT = Path(os.environ.get("SSLREPRO_HOME", Path(__file__).resolve().parent.parent))
LEDGER = PROJECT / "book" / "ledger"
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

    @property
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


@dataclass(frozen=True)
class Plan:
    """A table at a profile: its tasks by row (and control), one per seed."""

    definition: tables.Definition
    profile: Profile
    seeds: int
    rows: dict[str, list[Task]]
    controls: dict[str, list[Task]]

    @property
    def tasks(self) -> list[Task]:
        """Every distinct task, in the order they run: rows seed by seed, so that a killed table has whole seeds."""
        groups = [*self.rows.values(), *self.controls.values()]
        ordered = [group[seed] for seed in range(self.seeds) for group in groups]
        return list({task.name: task for task in ordered}.values())

    @property
    def ledger(self) -> Path:
        """The committed folder of this profile's results."""
        return LEDGER / self.profile.name


def plan(
    table: str,
    profile_name: str = "cpu",
    seeds: int | None = None,
    dataset: str | None = None,
    root: str | Path | None = None,
) -> Plan:
    """Which tasks a table needs; trains nothing.

    seeds     number of seeds, 0..seeds-1; default the profile's
    dataset   other images than the profile's own (cifar10, ...), read from `root`
    """
    definition = tables.definition(table)
    base = scaled_to(profile(profile_name), dataset)
    n = (definition.seeds or base.seeds if base.judged else base.seeds) if seeds is None else seeds
    require(n >= 1, "study.plan", "seeds", ">= 1", n)
    protocols = {name: evaluate.protocol(name, given) for name, given in base.evaluations.items()}
    marks: dict[str, str] = {}

    def task(method: str, seed: int, paper: dict[str, Any] | None = None, epochs: int | None = None) -> Task:
        config = base.config(method, seed, paper)
        if config.data.name not in marks:
            marks[config.data.name] = fingerprint_of(config.data, base, root)
        config = replace(config, data=replace(config.data, fingerprint=marks[config.data.name]))
        if epochs is not None:
            config = config.with_changes(**{"plan.epochs": epochs})
        return Task(config.data, seed, protocols, config)

    def control(name: str, seed: int) -> Task:
        if name == "pixels":
            return replace(task("simclr", seed), config=None)
        return task("simclr", seed, epochs=0) if name == "random" else task(name, seed)

    def row_task(given: dict[str, Any], seed: int) -> Task:
        return task(given.get("method", definition.method), seed, {k: v for k, v in given.items() if k != "method"})

    rows = {row: [row_task(given, s) for s in range(n)] for row, given in definition.rows.items()}
    controls = {name: [control(name, s) for s in range(n)] for name in definition.controls}
    return Plan(definition, base, n, rows, controls)


def fingerprint_of(data: DataConfig, base: Profile, root: str | Path | None) -> str:
    """The fingerprint of the images: of those under the root, or, without a root, of those the ledger was made on."""
    noted = LEDGER / base.name / "data.json"
    if not base.runnable:
        return ""
    if root is None and noted.exists():
        return read_json(noted)[data.name]
    return resolve(data, root).fingerprint


# --- doing it ---------------------------------------------------------------------------------------------------


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


# --- ledger -----------------------------------------------------------------------------------------------------


def exported(task: Task, store: Store) -> dict[str, Any]:
    """Everything about a finished task that is worth committing: one small JSON."""
    folder = store.folder(task.name)
    results = {key: line for key, line in sorted(store.results(task.name).items())}
    return {"config": read_json(folder / "config.json"), "environment": read_json(folder / "environment.json"),
            "results": results}  # fmt: skip


def publish_ledger(made: Plan, runs: Path = RUNS) -> dict[str, Any]:
    """Write the ledger files of a plan from the store; returns how they compare with what stood there before.

    agree      runs whose scores equal the ledger's before;  differ   the others;  new   runs it did not hold
    largest    largest absolute difference of a score
    """
    store = Store(runs)
    marks = {task.data.name: task.data.fingerprint for task in made.tasks}
    write_json(made.ledger / "data.json", marks)
    found = {"agree": 0, "differ": 0, "new": 0, "largest": 0.0}
    for task in made.tasks:
        path = made.ledger / f"{task.name}.json"
        record = exported(task, store)
        if path.exists():
            before = read_json(path)["results"]
            gaps = [
                abs(value - before[key]["scores"][name])
                for key, line in record["results"].items()
                if key in before and key != "training"
                for name, value in line["scores"].items()
                if name in before[key]["scores"]
            ]
            largest = max(gaps, default=0.0)
            found["agree" if largest == 0 else "differ"] += 1
            found["largest"] = max(found["largest"], largest)
            if largest == 0:
                continue  # the same numbers: the first measurement's cost and machine stay on record
        else:
            found["new"] += 1
        write_json(path, record)
    return found


def published(task: Task, made: Plan) -> dict[str, Any] | None:
    """A task's record in the ledger; None where it is absent or lacks an evaluation."""
    path = made.ledger / f"{task.name}.json"
    record = read_json(path) if path.exists() else {"results": {}}
    return record if whole(task, record["results"]) else None


def lookup(task: Task, made: Plan, runs: Path) -> dict[str, Any] | None:
    """A task's record: from the ledger, else from the store; None where it was not run."""
    store = Store(runs)
    return published(task, made) or (exported(task, store) if complete(task, store) else None)


# --- results ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Results:
    """A table with our numbers: what reports are made from.

    rows, controls   name -> one record per seed ({config, environment, results}); [] where a row was not run
    """

    plan: Plan
    rows: dict[str, list[dict[str, Any]]]
    controls: dict[str, list[dict[str, Any]]]

    @property
    def definition(self) -> tables.Definition:
        """The table's definition."""
        return self.plan.definition

    def values(self, name: str, score: str) -> list[float]:
        """A score of a row or control, one value per seed, as stored (accuracies in [0, 1])."""
        found = []
        for record in (self.rows | self.controls)[name]:
            for line in record["results"].values():
                if score in line["scores"]:
                    found.append(line["scores"][score])
                    break
        return found

    def cell(self, name: str, score: str, factor: float = 100.0) -> Cell | None:
        """Mean and spread over seeds, in percent by default; None where it was not run."""
        values = [factor * value for value in self.values(name, score)]
        if not values:
            return None
        return Cell(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values))

    def cells(self) -> dict[tuple[str, str, str], Cell]:
        """(table, row, column) -> cell, for claims."""
        definition = self.definition
        found = {
            (definition.id, row, column): self.cell(row, score)
            for row in self.rows
            for column, score in definition.columns.items()
        }
        return {key: cell for key, cell in found.items() if cell is not None}

    def verdicts(self) -> list[Verdict]:
        """One per claim of the paper that rests on this table; none for a table of ours."""
        if self.definition.notebook != "table":
            return []
        cells = self.cells()
        judged, unrun = self.plan.profile.judged, self.definition.unrun
        return [judge(claim, cells, judged=judged, unrun=unrun) for claim in papers.claims_on(self.definition.id)]

    def records(self) -> list[dict[str, Any]]:
        """All records of rows and controls, shared runs once."""
        return [record for group in (self.rows | self.controls).values() for record in group]

    def cpu_seconds(self) -> float:
        """Processor time of training and evaluating everything on the table."""
        lines = [line for record in self.records() for line in record["results"].values()]
        return sum(line.get("seconds", line["scores"].get("seconds", 0.0)) for line in lines)


def results(made: Plan, runs: Path = RUNS) -> Results:
    """What is known of a plan; rows with a missing seed keep those they have."""

    def group(tasks: list[Task]) -> list[dict[str, Any]]:
        return [record for task in tasks if (record := lookup(task, made, runs)) is not None]

    return Results(made, {n: group(t) for n, t in made.rows.items()}, {n: group(t) for n, t in made.controls.items()})


def reproduce(
    table: str,
    profile: str = "cpu",
    seeds: int | None = None,
    dataset: str | None = None,
    root: str | Path | None = None,
    runs: str | Path = RUNS,
    jobs: int = 2,
    device: str = "cpu",
) -> Results:
    """A table's results: from the ledger and the store, training what neither holds. What the notebooks call."""
    root = root or os.environ.get("SSLREPRO_DATA")
    made = plan(table, profile, seeds, dataset, root)
    runs = Path(runs)
    absent = [task for task in made.tasks if lookup(task, made, runs) is None]
    if absent:
        require(made.profile.runnable, "study.reproduce", "profile", "smoke, cpu or gpu", profile,
                f"'{profile}' is planned here and run by those who have the machine.")  # fmt: skip
        carry_out(absent, runs, str(root) if root else None, device, jobs)
    return results(made, runs)
