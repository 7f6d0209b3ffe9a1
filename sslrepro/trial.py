"""One method, one run: any method on any images with any setting changed. What `notebooks/method.ipynb` shows."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sslrepro import evaluate
from sslrepro.config import flat, from_record
from sslrepro.data.datasets import SHAPES, load, resolve
from sslrepro.parts.gather import rank, wait
from sslrepro.profiles import profile, scaled_to
from sslrepro.report import AGREEMENT, COLOURS, NAMES, Figure, Shown, html_table, number, style, text_table
from sslrepro.store import Store, read_lines
from sslrepro.study import RUNS, Task, exported, label, perform
from sslrepro.train import threads


def single(
    method: str,
    profile_name: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
) -> Task:
    """One run of a method with every setting filled in, and the evaluations of its profile; trains nothing.

    dataset   an embedded set, or a folder in `root`; default the profile's own images
    changes   dotted settings on top: {"settings.temperature": 0.2, "plan.epochs": 2}
    """
    base = scaled_to(profile(profile_name), dataset)
    if base.data.name not in (*SHAPES, "digits"):
        images = load(base.data, root)[0]
        base = replace(base, n_images=len(images), n_classes=images.n_classes)
    config = base.config(method, seed).with_changes(**(changes or {}))
    config = replace(config, data=resolve(config.data, root))
    protocols = {name: evaluate.protocol(name, given) for name, given in base.evaluations.items()}
    return Task(config.data, config.seed, protocols, config)


def perform_here(
    task: Task,
    runs: Path = RUNS,
    root: str | Path | None = None,
    device: str = "cpu",
    compiling: str = "no",
    quiet: bool = False,
) -> dict[str, Any]:
    """Train (or resume) and evaluate a task in this process, with a bar; returns its record and its training log.

    {"config", "environment", "results", "log"}. Under several processes only the first one's bar is shown.
    """
    with tqdm(desc=label(task), unit="step", disable=quiet or rank() > 0) as bar:

        def report(step: int, steps: int) -> None:
            bar.total = steps
            bar.update(step - bar.n)

        perform(task, runs, str(root) if root else None, device, torch.get_num_threads(), report, compiling)
    wait()
    store = Store(runs)
    return exported(task, store) | {"log": read_lines(store.folder(task.name) / "log.jsonl")}


def try_method(
    method: str,
    profile: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train any method on any images with any setting changed, or read the stored run. What the notebook calls."""
    root = root or os.environ.get("SSLREPRO_DATA")
    with threads(1):
        return perform_here(single(method, profile, seed, dataset, root, changes), Path(runs), root, device)


def curves(record: dict[str, Any]) -> Figure:
    """A run's log over epochs: loss, spread of the embedding, and how often what it mines shares the class."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    log = record["log"]
    panels = {"loss": "loss", "embedding_std": "spread of the embedding (0: collapsed, 1: healthy)"}
    panels |= {name: title for name, title in AGREEMENT.items() if any(name in line for line in log)}
    plot, axes = plt.subplots(1, len(panels), figsize=(3.7 * len(panels), 2.8), layout="constrained", squeeze=False)
    for axis, (name, title) in zip(axes[0], panels.items(), strict=True):
        points = [(line["epoch"], line[name]) for line in log if name in line]
        axis.plot(*zip(*points, strict=True), color=COLOURS["ours"])
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("epoch", fontsize=9)
    style(plot, list(axes[0]))
    last = ", ".join(f"{title} {log[-1][name]:.3f}" for name, title in panels.items() if name in log[-1])
    return Figure(plot, f"Training of {record['config']['method']}, {len(log)} points over epochs; at the end: {last}.")


def scores(record: dict[str, Any]) -> Shown:
    """A run's evaluations, accuracies in %."""
    lines = [line for line in record["results"].values() if line["evaluation"] != "training"]
    body = [[NAMES[name], number(100 * value)] for line in lines for name, value in line["scores"].items()
            if name in NAMES and name != "neighbour_match"]  # fmt: skip
    body.append(["processor-seconds of training", number(record["results"]["training"]["scores"]["seconds"])])
    head = ["evaluation of the frozen encoder", "%, last epoch"]
    return Shown(html_table(head, body), text_table([head, *body]))


def settings(record: dict[str, Any]) -> Shown:
    """Every setting of a run by its dotted name: what `changes` can change."""
    body = [[name, str(value)] for name, value in flat(from_record(record["config"])).items()]
    return Shown(f"<details><summary>{len(body)} settings</summary>{html_table(['setting', 'value'], body)}</details>",
                 text_table([["setting", "value"], *body]))  # fmt: skip
