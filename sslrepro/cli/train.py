"""`train`: one run, trained or resumed, then evaluated."""

import argparse
import json
import os
import sys
from typing import Any

from sslrepro.cli.options import changes, root_option, runs_option, speed_options


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser(
        "train",
        help="train one run, or resume it, and evaluate it",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="settings: any field of the run's configuration, e.g. plan.lr, plan.epochs, "
        "settings.temperature,\nviews.recipe, data.n_train, encoder. "
        "`--dry-run` prints them all.",
    )
    sub.add_argument("--method", required=True, help="nnclr, simclr, ... (see list)")
    sub.add_argument(
        "--data", help="digits, shapes, cifar10, ... or a folder's name in the root (default: the profile's)"
    )
    root_option(sub)
    sub.add_argument("--profile", default="cpu", help="whose settings to start from (default cpu)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    sub.add_argument(
        "--sampler",
        metavar="RUN",
        help="stored run whose encoder mines SePP-ID's pairs, as --set settings.sampler_run=RUN",
    )
    speed_options(sub)
    runs_option(sub)
    sub.add_argument("--dry-run", action="store_true", help="print the resolved configuration, and stop")
    sub.set_defaults(perform=train)


def train(settings: argparse.Namespace) -> None:
    """One run, trained or resumed, then evaluated; under `torchrun` by several processes together."""
    from sslrepro.parts.distributed import process_group
    from sslrepro.study.reproduce import usable_device
    from sslrepro.study.workers import exit_with_parent

    usable_device(settings.device, "train")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        exit_with_parent()  # torchrun that was killed leaves no process behind
    with process_group(settings.device) as device:
        train_here(settings, device)


def train_here(settings: argparse.Namespace, device: str) -> None:
    """The run of one process."""
    from dataclasses import asdict

    from sslrepro.base.device import precision_line
    from sslrepro.base.paths import RUNS
    from sslrepro.data.dataset import SHAPES
    from sslrepro.explore import single
    from sslrepro.parts.distributed import rank, world_size
    from sslrepro.study.profiles import images_in, on_dataset, profile
    from sslrepro.study.reproduce import data_root
    from sslrepro.training.foresight import doubts
    from sslrepro.training.loop import threads

    images = on_dataset(profile(settings.profile), settings.data).data.name
    root = data_root(settings.root, images not in (*SHAPES, "digits"), "train")
    changed = changes(settings.set)
    if settings.sampler is not None:
        changed |= {"settings.sampler_run": settings.sampler}
    run = single.plan_run(settings.method, settings.profile, settings.seed, settings.data, root, changed)
    if rank() == 0:
        print(json.dumps(asdict(run.config), indent=1))
        print(precision_line(run.config.plan.precision, device))
        n_images = images_in(run.config.data)
        for line in doubts(run.config, n_images, device, world_size()) if n_images else []:
            print(f"note: {line}", file=sys.stderr, flush=True)
    if settings.dry_run:
        return
    folder = settings.runs or RUNS
    with threads(1):
        record = single.perform_here(run, folder, root, device, settings.compile)
    if rank() > 0:
        return
    for line in record["results"].values():
        for name, value in line["scores"].items():
            print(f"  {name:32} {value:.4f}" if isinstance(value, float) else f"  {name:32} {value}")
    print(f"run       {folder / run.name}")
