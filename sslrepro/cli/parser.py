"""The command line's words: every command with its help."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from sslrepro.cli import new_method

EPILOG = """\
examples
  python -m sslrepro list                                        tables, methods, data sets, profiles
  python -m sslrepro reproduce nnclr_queue --profile smoke       a table in under a minute, to see it work
  python -m sslrepro reproduce nnclr_queue                       the cpu profile: minutes on two cores
  python -m sslrepro reproduce nnclr_queue --dry-run             what would run, and what is stored already
  python -m sslrepro reproduce all --dry-run                     every table: how many runs, and for how long
  python -m sslrepro train --method nnclr --data shapes --set settings.queue_size=512 --set plan.epochs=2
  python -m sslrepro train --method simclr --data holiday --root ~/pictures
  torchrun --nproc-per-node 2 -m sslrepro train --method mocov2   two processes, one run
  python -m sslrepro evaluate runs/<name> --evaluation knn --set k=50
  python -m sslrepro ledger --profile gpu --budget 1500 --device cuda --root cifar10.tar.xz
  python -m sslrepro notebook --table nnclr_queue                change one parameter and look, in JupyterLab
  python -m sslrepro new method agree --like msf                 three files that work: a method of your own
  python -m sslrepro show nnclr_queue --profile cpu              the stored table and verdicts, trains nothing
"""


def parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    top = argparse.ArgumentParser(
        "python -m sslrepro",
        description="Re-derive the tables of five papers whose positives are other images.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="command", required=True)

    def table_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--profile", default="cpu", help="scale: smoke, cpu, night, gpu or paper (default cpu)")
        sub.add_argument("--seeds", type=int, help="seeds 0..N-1 per cell (default: the profile's)")
        sub.add_argument("--dataset", help="other images than the profile's: cifar10, cifar100, ... from --root")
        sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR",
                         help="folder that holds data sets (default: $SSLREPRO_DATA)")  # fmt: skip
        sub.add_argument("--runs", default=None, metavar="DIR", help="where runs are stored (default: runs/)")

    def speed_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
        sub.add_argument("--compile", default="no", choices=("no", "kernels", "graphs"),
                         help="encoders plain, fused by torch.compile, or as CUDA graphs (default no)")  # fmt: skip

    sub = commands.add_parser("reproduce", help="train what a table needs, judge its claims, make its page")
    sub.add_argument("table", nargs="?", help="id of the table, or all of them; without it, the list of tables")
    table_options(sub)
    sub.add_argument("--jobs", type=int, default=2, help="runs side by side, one thread each (default 2)")
    speed_options(sub)
    sub.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    sub.add_argument("--missing", action="store_true", help="only the runs that the ledger does not hold whole")
    sub.add_argument("--no-book", action="store_true", help="make the page but do not build the book around it")

    sub = commands.add_parser("show", help="print a stored table and its verdicts; trains nothing")
    sub.add_argument("table")
    table_options(sub)

    commands.add_parser("list", help="tables, methods, evaluations, data sets and profiles by name")

    sub = commands.add_parser("train", help="train one run, or resume it, and evaluate it",
                              formatter_class=argparse.RawDescriptionHelpFormatter,
                              epilog="settings: any field of the run's configuration, e.g. plan.lr, plan.epochs, "
                              "settings.temperature,\nviews.recipe, data.n_train, encoder. "
                              "`--dry-run` prints them all.")  # fmt: skip
    sub.add_argument("--method", required=True, help="nnclr, simclr, ... (see list)")
    sub.add_argument("--data", default="shapes", help="digits, shapes, cifar10, ... or a folder's name in the root")
    sub.add_argument(
        "--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR", help="folder of data sets"
    )
    sub.add_argument("--profile", default="cpu", help="whose settings to start from (default cpu)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    speed_options(sub)
    sub.add_argument("--runs", default=None, metavar="DIR")
    sub.add_argument("--dry-run", action="store_true", help="print the resolved configuration, and stop")

    sub = commands.add_parser("notebook", help="a notebook with one parameter to change, opened in JupyterLab")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", help="id of the table whose setting is changed")
    what.add_argument("--method", help="name of the method")
    sub.add_argument("--no-open", action="store_true", help="write it and say where it is")
    sub.add_argument("jupyter", nargs="*", metavar="WORD", help="for JupyterLab, after --: --no-browser, --allow-root")

    sub = commands.add_parser("evaluate", help="evaluate a stored run again, or with another protocol")
    sub.add_argument("run", type=Path, help="the run's folder")
    sub.add_argument("--evaluation", action="append", metavar="NAME", help="see list (default all that read features)")
    sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change the protocol")
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR")
    sub.add_argument("--device", default="cpu")

    sub = commands.add_parser("ledger", help="do missing runs of a scale within a budget; carry results",
                              epilog="Most wanted runs first. One of --budget, --export, --import. It can be stopped "
                              "and called again anywhere.")  # fmt: skip
    sub.add_argument("--profile", default="gpu", help="scale (default gpu)")
    sub.add_argument("--budget", type=float, metavar="SECONDS", help="stop after this long")
    sub.add_argument("--seeds", type=int)
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR",
                     help="folder of data sets, or one archive <set>.tar.xz")  # fmt: skip
    speed_options(sub)
    sub.add_argument("--threads", type=int, default=1, help="of this process (default 1)")
    sub.add_argument("--runs", default=None, metavar="DIR")
    sub.add_argument("--dry-run", action="store_true", help="list what is missing, in order, and stop")
    sub.add_argument("--export", type=Path, metavar="FILE", help="write the scale's results as one .tar.gz")
    sub.add_argument("--import", dest="import_", type=Path, metavar="FILE", help="merge such a file into the ledger")

    sub = commands.add_parser("trials", help="try a few settings of every method on training images, and freeze them",
                              epilog="Four trials per method, learning rates and alternatives that its sources print, "
                              "two seeds each.\nIt can be stopped and called again.")  # fmt: skip
    sub.add_argument("--profile", default="cpu", help="scale (default cpu)")
    sub.add_argument("--method", action="append", help="only these (default all)")
    sub.add_argument("--jobs", type=int, help="runs side by side, one thread each (default one per core)")
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR")
    sub.add_argument("--runs", default=None, metavar="DIR")
    sub.add_argument("--dry-run", action="store_true", help="list what is missing, and stop")

    sub = commands.add_parser("evolution", help="train what a figure of embeddings over training needs, and keep it")
    sub.add_argument("figure", nargs="?", help="id of the figure; without it, the list of figures")
    sub.add_argument("--profile", default="cpu", help="scale: smoke, cpu or gpu (default cpu)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--dataset", help="other images than the profile's, from --root")
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR")
    sub.add_argument("--device", default="cpu")
    sub.add_argument("--runs", default=None, metavar="DIR")

    new_method.add(commands)
    commands.add_parser("check", help="list pages whose inputs changed; exit 1 if there are any")
    commands.add_parser("pages", help="execute again, from the ledger, the pages whose inputs changed")
    sub = commands.add_parser("bench", help="speed, side by side with torchvision and faiss in one run")
    sub.add_argument("--device", default="cpu")
    return top


def changes(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE words as a dict; values are JSON where they parse, else text."""
    from sslrepro.base.errors import require

    out = {}
    for word in given:
        name, equals, value = word.partition("=")
        require(bool(equals), "--set", "value", "NAME=VALUE", word)
        try:
            out[name] = json.loads(value)
        except json.JSONDecodeError:
            out[name] = value
    return out
