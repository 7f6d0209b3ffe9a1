"""The ledger of a scale, as much of it as a budget of seconds allows.

What is missing is taken in a stated order of value, seed by seed, so that a table that is cut off has whole seeds.
Every finished run is published at once; a run that the budget cuts off goes on from its checkpoint the next time.
"""

import contextlib
import errno
import math
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from sslrepro import tables
from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, lock_folder, read_json
from sslrepro.data.dataset import SHAPES
from sslrepro.data.datasets import load
from sslrepro.parts.distributed import first_says, rank
from sslrepro.study import ledger, plans, profiles, yardsticks
from sslrepro.study.away import CUT_OFF, OutOfTime
from sslrepro.study.clusters import Cluster
from sslrepro.study.plans import TablePlan
from sslrepro.study.run import Run, label, merge_runs, perform_locked
from sslrepro.study.workers import submit_runs, take_in
from sslrepro.training.loop import Report, threads

# (table, other images than a profile's own where those are read from a root), most wanted first; tables that are not
# listed come after, by name
PRIORITY: tuple[tuple[str, str | None], ...] = (
    ("budget_sweep", None),
    ("nnclr_queue", None),
    ("nnclr_positives", None),
    ("ifnd_strategies", "cifar100"),
    ("nnclr_topk", None),
    ("nnclr_epochs", None),
    ("nnclr_croponly", None),
    ("all_methods", None),
)

IN_FLIGHT = 200  # runs that a cluster has at a time: each holds a lock here, so an open file
GRACE_SECONDS = 120.0  # for evaluations after the budget, before what a cluster still has is given up


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
    """Every run of every table at a scale, in order of value, shared runs once, with the evaluations of all tables.

    The ledger of GPUs begins with the run that tests the whole stack (`yardsticks`): what it says decides whether the
    others are worth their time.
    """
    table_plans, _ = every_plan(profile, root, seeds, read_images=read_images)
    if profile == yardsticks.SCALE:
        table_plans = [yardsticks.acceptance_plan(root, seeds, read_images), *table_plans]
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
    executor: Executor | Cluster | None = None,
) -> Tally:
    """Do missing runs until the budget is spent, publishing each; may be killed at any moment and called again.

        budget_seconds   > 0; no run begins after it, the current one stops within a step of it (its evaluation, a few
                         seconds, is not cut)
        root             folder of data sets, or one archive `<set>.tar.xz`, unpacked beside the runs
        folder           of all runs; calls that share it share the work: each takes what no other is at, none waits
        executor         where runs are done, many at a time, instead of one after the other here (`carry_out`)

    A run that fails is noted and the next begins; a full disk ends the call. Under torchrun all processes call it and
    train each run together; the first one decides, by its clock and its locks, and publishes.
    """
    finite = budget_seconds > 0 and math.isfinite(budget_seconds)
    require(finite, "ledger.work", "budget", "> 0 seconds and finite", budget_seconds)
    require(n_threads >= 1, "ledger.work", "threads", ">= 1", n_threads)
    root = unpack_root(root, folder)
    begun, tally = clock(), Tally()
    waiting = first_says(missing_runs(profile, root, seeds))
    tally.missing = len(waiting)
    if executor is not None:
        cluster = executor if isinstance(executor, Cluster) else Cluster(executor, shared=True)
        how = (str(root) if root else None, device, n_threads, compiling)
        _work_elsewhere(waiting, cluster, folder, how, budget_seconds, tally, quiet)
        tally.seconds = clock() - begun
        return tally
    title = f"ledger {profile}: {len(waiting)} runs missing"
    with tqdm(total=budget_seconds, unit="s", desc=title, disable=quiet) as bar:
        for plan, run in waiting:
            if first_says(clock() - begun >= budget_seconds):
                break

            def report(step: int, steps: int, run: Run = run) -> None:
                spent = first_says(clock() - begun)
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
            except (RuntimeError, ValueError, OSError, FloatingPointError) as error:
                if getattr(error, "errno", None) == errno.ENOSPC:  # every further run would end like this
                    raise
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
    with threads(n_threads), contextlib.ExitStack() as stack:
        if not take_free(plan, run, folder, stack):
            return False
        splits = tuple(split.to(device) for split in load(run.data, root))
        perform_locked(run, folder, splits, device, report, compiling, root)
        if rank() == 0:
            ledger.publish_run(run, plan.ledger, folder)
    return True


def take_free(plan: TablePlan, run: Run, folder: Path, stack: contextlib.ExitStack) -> bool:
    """Hold a run's lock in `stack`; False where another process has published it meanwhile.

    Raises BlockingIOError where another process is at it, or at the sampler that it needs. Of several processes that
    train together the first one asks, and all go by the answer.
    """
    store, answer = Store(folder), "published"
    if rank() == 0 and ledger.published_record(run, plan) is None:
        try:
            stack.enter_context(lock_folder(store.folder(run.name), wait=False))
            if ledger.published_record(run, plan) is None:
                answer = "free"
                if run.config is not None and run.config.sampler is not None:
                    with lock_folder(store.folder(run.config.sampler.name), wait=False):
                        pass
        except BlockingIOError:
            answer = "busy"
    answer = first_says(answer)
    if answer == "busy":
        raise BlockingIOError(f"another process is at {run.name}")
    return answer == "free"


def _work_elsewhere(
    waiting: list[tuple[TablePlan, Run]],
    cluster: Cluster,
    folder: Path,
    how: tuple[str | None, str, int, str],
    budget_seconds: float,
    tally: Tally,
    quiet: bool,
) -> None:
    """`work_through` on a cluster: `IN_FLIGHT` runs at a time, each locked here until its files are back.

    how   (root, device, threads, compiling)

    Workers stop by their own clocks; what they cut off comes back with its checkpoint and goes on the next time.
    """
    cluster = replace(cluster, shared=False)  # its workers would wait for the locks that are held here
    until, queue = time.time() + budget_seconds, deque(waiting)
    pending: dict[Future, tuple[TablePlan, Run, contextlib.ExitStack]] = {}
    cut = []
    with (
        contextlib.ExitStack() as all_locks,
        tqdm(total=len(waiting), unit="run", desc="ledger", disable=quiet) as bar,
    ):
        all_locks.callback(lambda: [future.cancel() for future in pending])
        while queue or pending:
            batch = []
            while queue and len(pending) + len(batch) < IN_FLIGHT and time.time() < until:
                plan, run = queue.popleft()
                locks = all_locks.enter_context(contextlib.ExitStack())
                try:
                    if take_free(plan, run, folder, locks):
                        batch.append((plan, run, locks))
                    else:
                        locks.close()
                        tally.missing -= 1
                except BlockingIOError:
                    locks.close()
                    tally.busy.append(run.name)
            pending |= zip(submit_runs(cluster, [run for _, run, _ in batch], folder, how, until), batch, strict=True)
            if not pending:
                break
            done = wait(pending, max(0.0, until + GRACE_SECONDS - time.time()), FIRST_COMPLETED).done
            if not done:  # no worker has answered in time
                cut += [run.name for _, run, _ in pending.values()]
                break
            for future in done:
                plan, run, locks = pending.pop(future)
                wrong = take_in(run, future, cluster, folder, f"{len(tally.finished)} runs are whole", held=True)
                if not wrong:
                    ledger.publish_run(run, plan.ledger, folder)
                    tally.finished.append(run.name)
                    tally.missing -= 1
                elif wrong == CUT_OFF:
                    cut.append(run.name)
                else:
                    tally.failed[run.name] = wrong
                locks.close()
                bar.update()
    tally.cut_off = ", ".join(name for name in cut if (folder / name / "checkpoint.safetensors").exists()) or None


def unpack_root(root: str | Path | None, folder: Path) -> Path | None:
    """The folder of data sets: `root` itself, or what the archive `root` holds, unpacked once beside the runs."""
    if root is None or Path(root).is_dir():
        return Path(root) if root else None
    archive = Path(root)
    require(archive.is_file(), "ledger", "root", "a folder of data sets or one archive <set>.tar.xz", str(root))
    place = folder / "data" / archive.name.partition(".")[0]
    with lock_folder(place.parent):  # one process unpacks, the others find it
        if place.exists():
            return place
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
