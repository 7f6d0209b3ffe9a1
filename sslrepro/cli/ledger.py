"""`ledger`: missing runs within a budget, or a bundle out or in."""

import argparse
import os
from typing import Any

from sslrepro.cli.options import (
    cluster_of,
    cluster_options,
    count,
    path,
    root_option,
    runs_option,
    seconds,
    speed_options,
)


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser(
        "ledger",
        help="do missing runs of a scale within a budget; carry results",
        epilog="Most wanted runs first. One of --budget, --export, --import. It can be stopped "
        "and called again anywhere, and called several times side by side.",
    )
    sub.add_argument("--profile", default="gpu", help="scale (default gpu)")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--budget", type=seconds, metavar="SECONDS", help="stop after this long")
    what.add_argument("--export", type=path, metavar="FILE", help="write the scale's results as one .tar.gz")
    what.add_argument("--import", dest="import_", type=path, metavar="FILE", help="merge such a file into the ledger")
    sub.add_argument("--seeds", type=int)
    root_option(sub, ", or one archive <set>.tar.xz")
    speed_options(sub)
    cluster_options(sub)
    sub.add_argument(
        "--jobs", type=count, default=2, help="workers of --cluster local, jobs at once of slurm (default 2)"
    )
    sub.add_argument("--threads", type=count, default=1, help="of this process (default 1)")
    runs_option(sub)
    sub.add_argument("--dry-run", action="store_true", help="list what is missing, in order, and stop")
    sub.set_defaults(perform=work)


def work(settings: argparse.Namespace) -> None:
    """Missing runs within a budget, or a bundle out or in."""
    from sslrepro.base.errors import require
    from sslrepro.base.paths import RUNS
    from sslrepro.study import budget, bundles

    if settings.import_ is not None:
        counts = bundles.import_bundle(settings.import_)
        print(
            f"{counts['new']} new runs, {counts['agree']} agree with what stood there, {counts['differ']} differ (kept)"
        )
        return
    if settings.export is not None:
        print(f"{bundles.export_bundle(settings.export, [settings.profile])} files in {settings.export}")
        return
    from sslrepro.base.device import own_gpu
    from sslrepro.data.dataset import SHAPES
    from sslrepro.parts.distributed import process_group, rank, world_size
    from sslrepro.study.profiles import profile
    from sslrepro.study.reproduce import data_root, usable_device
    from sslrepro.study.workers import exit_with_parent

    reads = profile(settings.profile).data.name not in (*SHAPES, "digits")
    root, folder = data_root(settings.root, reads, "ledger"), settings.runs or RUNS
    if settings.dry_run:
        missing = budget.missing_runs(settings.profile, budget.unpack_root(root, folder), settings.seeds, False)
        for plan, run in missing:
            print(f"  {plan.definition.id:16} {run.name}  {run.steps:,} steps")
        say_missing(missing, settings.profile)
        say_acceptance(settings.profile)
        return
    require(settings.budget is not None, "ledger", "--budget", "given, in seconds", None)
    device = settings.device if settings.cluster else usable_device(settings.device, "ledger")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        exit_with_parent()  # torchrun that was killed leaves no process behind
        require(settings.cluster is None, "ledger", "--cluster", "left out under torchrun", settings.cluster)
    with process_group(device) as device, cluster_of(settings, folder) as cluster:
        first, alone = rank() == 0, world_size() == 1 and cluster is None
        tally = budget.work_through(
            settings.profile,
            settings.budget,
            root,
            folder,
            own_gpu(device) if alone else device,
            settings.threads,
            settings.seeds,
            quiet=not first,
            compiling=settings.compile,
            executor=cluster,
        )
    if first:
        say(tally)
        say_acceptance(settings.profile)


def say_acceptance(scale: str) -> None:
    """Print, at the scale that it opens, what the test of the whole stack says."""
    from sslrepro.study import yardsticks

    if scale == yardsticks.SCALE:
        print(f"acceptance (SimCLR, 100 epochs of CIFAR-10): {yardsticks.published_acceptance()}")


def say_missing(missing: list[tuple[Any, Any]], scale: str) -> None:
    """What each table still lacks and what that costs, most wanted first; a run counts where it is asked for first."""
    from sslrepro.study.budget import estimate

    tables: dict[str, list[tuple[Any, Any]]] = {}  # (plan, run) pairs
    for plan, run in missing:
        tables.setdefault(plan.definition.id, []).append((plan, run))
    total = 0.0
    for table, pairs in tables.items():
        time_left = estimate([run for _, run in pairs], pairs[0][0].ledger)
        total += time_left or 0.0
        time = "" if time_left is None else f"  about {time_left / 3600:.1f} processor-hours"
        print(f"{table:24} {len(pairs):4} runs  {sum(run.steps for _, run in pairs):11,} steps{time}")
    time = f", about {total / 3600:.0f} processor-hours" if total else ""
    print(f"{len(missing)} runs missing at {scale} scale{time}")


def say(tally: Any) -> None:
    """Print what a call did, a `budget.Tally`."""
    for name in tally.finished:
        print(f"  done      {name}")
    for name, error in tally.failed.items():
        print(f"  failed    {name}: {error}")
    for name in tally.busy:
        print(f"  busy      {name}: another process is at it")
    if tally.cut_off:
        print(f"  cut off   {tally.cut_off}: the next call goes on with it")
    print(f"{len(tally.finished)} runs in {tally.seconds:.0f} s, {tally.missing} still missing")
