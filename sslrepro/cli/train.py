"""`train`: one run, trained or resumed, then evaluated."""

import argparse
import json
from pathlib import Path

from sslrepro.cli.parser import changes


def train(given: argparse.Namespace) -> None:
    """One run, trained or resumed, then evaluated; under `torchrun` by several processes together."""
    from sslrepro.parts.distributed import process_group

    with process_group(given.device) as device:
        train_one(given, device)


def train_one(given: argparse.Namespace, device: str) -> None:
    """The run of one process."""
    from dataclasses import asdict

    from sslrepro.base.paths import RUNS
    from sslrepro.explore import compare
    from sslrepro.parts.distributed import rank
    from sslrepro.training.loop import threads

    task = compare.single(given.method, given.profile, given.seed, given.data, given.root, changes(given.set))
    if rank() == 0:
        print(json.dumps(asdict(task.config), indent=1))
    if given.dry_run:
        return
    runs = Path(given.runs) if given.runs else RUNS
    with threads(1):
        record = compare.perform_here(task, runs, given.root, device, given.compile)
    if rank() > 0:
        return
    for line in record["results"].values():
        for name, value in line["scores"].items():
            print(f"  {name:32} {value:.4f}" if isinstance(value, float) else f"  {name:32} {value}")
    print(f"run       {runs / task.name}")
