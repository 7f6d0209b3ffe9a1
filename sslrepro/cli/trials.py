"""`trials`: a few settings of every method, tried on training images and frozen."""

import argparse
from typing import Any

from sslrepro.cli.options import count, root_option, runs_option


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser(
        "trials",
        help="try a few settings of every method on training images, and freeze them",
        epilog="Four trials per method, learning rates and alternatives that its sources print, "
        "two seeds each.\nIt can be stopped and called again.",
    )
    sub.add_argument("--profile", default="cpu", help="scale (default cpu)")
    sub.add_argument("--method", action="append", help="only these (default all)")
    sub.add_argument("--jobs", type=count, help="runs side by side, one thread each (default one per core)")
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    root_option(sub)
    runs_option(sub)
    sub.add_argument("--dry-run", action="store_true", help="list what is missing, and stop")
    sub.set_defaults(perform=try_settings)


def try_settings(settings: argparse.Namespace) -> None:
    """Do the trials that are missing, then write the chosen settings."""
    from sslrepro.base.paths import RUNS
    from sslrepro.base.store import Store
    from sslrepro.data.dataset import SHAPES
    from sslrepro.study import trials
    from sslrepro.study.profiles import profile
    from sslrepro.study.reproduce import data_root, usable_device
    from sslrepro.study.run import is_complete

    folder = settings.runs or RUNS
    reads = profile(settings.profile).data.name not in (*SHAPES, "digits")
    root, device = data_root(settings.root, reads, "trials"), usable_device(settings.device, "trials")
    if settings.dry_run:
        left = [
            run
            for run in trials.runs_of(settings.profile, settings.method, root)
            if not is_complete(run, Store(folder))
        ]
        for run in left:
            print(f"  {run.name}  {run.steps:,} steps")
        print(f"{len(left)} runs of trials missing at {settings.profile} scale")
        return
    trials.perform(settings.profile, settings.method, folder, root, settings.jobs, device)
    print(trials.freeze(settings.profile, settings.method, folder, root))
