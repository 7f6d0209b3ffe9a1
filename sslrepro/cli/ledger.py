"""`ledger`: missing runs within a budget, or a bundle out or in."""

import argparse
from pathlib import Path


def ledger(given: argparse.Namespace) -> None:
    """Missing runs within a budget, or a bundle out or in."""
    from sslrepro.base.errors import require
    from sslrepro.base.paths import RUNS
    from sslrepro.study import budget, bundles, ledger

    if given.import_ is not None:
        found = bundles.import_bundle(given.import_)
        print(f"{found['new']} new runs, {found['agree']} agree with what stood there, {found['differ']} differ (kept)")
        return
    if given.export is not None:
        print(f"{bundles.export_bundle(given.export, [given.profile])} files in {given.export}")
        return
    runs = Path(given.runs) if given.runs else RUNS
    if given.dry_run:
        root = budget.unpack_root(given.root, runs)
        agenda = budget.agenda(given.profile, root, given.seeds)
        left = [(made, task) for made, task in agenda if ledger.published_record(task, made) is None]
        for made, task in left:
            print(f"  {made.definition.id:16} {task.name}  {task.steps:,} steps")
        print(f"{len(left)} runs missing at {given.profile} scale")
        return
    require(given.budget is not None, "ledger", "--budget", "given, in seconds", None)
    tally = budget.work_through(given.profile, given.budget, given.root, runs, given.device, given.threads, given.seeds,
                      compiling=given.compile)  # fmt: skip
    for name in tally.finished:
        print(f"  done      {name}")
    for name, error in tally.failed.items():
        print(f"  failed    {name}: {error}")
    if tally.cut_off:
        print(f"  cut off   {tally.cut_off}: the next call goes on with it")
    print(f"{len(tally.finished)} runs in {tally.seconds:.0f} s, {tally.missing} still missing")
