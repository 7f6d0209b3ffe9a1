"""Trials before a comparison on equal terms: as many for every method, judged on training images, then frozen.

A trial is a method with one of its printed alternatives (`Method.alternatives`) at one of a few learning rates. It is
trained on four fifths of the training images of two seeds that no table uses; its score is the mean accuracy of a
linear probe on the fifth held out, whose labels and images nothing of the run has seen. The test split is not read. The
best trial is frozen with all others in book/trials/<profile>.json; what is frozen is never written again.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from sslrepro import evaluate, methods
from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, environment, read_json, result_key, write_json
from sslrepro.data.datasets import resolve
from sslrepro.study.equal_terms import FROZEN, Trial
from sslrepro.study.profiles import profile
from sslrepro.study.run import Run
from sslrepro.study.workers import carry_out

SEEDS = (100, 101)  # of trials alone: tables count from 0
TRIALS = 4  # per method
HELD_OUT = 0.2  # of the training images
RATES = (1.0, 0.5, 2.0, 0.25)  # times the scale's learning rate, in this order; as many as leave TRIALS in all


def run_of(trial: Trial, scale: str, seed: int, root: str | Path | None = None) -> Run:
    """A trial's run on four fifths of the training images, probed on the fifth."""
    config = trial.config(profile(scale), seed)
    config = replace(config, data=resolve(replace(config.data, held_out=HELD_OUT), root))
    return Run(config.data, seed, {"linear": protocol(scale)}, config)


def protocol(scale: str) -> dict[str, Any]:
    """Of the probe: that of the scale's linear probes, or the default."""
    return evaluate.protocol("linear", profile(scale).evaluations.get("linear"))


def names() -> list[str]:
    """Methods that are compared: all but the book's own diagnostics and the baselines that tables only quote."""
    every = {name: methods.method_class(name) for name in methods.names()}
    return [name for name, method in every.items() if method.has_trials and not method.diagnostic]


def trials_of(method: str) -> list[Trial]:
    """A method's trials, `TRIALS` of them, its defaults at the scale's learning rate first.

    Raises ValueError where its alternatives do not divide that number.
    """
    variants = ({}, *methods.method_class(one_of(method, names(), "trials", "method")).alternatives)
    allowed = f"such that it and the defaults divide {TRIALS} trials"
    require(TRIALS % len(variants) == 0, f"methods.{method}", "alternatives", allowed, variants[1:])
    return [Trial(method, settings, rate) for rate in RATES[: TRIALS // len(variants)] for settings in variants]


def runs_of(scale: str, chosen: list[str] | None = None, root: str | Path | None = None) -> list[Run]:
    """All runs of the trials of some methods (default all), the first seed of every trial before the second's."""
    trials = [trial for method in chosen or names() for trial in trials_of(method)]
    return [run_of(trial, scale, seed, root) for seed in SEEDS for trial in trials]


def perform(
    scale: str,
    chosen: list[str] | None = None,
    runs: Path = RUNS,
    root: str | None = None,
    jobs: int | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> None:
    """Carry out the trials that the store lacks, a process of one thread per core; a stopped call goes on.

    jobs   processes; default as many as cores this process may use
    """
    jobs = len(os.sched_getaffinity(0)) if jobs is None and hasattr(os, "sched_getaffinity") else jobs or 2
    carry_out(runs_of(scale, chosen, root), runs, root, device, jobs, progress=progress)


def results(method: str, scale: str, runs: Path = RUNS, root: str | Path | None = None) -> list[dict[str, Any]]:
    """What every trial of a method reached: settings, rate, runs, accuracies, their mean.

    Raises ValueError where a run is not there yet.
    """
    store, key = Store(runs), result_key("linear", protocol(scale))
    out = []
    for trial in trials_of(method):
        tasks = [run_of(trial, scale, seed, root) for seed in SEEDS]
        lines = [store.results(task.name).get(key) for task in tasks]
        absent = [task.name for task, line in zip(tasks, lines, strict=True) if line is None]
        require(
            not absent,
            f"trials.{method}",
            "runs",
            "done before the best is chosen",
            absent,
            f"`python -m sslrepro trials --profile {scale}` does them.",
        )
        accuracy = [line["scores"]["linear_top1"] for line in lines]
        out.append(
            {
                "settings": trial.settings,
                "rate": trial.rate,
                "lr": tasks[0].config.plan.lr,
                "runs": [task.name for task in tasks],
                "accuracy": accuracy,
                "mean": sum(accuracy) / len(accuracy),
            }
        )
    return out


def freeze(
    scale: str,
    chosen: list[str] | None = None,
    runs: Path = RUNS,
    root: str | Path | None = None,
    folder: Path | None = None,
) -> Path:
    """Write the trials of some methods (default all) and the best of each; of equal ones the first.

    Raises ValueError where a run is missing, or where a method's frozen trials are others: those stand.
    """
    path = (folder or FROZEN) / f"{scale}.json"
    frozen = read_json(path) if path.exists() else {"methods": {}}
    for method in chosen or names():
        trials = results(method, scale, runs, root)
        best = max(trials, key=lambda trial: trial["mean"])  # the first of equal ones
        entry = {"chosen": {name: best[name] for name in ("settings", "rate")}, "trials": trials}
        same = frozen["methods"].get(method, entry) == entry
        require(
            same,
            f"trials.{method}",
            "trials",
            f"those frozen in {path}",
            "others",
            "Chosen settings are not chosen again: tables may have used them.",
        )
        frozen["methods"][method] = entry
    about = {"seeds": list(SEEDS), "trials_per_method": TRIALS, "held_out": HELD_OUT, "protocol": protocol(scale)}
    write_json(path, {"environment": environment("cpu")} | frozen | about)
    return path
