"""`evolution`: a figure of embeddings over training."""

import argparse
from pathlib import Path


def evolution(given: argparse.Namespace) -> None:
    """A figure's runs, watched while they train; its small files, from which pages draw."""
    from sslrepro.base.paths import RUNS
    from sslrepro.embeddings import evolution

    if given.figure is None:
        for name in evolution.names():
            print(f"  {name:16} {evolution.DEFINITIONS[name].question}")
        return
    runs = Path(given.runs) if given.runs else RUNS
    found = evolution.figure(given.figure, given.profile, given.seed, given.dataset, given.root, runs, given.device)
    print(f"{evolution.measures(found)}\n")
    for path in evolution.keep(found):
        print(f"kept      {path}")
