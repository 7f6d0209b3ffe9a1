"""`trials`: a few settings of every method, tried on training images and frozen."""

import argparse
from pathlib import Path


def trials(given: argparse.Namespace) -> None:
    """Do the trials that are missing, then write the chosen settings."""
    from sslrepro.base.paths import RUNS
    from sslrepro.base.store import Store
    from sslrepro.study import trials
    from sslrepro.study.run import is_complete

    runs = Path(given.runs) if given.runs else RUNS
    if given.dry_run:
        left = [run for run in trials.runs_of(given.profile, given.method, given.root)
                if not is_complete(run, Store(runs))]  # fmt: skip
        for run in left:
            print(f"  {run.name}  {run.steps:,} steps")
        print(f"{len(left)} runs of trials missing at {given.profile} scale")
        return
    trials.perform(given.profile, given.method, runs, given.root, given.jobs, given.device)
    print(trials.freeze(given.profile, given.method, runs, given.root))
