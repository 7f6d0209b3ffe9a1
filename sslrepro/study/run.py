"""One run: what it is to be trained and evaluated for, and doing it."""

import contextlib
import hashlib
import json
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sslrepro import evaluate
from sslrepro.base.errors import require
from sslrepro.base.store import (
    RESULT,
    Store,
    environment,
    is_file_there,
    is_result,
    lock_folder,
    read_json,
    result_key,
    write_json,
)
from sslrepro.base.tensors import DIGEST, read_tensors
from sslrepro.base.values import from_mapping, identity_values, stored_values
from sslrepro.data.dataset import SHAPES, DataConfig, Dataset
from sslrepro.data.datasets import load
from sslrepro.data.quality import warnings_about
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import barrier, rank, without_others, world_size
from sslrepro.study.profiles import images_in
from sslrepro.training.checkpoint import CHECKPOINT, header
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import Report, read_log, threads, train


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
        """Training steps; 1 where nothing is trained, so that every run moves the bar."""
        return 1 if self.config is None else max(1, self.config.plan.epochs * steps_per_epoch(self.config))


def steps_per_epoch(config: RunConfig) -> int:
    """Batches in an epoch, from the configured number of images."""
    return images_in(config.data) // config.plan.batch_size


def merge_runs(runs: list[Run]) -> list[Run]:
    """Every run once, with the evaluations that any of its mentions asks for, in the order of their first.

    Raises ValueError where two of them ask for one evaluation by two protocols.
    """
    out: dict[str, Run] = {}
    for run in runs:
        first = out.setdefault(run.name, run)
        for name, protocol in run.evaluations.items():
            same = first.evaluations.get(name, protocol) == protocol
            require(same, "study.merge_runs", f"protocol of {name}", "one for all tables", protocol)
        if not run.evaluations.keys() <= first.evaluations.keys():
            out[run.name] = replace(first, evaluations=first.evaluations | run.evaluations)
    return list(out.values())


def ledger_record(run: Run, store: Store) -> dict[str, Any]:
    """Everything about a finished run that is worth committing: one small JSON.

    Raises ValueError where the store lacks its configuration or environment.
    """
    folder = store.folder(run.name)
    for name in ("config.json", "environment.json"):
        require(
            (folder / name).is_file(),
            "study.run",
            f"{folder.name}/{name}",
            "there",
            "no file",
            f"Delete {folder} to make the run anew.",
        )
    results = dict(sorted(store.results(run.name).items()))
    record = {name: read_json(folder / f"{name}.json") for name in ("config", "environment")} | {"results": results}
    require_record(record, run.name, f"record in {folder}", "study.run")
    return record


def require_record(record: Any, run: str, what: str, owner: str) -> None:
    """Raise ValueError unless a value read from JSON is a run's {config, environment, results}, named as it should be.

    run    the name that it goes by, which must be that of its configuration
    what   it is, for the error

    """
    parts = ("config", "environment", "results")
    whole = isinstance(record, dict) and all(isinstance(record.get(part), dict) for part in parts)
    require(whole, owner, what, "a result {config, environment, results}", record)
    text = next((text for text in texts(record) if "<" in text or ">" in text), None)
    require(text is None, owner, f"text in {what}", "plain, for pages show it", text)
    results = record["results"]
    good = all(is_result(line) and line["key"] == key for key, line in results.items())
    require(good, owner, f"results of {what}", f"each {RESULT}", results)
    try:
        name = name_of(json.dumps(record["config"]), run)
    except ValueError as error:
        raise ValueError(f"{owner}: {what} has no configuration of a run ({error})") from None
    require(name == run, owner, what, f"named for its configuration, {name}", run)


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@lru_cache(4096)  # pages read the same few hundred records again and again
def name_of(text: str, run: str) -> str:
    """The name that a stored configuration gives: that of a training, or of pixels with the seed that `run` says.

        text   of the configuration, as JSON

    Raises ValueError for what is neither.
    """
    config = json.loads(text)
    if "pixels" not in config:
        return from_record(config).name
    require(config.keys() == {"pixels"}, "study.run", "configuration", "of pixels alone", sorted(config))
    seed = re.search(r"-s(\d+)-[0-9a-f]+$", run)
    values = config["pixels"]
    require(isinstance(values, dict), "study.run", "pixels", "a mapping of names to values", values)
    data = from_mapping(DataConfig, stored_values(DataConfig, values), "study.run")
    return Run(data, int(seed[1]) if seed else 0, {}).name


def perform_run(
    run: Run,
    folder: Path,
    root: str | Path | None,
    device: str,
    n_threads: int,
    report: Report | None = None,
    compiling: str = "no",
) -> None:
    """Train (or resume) a run and do the evaluations it still lacks; safe to call from several processes.

        folder   of all runs

    Waits where another process is at this run, and then finds it done.
    """
    if world_size() == 1 and is_complete(run, Store(folder)):
        return
    with threads(n_threads):
        splits = tuple(split.to(device) for split in load(run.data, root))  # before there is a folder to lock
        if run.data.name not in (*SHAPES, "digits") and rank() == 0:
            for line in warnings_about(*splits):
                warnings.warn(line, stacklevel=2)
        with lock_folder(Store(folder).folder(run.name)) if rank() == 0 else contextlib.nullcontext():
            perform_locked(run, folder, splits, device, report, compiling, root)


def perform_locked(
    run: Run,
    folder: Path,
    splits: tuple[Dataset, Dataset],
    device: str,
    report: Report | None,
    compiling: str = "no",
    root: str | Path | None = None,
) -> None:
    """The same by a process that holds the lock of the run's folder, with its images at hand."""
    store = Store(folder)
    place = store.folder(run.name)
    barrier()
    done = store.results(run.name)
    barrier()
    missing = {e: p for e, p in run.evaluations.items() if result_key(e, p) not in done}
    config = run.config
    if not missing and "training" in done:
        return
    method = None if config is None else train(config, place, splits[0], device, report, compiling=compiling)
    if rank() > 0:
        return
    if config is None:
        write_json(place / "config.json", {"pixels": asdict(run.data)})
        write_json(place / "environment.json", environment(device))
    with without_others():  # they have returned: a norm over all processes would take their next numbers for its own
        _evaluate(run, missing, method, store, splits, device, root)


def _evaluate(
    run: Run,
    missing: dict[str, dict[str, Any]],
    method: Method | None,
    store: Store,
    splits: tuple[Dataset, Dataset],
    device: str,
    root: str | Path | None,
) -> None:
    """Measure what a trained run lacks, and keep it.

    missing   evaluation -> protocol
    method    None for pixels
    """
    place, config, done = store.folder(run.name), run.config, store.results(run.name)
    normalise = tuple(tuple(part) for part in splits[0].mean_std())
    if method is None:
        features = [evaluate.pixels(split) for split in splits]
    else:
        require_weights_of(done, place)
        features = [evaluate.features(method.encoder, split, normalise) for split in splits]
    if "training" not in done:
        cost = training_cost(run, place)
        line = {"key": "training", "evaluation": "training", "scores": cost}
        if config is not None:
            line[DIGEST] = header(place / "checkpoint.safetensors").get(DIGEST)
        store.append_result(run.name, line)
    for name, protocol in missing.items():
        begun = time.process_time()
        if evaluate.of_log(name):
            scores = evaluate.of_course(name, read_log(place / "log.jsonl"), protocol)
        elif evaluate.of_run(name):
            scores = evaluate.measure(name, config, splits[0], device, protocol)
        elif evaluate.of_encoder(name):
            require(method is not None, "study.run", name, "an evaluation of encoders", "pixels")
            scores = evaluate.tune(name, method.encoder, normalise, device, protocol, run.seed, root, splits)
        else:
            scores = evaluate.run(name, *features, protocol, run.seed)
        record = {
            "key": result_key(name, protocol),
            "evaluation": name,
            "protocol": protocol,
            "scores": scores,
            "seconds": round(time.process_time() - begun, 2),
        }
        store.append_result(run.name, record)


def require_weights_of(results: dict[str, Any], place: Path) -> None:
    """Raise ValueError where the weights on disk are not, to the bit, those that results were measured on.

    Passes where there are none (pixels; a checkpoint that was cleared away) and for files older than digests.

    place   the run's own folder
    """
    measured, checkpoint = results.get("training", {}).get(DIGEST), place / "checkpoint.safetensors"
    if not is_file_there(checkpoint):
        return
    stored = read_tensors(checkpoint, *CHECKPOINT)[1].get(DIGEST)
    require(
        measured is None or stored == measured,
        "study.run",
        f"checkpoint {checkpoint}",
        f"the one that results.jsonl was measured on (SHA-256 {measured})",
        stored,
        f"Restore it, or delete {place} to make the run anew.",
    )


def training_cost(run: Run, place: Path) -> dict[str, Any]:
    """What training took and how it ended: CPU-seconds, peak bytes, and the last logged metrics.

    place   the run's own folder
    """
    if run.config is None:
        return {"seconds": 0.0, "steps": 0}
    about = header(place / "checkpoint.safetensors")
    out = {"seconds": round(float(about["seconds"]), 2), "peak_bytes": int(about["peak_bytes"])}
    out["steps"] = int(about["step"])
    if run.config.sampler is not None:
        sampler = place.parent / run.config.sampler.name / "checkpoint.safetensors"
        out["sampler_seconds"] = round(float(header(sampler)["seconds"]), 2)
    lines = read_log(place / "log.jsonl")
    return out | ({k: v for k, v in lines[-1].items() if k not in ("step", "lr", "epoch")} if lines else {})


def has_every_result(run: Run, results: dict[str, Any]) -> bool:
    """Whether results have what training cost and every evaluation of a run."""
    return "training" in results and all(result_key(e, p) in results for e, p in run.evaluations.items())


def is_complete(run: Run, store: Store) -> bool:
    """Whether the store holds every result of a run."""
    return has_every_result(run, store.results(run.name))


def label(run: Run) -> str:
    """A run in a few words, for the bar."""
    if run.config is None:
        return f"pixels, seed {run.seed}"
    rows = run.config.settings.get("queue_size")
    return f"{run.config.method}{f' queue {rows}' if rows else ''}, seed {run.seed}"
