"""`second-looks`: train what the second looks at contradicted claims need, and say what they came to."""

import argparse
from typing import Any

from sslrepro.cli.options import count, runs_option


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser(
        "second-looks",
        help="second looks at contradicted claims: other seeds, another way",
        epilog="Every claim that the ledger contradicts is judged again on as many seeds that its verdict has not "
        "seen.\nIt can be stopped and called again.",
    )
    sub.add_argument("--profile", default="cpu", help="scale (default cpu)")
    sub.add_argument("--jobs", type=count, default=2, help="runs side by side, one thread each (default 2)")
    runs_option(sub)
    sub.add_argument("--dry-run", action="store_true", help="list what is missing, and stop")
    sub.add_argument("--publish", action="store_true", help="put the runs into the ledger")
    sub.set_defaults(perform=look)


def look(settings: argparse.Namespace) -> None:
    """Train what is missing, publish where asked, print every look."""
    from sslrepro.base.paths import RUNS
    from sslrepro.study import second_looks
    from sslrepro.study.ledger import find_record, publish_plan
    from sslrepro.study.workers import carry_out

    folder = settings.runs or RUNS
    plans = second_looks.plans_of(settings.profile)
    homes = {run.name: plan for plan in plans for run in plan.runs}
    missing = [
        run for run in second_looks.runs_of(settings.profile) if find_record(run, homes[run.name], folder) is None
    ]
    if settings.dry_run:
        print(f"{len(missing)} runs of second looks missing, {sum(run.steps for run in missing):,} steps")
        return
    if missing:
        carry_out(missing, folder, None, "cpu", settings.jobs)
    if settings.publish:
        for plan in plans:
            publish_plan(plan, folder)
    for each in second_looks.looks(settings.profile, folder):
        print(f"{each.verdict.claim}  {each.verdict.name}: {each.verdict.verdict}; again: {each.again.verdict}")
