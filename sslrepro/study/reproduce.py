"""The conductor: from a table's name to its results, step by step. The command line and notebooks both call it.

    request = Request.of("nnclr_queue", "cpu", seeds=3)     what is asked for, resolved and checked once
    agenda  = plan(request)                                 which runs that takes, which of them are missing
    train_missing(agenda)                                   does those, side by side
    compare(agenda)                                         beside the published ledger, cell by cell
    read(agenda)                                            the tables' results

Nothing here writes into the ledger or the book: that is `ledger.publish_plan` and `report.publish`.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store
from sslrepro.data.dataset import SHAPES
from sslrepro.study import budget, workers
from sslrepro.study.clusters import Cluster
from sslrepro.study.ledger import find_record, published_record
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.profiles import on_dataset, profile
from sslrepro.study.replication import CellComparison, compare_results, compare_with_ledger
from sslrepro.study.results import Results, own_results, published_results, read_results
from sslrepro.study.rows import with_rows
from sslrepro.study.run import Run, is_complete, merge_runs
from sslrepro.study.settings_changes import with_changes
from sslrepro.training.loop import COMPILING

ALL = "all"
TRAIN = ("anew", "unpublished", "absent")


def data_root(named: str | Path | None, reads_images: bool = True, owner: str = "study") -> Path | None:
    """The folder of data sets: the one that is named, else $SSLREPRO_DATA; `~` is expanded.

        reads_images   whether the images that are asked for are read from a folder at all

    Raises ValueError for a folder that is named and would not be read.
    """
    if named is not None and not reads_images:
        folder = Path(named).expanduser()
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        remedy = f"Name a set of it (DATASET=, --dataset or --data): {', '.join(inside) or 'it holds none'}."
        require(False, owner, "root", "left out where the synthetic images are used", str(named), remedy)
    root = named or os.environ.get("SSLREPRO_DATA")
    return Path(root).expanduser() if root else None


def usable_device(name: str, owner: str = "study") -> str:
    """The name of a device that this machine has; raises ValueError for another."""
    import torch

    try:
        kind = torch.device(name)
    except RuntimeError:
        require(False, owner, "device", "cpu, cuda or cuda:<number>", name)
    if kind.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        remedy = "This machine has none that torch can use." if not count else f"This machine has {count}."
        require((kind.index or 0) < count, owner, "device", "a GPU of this machine", name, remedy)
    return name


@dataclass(frozen=True)
class Request:
    """What is asked for; `of` fills it in and checks it.

    table      id of a table, or "all"
    seeds      0..seeds-1 per cell; None: the table's or the profile's
    root       folder of data sets, None where no images are read
    folder     of all runs
    train      "anew" what the folder lacks, whatever the ledger holds; "unpublished" what the ledger lacks; "absent"
               what both lack
    own_first  whether the folder's runs stand before the ledger's in results
    rows       of a single table, where some are enough; None: all
    changes    dotted settings on top of a single table's own (`settings_changes`); None: none
    """

    table: str
    profile: str
    seeds: int | None
    dataset: str | None
    root: Path | None
    folder: Path
    jobs: int
    device: str
    compiling: str
    train: str
    own_first: bool
    rows: tuple[str, ...] | None = None
    changes: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        table: str,
        profile_name: str = "cpu",
        seeds: int | None = None,
        dataset: str | None = None,
        root: str | Path | None = None,
        folder: str | Path = RUNS,
        jobs: int = 2,
        device: str = "cpu",
        compiling: str = "no",
        train: str = "absent",
        own_first: bool = False,
        rows: Sequence[str] | None = None,
        changes: dict[str, Any] | None = None,
        elsewhere: bool = False,
    ) -> "Request":
        """A request with everything resolved: the root from $SSLREPRO_DATA, `~`, names and counts checked.

        elsewhere   whether a cluster does the runs: then the device is one of its workers, and need not be here

        Raises ValueError, before anything is created, for what does not exist or nothing would read.
        """
        scale = on_dataset(profile(profile_name), dataset)
        reads = scale.data.name not in (*SHAPES, "digits")
        require(jobs >= 1, "study.reproduce", "jobs", ">= 1", jobs)
        one_of(compiling, COMPILING, "study.reproduce", "compiling")
        one_of(train, TRAIN, "study.reproduce", "train")
        for what, named in (("changed settings", changes), ("rows", rows)):
            single = table != ALL or not named
            require(single, "study.reproduce", what, "those of one table", ", ".join(named or ()))
        return cls(
            table,
            profile_name,
            seeds,
            dataset,
            data_root(root, reads, "study.reproduce"),
            Path(folder).expanduser(),
            jobs,
            device if elsewhere else usable_device(device, "study.reproduce"),
            compiling,
            train,
            own_first,
            None if rows is None else tuple(rows),
            changes or None,
        )


@dataclass(frozen=True)
class Agenda:
    """What a request comes to.

    plans      of its tables
    left_out   table -> why it cannot be had at this scale
    runs       every run of the tables, once, with the evaluations of all: whole seeds first
    missing    those of them that are to be done
    """

    request: Request
    plans: list[TablePlan]
    left_out: dict[str, str]
    runs: list[Run]
    missing: list[Run]

    @property
    def ledgers(self) -> dict[str, Path]:
        """Name of a run -> the ledger folder of its scale."""
        return {run.name: plan.ledger for plan in self.plans for run in plan.runs}


def plan(request: Request, read_images: bool = True) -> Agenda:
    """Which runs a request takes and which are missing; trains nothing.

    read_images   as for `plans.plan_table`
    """
    left_out: dict[str, str] = {}
    asked = request.profile, request.root, request.seeds, request.dataset
    if request.table == ALL:
        table_plans, left_out = budget.every_plan(*asked, read_images)
        require(bool(table_plans), "reproduce", "profile", "one at which some table can be had", request.profile)
    else:
        whole = plan_table(request.table, request.profile, request.seeds, request.dataset, request.root, read_images)
        table_plans = [with_changes(with_rows(whole, request.rows), request.changes, request.root)]
    runs = merge_runs([run for table_plan in table_plans for run in table_plan.runs])
    homes = {run.name: table_plan for table_plan in table_plans for run in table_plan.runs}
    if request.train == "unpublished":
        runs = [run for run in runs if published_record(run, homes[run.name]) is None]
    runs.sort(key=lambda run: run.seed)  # whole seeds of every table first, the most wanted tables leading

    def is_done(run: Run) -> bool:
        if request.train == "absent":
            return find_record(run, homes[run.name], request.folder) is not None
        return is_complete(run, Store(request.folder))

    return Agenda(request, table_plans, left_out, runs, [run for run in runs if not is_done(run)])


def without_changes(request: Request) -> Agenda:
    """What the same request without changed settings comes to."""
    return plan(replace(request, changes=None), read_images=False)


def train_missing(agenda: Agenda, executor: Executor | Cluster | None = None) -> None:
    """Do what is missing, here or where an executor or cluster does it (`workers.carry_out`).

    Raises ValueError at a scale that is only planned here.
    """
    if not agenda.missing:
        return
    request, scale = agenda.request, agenda.plans[0].profile
    require(
        scale.runnable,
        "reproduce",
        "profile",
        "smoke, cpu, night or gpu",
        scale.name,
        "It is planned here (--dry-run) and run by those who have the machine.",
    )
    workers.carry_out(
        agenda.missing,
        request.folder,
        request.root,
        request.device,
        request.jobs,
        compiling=request.compiling,
        executor=executor,
    )


def read(agenda: Agenda) -> list[Results]:
    """The results of every table of an agenda, in its order."""
    request = agenda.request
    return [read_results(table_plan, request.folder, request.own_first) for table_plan in agenda.plans]


def compare(agenda: Agenda) -> list[list[CellComparison]]:
    """The folder's runs of each table beside the published ones, cell by cell; [] where nothing is published.

    With changed settings the difference is what they do, seed by seed, to the table's own.
    """
    if agenda.request.changes:
        published = [published_results(whole) for whole in without_changes(agenda.request).plans]
        own = [own_results(table_plan, agenda.request.folder) for table_plan in agenda.plans]
        return [compare_results(*pair) for pair in zip(own, published, strict=True)]
    return [compare_with_ledger(table_plan, agenda.request.folder) for table_plan in agenda.plans]


def reproduce(
    table: str,
    profile: str = "cpu",
    seeds: int | None = None,
    dataset: str | None = None,
    root: str | Path | None = None,
    folder: str | Path | None = None,
    jobs: int = 2,
    device: str = "cpu",
    own: str | Path | None = None,
    rows: Sequence[str] | None = None,
    changes: dict[str, Any] | None = None,
    executor: Executor | Cluster | None = None,
) -> Results:
    """A table's results: from the ledger and the store, training what neither holds. What the notebooks call.

        seeds    0..seeds-1 per cell; default the table's or the profile's
        dataset  other images than the profile's own, from `root` or $SSLREPRO_DATA
        folder   of your runs; default runs/
        own      the same, with the runs in it standing before the published ones
        rows     of the table, where some are enough: reproduce("all_methods", rows=["nnclr", "simclr"])
        changes  dotted settings on top of the table's own: reproduce(..., changes={"settings.temperature": 0.2})
        executor where runs are done instead of in `jobs` processes: any `concurrent.futures.Executor` whose workers
                 see `folder`, or a cluster: with open_cluster("tcp://host:8786") as cluster: ...

    >>> reproduce("nnclr_queue").cell("q98304", "linear_top1").n
    5
    """
    request = Request.of(
        table,
        profile,
        seeds,
        dataset,
        root,
        own or folder or RUNS,
        jobs,
        device,
        own_first=own is not None,
        rows=rows,
        changes=changes,
    )
    agenda = plan(request)
    train_missing(agenda, executor)
    return read(agenda)[0]
