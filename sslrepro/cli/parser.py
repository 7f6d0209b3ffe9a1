"""The command line's words: every command with its help, each in a file of its own."""

import argparse

import sslrepro
from sslrepro.cli import (
    bench,
    check,
    cite,
    compare,
    duplicates,
    embed,
    evaluate,
    evolution,
    export,
    fit,
    ledger,
    near,
    new_method,
    notebook,
    pages,
    release,
    reproduce,
    second_looks,
    show,
    status,
    train,
    trials,
)
from sslrepro.cli import list as lists
from sslrepro.cli import map as maps
from sslrepro.cli.options import program

EPILOG = """\
examples
  python -m sslrepro list                                        tables, methods, data sets, profiles
  python -m sslrepro reproduce nnclr_queue --profile smoke       a table in under a minute, to see it work
  python -m sslrepro reproduce nnclr_queue                       the cpu profile: minutes on two cores
  python -m sslrepro reproduce nnclr_queue --dry-run             what would run, and what is stored already
  python -m sslrepro reproduce nnclr_queue --compare             stored runs beside the published ones
  python -m sslrepro reproduce nnclr_queue --set settings.temperature=0.2 --out paper/   your own setting, as files
  python -m sslrepro compare nnclr --set settings.top_k=1 --against settings.top_k=32 --seeds 5
  python -m sslrepro reproduce all --dry-run                     every table: how many runs, and for how long
  python -m sslrepro fit ~/photos                                a folder of your own images -> photos.ssl
  python -m sslrepro near photos.ssl a.jpg -k 10                 the images most alike one
  python -m sslrepro train --method nnclr --data shapes --set settings.queue_size=512 --set plan.epochs=2
  python -m sslrepro train --method simclr --data holiday --root ~/pictures
  torchrun --nproc-per-node 2 -m sslrepro train --method mocov2   two processes, one run
  python -m sslrepro evaluate runs/<name> --evaluation knn --set k=50
  python -m sslrepro ledger --profile gpu --budget 1500 --device cuda --root cifar10.tar.xz
  python -m sslrepro notebook --table nnclr_queue                change one parameter and look, in JupyterLab
  python -m sslrepro new method agree --like msf                 three files that work: a method of your own
  python -m sslrepro show nnclr_queue --profile cpu              the stored table and verdicts, trains nothing
"""
COMMANDS = (
    reproduce,
    show,
    compare,
    status,
    cite,
    lists,
    train,
    notebook,
    evaluate,
    ledger,
    trials,
    second_looks,
    evolution,
    new_method,
    check,
    pages,
    release,
    bench,
    fit,
    embed,
    near,
    duplicates,
    maps,
    export,
)


def parser() -> argparse.ArgumentParser:
    """All commands with their help; what is parsed has the command's function under `perform`."""
    top = argparse.ArgumentParser(
        program(),
        description="Re-derive the tables of five papers whose positives are other images.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"sslrepro {sslrepro.__version__}")
    commands = top.add_subparsers(dest="command", metavar="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    return top
