"""`reproduce`: train, judge and show one table, or all; beside what is published, which only --publish changes."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from sslrepro.cli.list import show_lists
from sslrepro.cli.options import (
    changes,
    cluster_of,
    cluster_options,
    command,
    count,
    path,
    speed_options,
    table_options,
)
from sslrepro.cli.show import terminal_text


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("reproduce", help="train what a table needs, judge its claims, compare, make its page")
    sub.add_argument("table", nargs="?", help="id of the table, or all of them; without it, the list of tables")
    table_options(sub)
    sub.add_argument("--jobs", type=count, default=2, help="runs side by side, one thread each (default 2)")
    speed_options(sub)
    cluster_options(sub)
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    what.add_argument("--compare", action="store_true", help="train nothing: stored runs beside the published ones")
    sub.add_argument(
        "--rows",
        metavar="ROW,ROW",
        type=lambda words: words.split(","),
        help="these rows of the table alone, by id: nnclr,simclr",
    )
    sub.add_argument("--missing", action="store_true", help="only the runs that the ledger does not hold whole")
    sub.add_argument(
        "--publish", action="store_true", help="put the results into the ledger and the page into the book"
    )
    sub.add_argument(
        "--publish-replication", action="store_true", help="keep how these runs compare among book/replications/"
    )
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting in every run that has it, e.g. settings.temperature=0.2; nothing of it is published",
    )
    sub.add_argument("--side", type=count, metavar="PX", help="side of the images, as --set data.side=PX")
    sub.add_argument(
        "--out", type=path, metavar="DIR", help="also write figure, numbers, LaTeX, origin and citation as files"
    )
    sub.add_argument("--no-page", action="store_true", help="make no page")
    sub.add_argument("--no-book", action="store_true", help="with --publish: do not build the book around the page")
    sub.set_defaults(perform=reproduce)


def reproduce(settings: argparse.Namespace) -> None:
    """One table, or "all" of them with shared runs done once: request, plan, train, compare, results, pages."""
    if settings.table is None:
        return show_lists()
    from sslrepro.base.paths import RUNS
    from sslrepro.study import ledger
    from sslrepro.study import reproduce as conductor

    changed = changes(settings.set) | ({} if settings.side is None else {"data.side": settings.side})
    refuse_publishing(settings, changed)
    train = "unpublished" if settings.missing else "anew"
    request = conductor.Request.of(settings.table, settings.profile, settings.seeds, settings.dataset, settings.root,
                                   settings.runs or RUNS, settings.jobs, settings.device, settings.compile, train,
                                   own_first=not settings.publish, rows=settings.rows, changes=changed,
                                   elsewhere=settings.cluster is not None)  # fmt: skip
    agenda = conductor.plan(request, read_images=not settings.dry_run)
    announce(agenda, settings.dry_run)
    if settings.dry_run:
        return None
    if not settings.compare and agenda.missing:
        with cluster_of(settings, request.folder) as cluster:
            conductor.train_missing(agenda, cluster)
    compared = conductor.compare(agenda)
    published = [ledger.publish_plan(plan, request.folder) if settings.publish else None for plan in agenda.plans]
    pages = []
    tables = conductor.read(agenda)  # after all were published: claims read several
    for results, cells, change in zip(tables, compared, published, strict=True):
        present(results, cells, change, request, briefly=len(tables) > 1)
        if settings.publish_replication:
            keep_replication(results, cells, request.folder)
        if settings.out is not None:
            write_out(results, settings.out, changed)
        if not (settings.compare or settings.no_page or changed or settings.rows):  # a page is of the table as it is
            pages.append(make_page(results, request, settings.publish))
    if settings.publish and pages:
        say_where(pages, build=not settings.no_book and agenda.plans[0].profile.judged)
    return None


def refuse_publishing(settings: argparse.Namespace, changed: dict[str, Any]) -> None:
    """Raise ValueError where changed settings or some rows would be published, or the folder for files is no folder."""
    from sslrepro.base.errors import require

    publishing = settings.publish or settings.publish_replication
    require(
        not (changed and publishing),
        "reproduce",
        "--set and --side",
        "left out where results are published",
        ", ".join(changed),
        "The ledger keeps a table's own settings.",
    )
    require(
        not (settings.rows and publishing),
        "reproduce",
        "--rows",
        "left out where results are published",
        ", ".join(settings.rows or ()),
        "A page and a replication are of a whole table.",
    )
    usable = settings.out is None or settings.out.is_dir() or not settings.out.exists()
    require(usable, "reproduce", "--out", "a folder", str(settings.out))


def write_out(results: Any, folder: Path, changed: dict[str, Any]) -> None:
    """Write a table's files and say which."""
    from sslrepro.report.files import write_files

    files = write_files(results, folder, command(sys.argv[1:]), changed)
    print(f"files     {folder}: {', '.join(file.name for file in files)}")


def announce(agenda: Any, by_name: bool) -> None:
    """Say what will run and for how long, as far as the ledger tells; `by_name` lists every run."""
    from sslrepro.study.budget import estimate

    request, ledgers, first = agenda.request, agenda.ledgers, agenda.plans[0]
    unread = sorted({run.data.name for run in agenda.runs if first.profile.runnable and not run.data.fingerprint})
    stored = f"{len(agenda.runs) - len(agenda.missing)} stored, {len(agenda.missing)} to do"
    scale = f"at {first.profile.name} scale ({first.profile.where})"
    counts = f"{len(agenda.runs)} runs, {stored}"
    if request.table == "all":
        print(f"{len(agenda.plans)} tables {scale}: {counts}")
        for plan in agenda.plans:
            without = f", without {', '.join(plan.left_out)}" if plan.left_out else ""
            print(f"  {plan.definition.id:20} {len(plan.runs):4} runs, {plan.seeds} seeds{without}")
        for table, reason in agenda.left_out.items():
            print(f"  {table:20} left out: {reason}")
        print(f"  {sum(len(plan.runs) for plan in agenda.plans) - len(ledgers)} runs saved, because tables share them")
    else:
        print(f"{first.definition.id} {scale}: {counts}")
        for row, reason in first.left_out.items():
            print(f"  {row} left out: {reason}")
    if request.changes:
        from sslrepro.study import settings_changes
        from sslrepro.study.reproduce import without_changes

        print(settings_changes.words_of(without_changes(request).plans[0], first, request.changes))
    if unread:
        print(f"images    {', '.join(unread)}: not read for a dry run, so what is stored of their runs is not counted")
    if agenda.missing and not first.profile.runnable:
        from sslrepro.study.paper_scale import hours_in_words, sets_in_words

        print("\n".join([*sets_in_words(agenda.runs, request.root), *hours_in_words(agenda.missing)]))
        print(f"time      {least_time(agenda)}")
    elif agenda.missing:
        parts = [
            estimate([run for run in agenda.missing if ledgers[run.name] == folder], folder)
            for folder in dict.fromkeys(ledgers.values())
        ]
        if None in parts:
            print(f"time      unknown: nothing was measured at this scale; {least_time(agenda)}")
        else:
            minutes = sum(parts) / 60
            print(
                f"time      about {minutes:.0f} processor-minutes, {math.ceil(minutes / request.jobs)} minutes with "
                f"{request.jobs} runs side by side, as the ledger's took"
            )
    if by_name:
        for run in agenda.missing:
            name = run.name if run.data.name not in unread else run.name.rpartition("-")[0]
            print(f"  {name}  {run.steps:,} steps")


def least_time(agenda: Any) -> str:
    """The time that no machine beats, in words: what would take years says so before it starts."""
    from sslrepro.study.profiles import images_in
    from sslrepro.training.foresight import in_words, least_seconds

    device = agenda.request.device
    configs = [run.config for run in agenda.missing if run.config is not None and images_in(run.config.data)]
    seconds = sum(least_seconds(config, images_in(config.data), device) for config in configs)
    return f"at least {in_words(seconds)} of one {'core' if device == 'cpu' else 'GPU'}, whatever the machine"


def present(results: Any, cells: list[Any], change: Any, request: Any, briefly: bool) -> None:
    """Print what a table says, in full or its finding and the counts of its verdicts, and how it compares."""
    from sslrepro.report import comparison, table_page
    from sslrepro.report.presenters import presenter

    plan = results.plan
    if briefly:
        print(f"\n{plan.definition.id}: {presenter(plan.definition).finding(results)}")
        verdicts = [verdict.verdict for verdict in results.verdicts()]
        if verdicts:
            print("  " + ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts)))
    else:
        print(f"\n{terminal_text(results)}\n")
        print(f"cost      {table_page.cost(results)}")
    print(comparison.text(results, cells, request.folder, briefly))
    print(f"runs      {request.folder}")
    if change is not None:
        print(
            f"ledger    {plan.ledger}: {change.agree} runs with the numbers that stood there, "
            f"{change.differ} differ (largest by {change.largest:.4f}), {change.new} new"
            + (f", {change.added} with further evaluations" if change.added else "")
        )


def keep_replication(results: Any, cells: list[Any], folder: Path) -> None:
    """Put how the runs compare among the published replications."""
    from sslrepro.study import replication
    from sslrepro.study.results import own_results

    kept = replication.publish_replication(replication.replication_of(own_results(results.plan, folder), cells))
    print(f"kept      {kept}")


def make_page(results: Any, request: Any, published: bool) -> Path:
    """Execute the table's notebook: into the book where it is published, else beside the runs."""
    from sslrepro.report import publish

    own = {} if published else {"own": request.folder, "root": request.root}
    page = publish.publish(results.plan, **own)
    print(f"notebook  {page}")
    return page


def say_where(pages: list[Path], build: bool) -> None:
    """Print where the book shows pages, after building it where it is older than they are."""
    from sslrepro.base import paths

    html = paths.PROJECT / "_build" / "html" / "executed"
    built = {page: html / f"{page.stem}.html" for page in pages}
    if build and any(not b.exists() or b.stat().st_mtime < p.stat().st_mtime for p, b in built.items()):
        build_book()
    contents = (paths.PROJECT / "book" / "_toc.yml").read_text(encoding="utf-8")
    for page, place in built.items():
        where = place if place.exists() else "run `make book`" if page.stem in contents else "not in the book"
        print(f"page      {where if page.stem in str(where) else f'{page.stem}: {where}'}")


def build_book() -> None:
    """Build the book without its chatter; a failure is reported, the page and numbers stand."""
    import subprocess

    from sslrepro.base import paths

    words = [str(Path(sys.executable).parent / "jupyter-book"), "build", "book", "--path-output", ".", "--all", "-q"]
    done = subprocess.run(words, cwd=paths.PROJECT, capture_output=True, text=True)
    if done.returncode:
        print(f"the book did not build; `make book` shows why:\n{done.stderr[-500:]}", file=sys.stderr)
