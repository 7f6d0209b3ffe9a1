"""Options that several commands share, and what their words may be."""

import argparse
import contextlib
import json
import math
import os
import shlex
import sys
from pathlib import Path
from typing import Any


def path(word: str) -> Path:
    """A path, `~` expanded (the shell leaves it alone in --root=~/x)."""
    return Path(word).expanduser()


def count(word: str) -> int:
    """A whole number >= 1."""
    number = int(word) if word.lstrip("+-").isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {word!r}")
    return number


def seconds(word: str) -> float:
    """A finite number of seconds > 0."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"must be > 0 seconds and finite, got {word!r}")
    return number


def table_options(sub: argparse.ArgumentParser) -> None:
    """Which runs of a table: scale, seeds, images, where they are kept."""
    sub.add_argument("--profile", default="cpu", help="scale: smoke, cpu, night, gpu or paper (default cpu)")
    sub.add_argument("--seeds", type=int, help="seeds 0..N-1 per cell (default: the profile's)")
    sub.add_argument("--dataset", help="other images than the profile's: cifar10, cifar100, ... from --root")
    root_option(sub)
    runs_option(sub)


def root_option(sub: argparse.ArgumentParser, more: str = "") -> None:
    """The folder of data sets."""
    sub.add_argument("--root", type=path, metavar="DIR", help=f"folder of data sets{more} (default: $SSLREPRO_DATA)")


def runs_option(sub: argparse.ArgumentParser) -> None:
    """The folder of runs."""
    sub.add_argument("--runs", type=path, metavar="DIR", help="where runs are stored (default: runs/)")


def speed_options(sub: argparse.ArgumentParser) -> None:
    """Where and how encoders run."""
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    sub.add_argument(
        "--compile",
        default="no",
        choices=("no", "kernels", "graphs"),
        help="encoders plain, fused by torch.compile, or as CUDA graphs (default no)",
    )


def cluster_options(sub: argparse.ArgumentParser) -> None:
    """Where runs are done, if not in processes of this machine."""
    sub.add_argument(
        "--cluster", metavar="WHERE", help="local (Dask on this machine), tcp://host:8786 (a Dask scheduler) or slurm"
    )
    sub.add_argument(
        "--cluster-set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of submitit (slurm_partition=gpu, timeout_min=240) or of Dask's LocalCluster",
    )


def cluster_of(settings: argparse.Namespace, folder: Path) -> contextlib.AbstractContextManager[Any]:
    """The cluster that was asked for, to be entered; None inside where none was."""
    if settings.cluster is None:
        from sslrepro.base.errors import require

        require(not settings.cluster_set, "--cluster-set", "cluster", "named with --cluster", None)
        return contextlib.nullcontext()
    from sslrepro.study.clusters import open_cluster

    return open_cluster(
        settings.cluster, settings.jobs, settings.device, folder, changes(settings.cluster_set, "--cluster-set")
    )


def changes(words: list[str], option: str = "--set") -> dict[str, Any]:
    """NAME=VALUE words of an option as a dict; values are JSON where they parse, else text."""
    from sslrepro.base.errors import require

    out = {}
    for word in words:
        name, equals, value = word.partition("=")
        require(bool(equals), option, "value", "NAME=VALUE", word)
        try:
            out[name] = json.loads(value)
        except (ValueError, RecursionError):  # also numbers of thousands of digits
            out[name] = value
    return out


def program() -> str:
    """What this process was started by: the console script, or python."""
    return "sslrepro" if Path(sys.argv[0]).name == "sslrepro" else "python -m sslrepro"


def command(words: list[str]) -> str:
    """The command that was given: make's where it was make's."""
    return os.environ.get("SSLREPRO_COMMAND") or f"{program()} {shlex.join(words)}"
