"""The ledger of a scale, as much of it as a budget of seconds allows.

What is missing is taken in a stated order of value, seed by seed, so that a table that is cut off has whole seeds.
Every finished run is published at once; a run that the budget cuts off goes on from its checkpoint the next time.
"""

import math
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from sslrepro import tables
from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, lock_folder, read_json
from sslrepro.data.dataset import SHAPES
from sslrepro.data.datasets import load
from sslrepro.study import ledger, plans, profiles
from sslrepro.study.plans import TablePlan
from sslrepro.study.run import Run, label, merge_runs, perform_locked
from sslrepro.training.loop import Report, threads

# (table, other images than a profile's own where those are read from a root), most wanted first; tables that are not
# listed come after, by name
PRIORITY: tuple[tuple[str, str | None], ...] = (
    ("budget_sweep", None),
    ("nnclr_queue", None),
    ("nnclr_positives", None),
    ("ifnd_strategies", "cifar100"),
    ("nnclr_epochs", None),
    ("all_methods", None),
)


@dataclass
class Tally:
    """What a call did: names of finished runs, the run that was cut off, the runs that are still missing.

    busy   runs that another process was at; they are counted among the missing
    """

    finished: list[str] = field(default_factory=list)
    cut_off: str | None = None
    failed: dict[str, str] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)
    missing: int = 0
    seconds: float = 0.0


class OutOfTime(Exception):
    """The budget is spent; the run's last checkpoint stands."""


def every_plan(
    profile: str,
    root: str | Path | None = None,
    seeds: int | None = None,
    dataset: str | None = None,
    read_images: bool = True,
) -> tuple[list[TablePlan], dict[str, str]]:
    """Plans of every table at a scale, most wanted first; and why the other tables cannot be had there, by table.

    dataset      other images than the profile's own, for all tables
    read_images  as for `plans.plan_table`
    """
    scale = profiles.profile(profile)
    listed = [pair for pair in PRIORITY if pair[0] in tables.names()]
    order = [*listed, *((name, None) for name in tables.names() if name not in {table for table, _ in listed})]
    possible, left_out = [], {}
    for table, wanted in order:
        images = dataset or (wanted if scale.runnable and scale.data.name not in SHAPES else None)
        reason = plans.reason_missing(table, profile, images, root)
        if reason:
            left_out[table] = reason
        else:
            possible.append((table, images))
    return [plans.plan_table(table, profile, seeds, images, root, read_images) for table, images in possible], left_out


def agenda(
    profile: str, root: str | Path | None = None, seeds: int | None = None, read_images: bool = True
) -> Iterator[tuple[TablePlan, Run]]:
    """Every run of every table at a scale, in order of value, shared runs once, with the evaluations of all tables."""
    table_plans, _ = every_plan(profile, root, seeds, read_images=read_images)
    whole = {run.name: run for run in merge_runs([run for plan in table_plans for run in plan.runs])}
    for plan in table_plans:
        for run in plan.runs:
            if run.name in whole:
                yield plan, whole.pop(run.name)


def missing_runs(
    profile: str, root: str | Path | None = None, seeds: int | None = None, read_images: bool = True
) -> list[tuple[TablePlan, Run]]:
    """What the ledger does not hold whole of the agenda, in its order."""
    return [
        (plan, run)
        for plan, run in agenda(profile, root, seeds, read_images)
        if ledger.published_record(run, plan) is None
    ]


def measured_costs(folder: Path) -> dict[str, list[tuple[float, float, float]]]:
    """Method -> (processor-seconds of training, images it saw, seconds of evaluation) of each run in a ledger folder.

    Encoders as initialised and pixels are under "".
    """
    costs: dict[str, list[tuple[float, float, float]]] = {}
    for path in sorted(folder.glob("*-s*.json")):
        record = read_json(path)
        lines = record["results"].values()
        about = next((line["scores"] for line in lines if line["evaluation"] == "training"), {"steps": 0})
        steps = about["steps"]
        images = steps * record["config"]["plan"]["batch_size"] if steps else 0
        spent = about.get("seconds", 0.0) + about.get("sampler_seconds", 0.0)
        evaluated = sum(line.get("seconds", 0.0) for line in lines)
        costs.setdefault(record["config"]["method"] if steps else "", []).append((spent, images, evaluated))
    return costs


def estimate(runs: list[Run], folder: Path) -> float | None:
    """Processor-seconds that runs will take, from what those in a ledger folder took; None where it holds none.

    A method that was measured costs what it did per image; another costs what a step costs on average over all.
    """
    by_method = measured_costs(folder)
    trained = [cost for costs in by_method.values() for cost in costs if cost[1]]
    if not trained:
        return None
    everything = [cost for costs in by_method.values() for cost in costs]
    evaluating = sum(cost[2] for cost in everything) / len(everything)
    total = 0.0
    for run in runs:
        total += evaluating
        if run.config is None or run.config.plan.epochs == 0:
            continue
        mine = [cost for cost in by_method.get(run.config.method, []) if cost[1]] or trained
        per_image = sum(cost[0] for cost in mine) / sum(cost[1] for cost in mine)
        total += per_image * run.steps * run.config.plan.batch_size
    return total


def work_through(
    profile: str,
    budget_seconds: float,
    root: str | Path | None = None,
    folder: Path = RUNS,
    device: str = "cpu",
    n_threads: int = 1,
    seeds: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    quiet: bool = False,
    compiling: str = "no",
) -> Tally:
    """Do missing runs until the budget is spent, publishing each; may be killed at any moment and called again.

        budget_seconds   > 0; no run begins after it, the current one stops within a step of it (its evaluation, a few
                         seconds, is not cut)
        root             folder of data sets, or one archive `<set>.tar.xz`, unpacked beside the runs
        folder           of all runs; calls that share it share the work: each takes what no other is at, none waits

    A run that fails is noted and the next begins.
    """
    finite = budget_seconds > 0 and math.isfinite(budget_seconds)
    require(finite, "ledger.work", "budget", "> 0 seconds and finite", budget_seconds)
    require(n_threads >= 1, "ledger.work", "threads", ">= 1", n_threads)
    root = unpack_root(root, folder)
    begun, tally = clock(), Tally()
    waiting = missing_runs(profile, root, seeds)
    tally.missing = len(waiting)
    title = f"ledger {profile}: {len(waiting)} runs missing"
    with tqdm(total=budget_seconds, unit="s", desc=title, disable=quiet) as bar:
        for plan, run in waiting:
            if clock() - begun >= budget_seconds:
                break

            def report(step: int, steps: int, run: Run = run) -> None:
                spent = clock() - begun
                bar.update(min(spent, budget_seconds) - bar.n)
                bar.set_postfix_str(f"{label(run)} {step}/{steps}", refresh=False)
                if spent >= budget_seconds:
                    raise OutOfTime

            try:
                if take_run(plan, run, folder, root, device, n_threads, report, compiling):
                    tally.finished.append(run.name)
                tally.missing -= 1
            except BlockingIOError:
                tally.busy.append(run.name)
            except OutOfTime:
                tally.cut_off = run.name
                break
            except (RuntimeError, ValueError, FloatingPointError) as error:
                tally.failed[run.name] = str(error)
    tally.seconds = clock() - begun
    return tally


def take_run(
    plan: TablePlan,
    run: Run,
    folder: Path,
    root: Path | None,
    device: str,
    n_threads: int,
    report: Report | None,
    compiling: str,
) -> bool:
    """Do a run and publish it, all under its lock; False where another process has published it meanwhile.

    Raises BlockingIOError where another process is at it, or at the sampler that it needs.
    """
    store = Store(folder)
    if ledger.published_record(run, plan) is not None:
        return False
    with threads(n_threads), lock_folder(store.folder(run.name), wait=False):
        if ledger.published_record(run, plan) is not None:
            return False
        if run.config is not None and run.config.sampler is not None:
            with lock_folder(store.folder(run.config.sampler.name), wait=False):
                pass
        splits = tuple(split.to(device) for split in load(run.data, root))
        perform_locked(run, folder, splits, device, report, compiling, root)
        ledger.publish_run(run, plan.ledger, folder)
    return True


def unpack_root(root: str | Path | None, folder: Path) -> Path | None:
    """The folder of data sets: `root` itself, or what the archive `root` holds, unpacked once beside the runs."""
    if root is None or Path(root).is_dir():
        return Path(root) if root else None
    archive = Path(root)
    require(archive.is_file(), "ledger", "root", "a folder of data sets or one archive <set>.tar.xz", str(root))
    place = folder / "data" / archive.name.partition(".")[0]
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as unpacked:
            try:
                with tarfile.open(archive) as file:
                    file.extractall(unpacked, filter="data")
            except (tarfile.TarError, EOFError, OSError) as error:
                raise ValueError(
                    f"ledger: root must be an archive that can be unpacked, got {root} ({error})."
                ) from None
            Path(unpacked).rename(place)
            Path(unpacked).mkdir()  # the context removes what it made
    return place
