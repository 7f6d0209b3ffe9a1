"""`compare`: one method at two settings, seed by seed."""

import argparse
from typing import Any

from sslrepro.cli.options import changes, count, root_option, runs_option


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("compare", help="train a method at two settings; the paired difference and its interval")
    sub.add_argument("method", help="nnclr, simclr, ... (see list)")
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        required=True,
        metavar="NAME=VALUE",
        help="the first settings; those that --against does not name are shared",
    )
    sub.add_argument(
        "--against",
        action="append",
        default=[],
        required=True,
        metavar="NAME=VALUE",
        help="the other values of settings that --set names",
    )
    sub.add_argument("--seeds", type=count, default=3, help="seeds 0..N-1 of each (default 3)")
    sub.add_argument("--profile", default="cpu", help="scale to start from (default cpu)")
    sub.add_argument("--data", help="other images than the profile's")
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    root_option(sub)
    runs_option(sub)
    sub.set_defaults(perform=compare)


def compare(settings: argparse.Namespace) -> None:
    """Train what is missing and print the scores, the paired difference, and how many seeds it would take."""
    from sslrepro.base.errors import known_keys
    from sslrepro.base.paths import RUNS
    from sslrepro.explore import compare as comparing
    from sslrepro.study.reproduce import usable_device

    own, other = changes(settings.set), changes(settings.against, "--against")
    known_keys(other, own, "compare", "setting of --against")
    usable_device(settings.device, "compare")
    names, shared = list(other), {name: value for name, value in own.items() if name not in other}
    values = [[values_of[name] for name in names] for values_of in (other, own)]  # differences are second minus first
    results = comparing.compare(settings.method, names, values, settings.profile, settings.seeds, settings.data,
                                settings.root, shared, settings.runs or RUNS, settings.device)  # fmt: skip
    for part in (comparing.scores_of, comparing.differences, comparing.onward):
        print(f"{part(results)}\n")
    print("Nothing of this reaches the published ledger.")
