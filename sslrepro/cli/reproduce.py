"""`reproduce`: train, judge and show one table, or all."""

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any

from sslrepro.cli.lists import show_lists
from sslrepro.cli.show import printed


def reproduce(given: argparse.Namespace) -> None:
    """Train, judge, publish, and print where everything is: one table, or "all" of them with shared runs done once."""
    if given.table is None:
        return show_lists()
    from sslrepro.base import paths, store
    from sslrepro.base.errors import require
    from sslrepro.base.paths import RUNS
    from sslrepro.study import ledger, plans, workers
    from sslrepro.study.budget import every_plan
    from sslrepro.study.run import is_complete, merge_runs

    runs = Path(given.runs) if given.runs else RUNS
    if given.table == "all":
        made, left_out = every_plan(given.profile, given.root, given.seeds, given.dataset)
    else:
        made, left_out = [plans.plan_table(given.table, given.profile, given.seeds, given.dataset, given.root)], {}
    require(bool(made), "reproduce", "profile", "one at which some table can be had", given.profile)
    store = store.Store(runs)
    wanted = merge_runs([task for one in made for task in one.tasks])
    if given.missing:
        homes = {task.name: one for one in made for task in one.tasks}
        wanted = [task for task in wanted if ledger.published_record(task, homes[task.name]) is None]
    wanted.sort(key=lambda task: task.seed)  # whole seeds of every table first, the most wanted tables leading
    left = [task for task in wanted if not is_complete(task, store)]
    announce(given, made, left_out, wanted, left)
    if given.dry_run:
        return None
    require(made[0].profile.runnable, "reproduce", "profile", "smoke, cpu, night or gpu", made[0].profile.name,
            "It is planned here (--dry-run) and run by those who have the machine.")  # fmt: skip
    begun = time.perf_counter()
    workers.carry_out(wanted, runs, given.root, given.device, given.jobs, compiling=given.compile)
    trained = time.perf_counter() - begun
    compared = [ledger.publish_ledger(one, runs) for one in made]  # all of them before any page: claims read several
    pages = [present(one, runs, found, len(made) > 1) for one, found in zip(made, compared, strict=True)]
    if left:
        print(f"\n{trained / 60:.1f} minutes here, {given.jobs} runs side by side")
    html = paths.PROJECT / "_build" / "html" / "executed"
    built = {page: html / f"{page.stem}.html" for page in pages}
    stale = [p for p, b in built.items() if not b.exists() or b.stat().st_mtime < p.stat().st_mtime]
    if not given.no_book and made[0].profile.judged and stale:
        build_book()
    contents = (paths.PROJECT / "book" / "_toc.yml").read_text()
    for page, place in built.items():
        where = place if place.exists() else "run `make book`" if page.stem in contents else "not in the book"
        print(f"page      {where if page.stem in str(where) else f'{page.stem}: {where}'}")
    return None


def present(made: Any, runs: Path, compared: dict[str, Any], briefly: bool) -> Path:
    """Make a table's page and print what it says: in full, or its finding and the counts of its verdicts."""
    from sslrepro.report import publish, table_page
    from sslrepro.report.presenters import presenter
    from sslrepro.study.results import read_results

    page = publish.publish(made)
    found = read_results(made, runs)
    if briefly:
        print(f"\n{made.definition.id}: {presenter(made.definition).finding(found)}")
        verdicts = [verdict.verdict for verdict in found.verdicts()]
        if verdicts:
            print("  " + ", ".join(f"{verdicts.count(one)} {one}" for one in dict.fromkeys(verdicts)))
    else:
        print(f"\n{printed(found)}\n")
        print(f"cost      {table_page.cost(found)}")
    print(f"ledger    {made.ledger}: {compared['agree']} runs with the numbers that stood there, "
          f"{compared['differ']} differ (largest by {compared['largest']:.4f}), {compared['new']} new"
          + (f", {compared['added']} with further evaluations" if compared["added"] else ""))  # fmt: skip
    print(f"notebook  {page}")
    return page


def announce(given: argparse.Namespace, made: list[Any], left_out: dict[str, str], wanted: list[Any],
             left: list[Any]) -> None:  # fmt: skip
    """Say what will run and for how long, as far as the ledger tells; with --dry-run every run by name."""
    from sslrepro.study.budget import estimate

    ledgers = {task.name: one.ledger for one in made for task in one.tasks}
    scale = f"at {made[0].profile.name} scale ({made[0].profile.where})"
    counts = f"{len(wanted)} runs, {len(wanted) - len(left)} stored, {len(left)} to do"
    if given.table == "all":
        print(f"{len(made)} tables {scale}: {counts}")
        for one in made:
            without = f", without {', '.join(one.left_out)}" if one.left_out else ""
            print(f"  {one.definition.id:20} {len(one.tasks):4} runs, {one.seeds} seeds{without}")
        for table, reason in left_out.items():
            print(f"  {table:20} left out: {reason}")
        print(f"  {sum(len(one.tasks) for one in made) - len(ledgers)} runs saved, because tables share them")
    else:
        print(f"{made[0].definition.id} {scale}: {counts}")
        for row, reason in made[0].left_out.items():
            print(f"  {row} left out: {reason}")
    if left:
        parts = [estimate([task for task in left if ledgers[task.name] == folder], folder)
                 for folder in dict.fromkeys(ledgers.values())]  # fmt: skip
        if None in parts:
            print("time      unknown: nothing was measured at this scale")
        else:
            minutes = sum(parts) / 60
            print(f"time      about {minutes:.0f} processor-minutes, {math.ceil(minutes / given.jobs)} minutes with "
                  f"{given.jobs} runs side by side, as the ledger's took")  # fmt: skip
    if given.dry_run:
        for task in left:
            print(f"  {task.name}  {task.steps:,} steps")


def build_book() -> None:
    """Build the book without its chatter; a failure is reported, the page and numbers stand."""
    import subprocess

    from sslrepro.base import paths

    words = [str(Path(sys.executable).parent / "jupyter-book"), "build", "book", "--path-output", ".", "--all", "-q"]
    done = subprocess.run(words, cwd=paths.PROJECT, capture_output=True, text=True)
    if done.returncode:
        print(f"the book did not build; `make book` shows why:\n{done.stderr[-500:]}", file=sys.stderr)
