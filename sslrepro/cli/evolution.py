"""`evolution`: a figure of embeddings over training."""

import argparse
from typing import Any

from sslrepro.cli.options import root_option, runs_option


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("evolution", help="train what a figure of embeddings over training needs, and keep it")
    sub.add_argument("figure", nargs="?", help="id of the figure; without it, the list of figures")
    sub.add_argument("--profile", default="cpu", help="scale: smoke, cpu or gpu (default cpu)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--dataset", help="other images than the profile's, from --root")
    root_option(sub)
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    runs_option(sub)
    sub.set_defaults(perform=evolve)


def evolve(settings: argparse.Namespace) -> None:
    """A figure's runs, watched while they train; its small files, from which pages draw."""
    from tqdm import tqdm

    from sslrepro.base.errors import require
    from sslrepro.base.paths import RUNS
    from sslrepro.data.dataset import SHAPES
    from sslrepro.embeddings import evolution, mined
    from sslrepro.study.profiles import on_dataset, profile
    from sslrepro.study.reproduce import data_root, usable_device

    if settings.figure is None:
        for name in sorted([*evolution.names(), *mined.names()]):
            print(f"  {name:16} {(evolution.DEFINITIONS | mined.DEFINITIONS)[name].question}")
        return
    images = on_dataset(profile(settings.profile), settings.dataset).data.name
    root = data_root(settings.root, images not in (*SHAPES, "digits"), "evolution")
    if settings.figure in mined.DEFINITIONS:
        require(
            settings.dataset is None,
            "evolution",
            "--dataset",
            "not set, for a figure of mined positives",
            settings.dataset,
        )
        device = usable_device(settings.device, "evolution")
        with tqdm(desc=settings.figure, unit="step") as bar:

            def report(step: int, steps: int) -> None:
                bar.total = steps
                bar.update(step - bar.n)

            sheet = mined.figure(settings.figure, settings.profile, settings.seed, root, device, report)
        print(f"{mined.measures(sheet)}\n")
        for kept in mined.keep(sheet):
            print(f"kept      {kept}")
        return
    figure = evolution.figure(
        settings.figure,
        settings.profile,
        settings.seed,
        settings.dataset,
        root,
        settings.runs or RUNS,
        usable_device(settings.device, "evolution"),
    )
    print(f"{evolution.measures(figure)}\n")
    for kept in evolution.keep(figure):
        print(f"kept      {kept}")
