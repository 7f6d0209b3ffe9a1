"""One run: any method on any images with any setting changed, planned and performed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sslrepro import evaluate
from sslrepro.base.paths import RUNS, data_root
from sslrepro.base.store import Store
from sslrepro.data.dataset import SHAPES
from sslrepro.data.datasets import load, resolve
from sslrepro.parts.distributed import barrier, rank
from sslrepro.study.profiles import Profile, on_dataset
from sslrepro.study.profiles import profile as scale
from sslrepro.study.run import Run, label, ledger_record, perform_run
from sslrepro.study.settings_changes import of_their_kind
from sslrepro.training.loop import read_log


def plan_run(
    method: str,
    profile_name: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
) -> Run:
    """One run of a method with every setting filled in, and the evaluations of its profile; trains nothing.

    dataset   an embedded set, or a folder in `root`; default the profile's own images
    changes   dotted settings on top: {"settings.temperature": 0.2, "plan.epochs": 2}
    """
    root = data_root(root)
    base = on_dataset(scale(profile_name), dataset)
    if base.data.name not in (*SHAPES, "digits"):
        images = load(base.data, root)[0]
        base = replace(base, n_images=len(images), n_classes=images.n_classes)
    config = base.config(method, seed)
    of_their_kind(config, changes or {}, "plan_run")
    config = config.with_changes(**(changes or {}))
    config = replace(config, data=resolve(config.data, root))
    protocols = {name: evaluate.protocol(name, settings) for name, settings in base.evaluations.items()}
    return Run(config.data, config.seed, protocols, config)


def perform_here(
    task: Run,
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

        perform_run(task, runs, str(root) if root else None, device, torch.get_num_threads(), report, compiling)
    barrier()
    store = Store(runs)
    return ledger_record(task, store) | {"log": read_log(store.folder(task.name) / "log.jsonl")}


@dataclass(frozen=True)
class Start:
    """What runs that are compared share: the scale they start from, and what is changed for all of them.

    profile   scale: "smoke" (seconds a run), "cpu" (minutes), "gpu"
    dataset   other images than the profile's: an embedded set, or a set in `root`
    changes   dotted settings
    """

    profile: str = "smoke"
    dataset: str | None = None
    root: str | Path | None = None
    changes: dict[str, Any] | None = None

    @property
    def scale(self) -> Profile:
        """The profile on these images."""
        return on_dataset(scale(self.profile), self.dataset)

    def run(self, method: str, seed: int, settings: dict[str, Any] | None = None) -> Run:
        """One run, with further settings changed."""
        changes = {**(self.changes or {}), **(settings or {})}
        return plan_run(method, self.profile, seed, self.dataset, self.root, changes)
