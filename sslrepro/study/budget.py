"""The ledger of a scale, as much of it as a budget of seconds allows.

What is missing is taken in a stated order of value, seed by seed, so that a table that is cut off has whole seeds.
Every finished run is published at once; a run that the budget cuts off goes on from its checkpoint the next time.
"""

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
from sslrepro.base.store import read_json
from sslrepro.data.dataset import SHAPES
from sslrepro.study import ledger, plans, profiles
from sslrepro.study.ledger import publish_task
from sslrepro.study.plans import TablePlan
from sslrepro.study.run import Run, label, merge_runs, perform_run

# (table, other images than a profile's own where those are read from a root), most wanted first; tables that are not
# listed come after, by name
VALUE: tuple[tuple[str, str | None], ...] = (
    ("budget_sweep", None),
    ("nnclr_queue", None),
    ("nnclr_positives", None),
    ("ifnd_strategies", "cifar100"),
    ("nnclr_epochs", None),
    ("all_methods", None),
)


@dataclass
class Tally:
    """What a call did: names of finished runs, the run that was cut off, the runs that are still missing."""

    finished: list[str] = field(default_factory=list)
    cut_off: str | None = None
    failed: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    seconds: float = 0.0


class OutOfTime(Exception):
    """The budget is spent; the run's last checkpoint stands."""


def every_plan(
    profile: str, root: str | Path | None = None, seeds: int | None = None, dataset: str | None = None
) -> tuple[list[TablePlan], dict[str, str]]:
    """Plans of every table at a scale, most wanted first; and why the other tables cannot be had there, by table.

    dataset   other images than the profile's own, for all tables
    """
    base = profiles.profile(profile)
    listed = [pair for pair in VALUE if pair[0] in tables.names()]
    order = [*listed, *((name, None) for name in tables.names() if name not in {table for table, _ in listed})]
    made, left_out = [], {}
    for table, wanted in order:
        images = dataset or (wanted if base.runnable and base.data.name not in SHAPES else None)
        reason = plans.lacking(table, profile, images, root)
        if reason:
            left_out[table] = reason
        else:
            made.append(plans.plan_table(table, profile, seeds, images, root))
    return made, left_out


def agenda(profile: str, root: str | Path | None = None, seeds: int | None = None) -> Iterator[tuple[TablePlan, Run]]:
    """Every task of every table at a scale, in order of value, shared runs once, with the evaluations of all tables."""
    made, _ = every_plan(profile, root, seeds)
    whole = {task.name: task for task in merge_runs([task for one in made for task in one.tasks])}
    for one in made:
        for task in one.tasks:
            if task.name in whole:
                yield one, whole.pop(task.name)


def measured_costs(folder: Path) -> dict[str, list[tuple[float, float, float]]]:
    """Method -> (processor-seconds of training, images it saw, seconds of evaluation) of each run in a ledger folder.

    Encoders as initialised and pixels are under "".
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    for path in sorted(folder.glob("*-s*.json")):
        record = read_json(path)
        lines = record["results"].values()
        about = next((line["scores"] for line in lines if line["evaluation"] == "training"), {"steps": 0})
        steps = about["steps"]
        images = steps * record["config"]["plan"]["batch_size"] if steps else 0
        spent = about.get("seconds", 0.0) + about.get("sampler_seconds", 0.0)
        evaluated = sum(line.get("seconds", 0.0) for line in lines)
        found.setdefault(record["config"]["method"] if steps else "", []).append((spent, images, evaluated))
    return found


def estimate(tasks: list[Run], folder: Path) -> float | None:
    """Processor-seconds that tasks will take, from what runs in a ledger folder took; None where it holds none.

    A method that was measured costs what it did per image; another costs what a step costs on average over all.
    """
    known = measured_costs(folder)
    trained = [run for runs in known.values() for run in runs if run[1]]
    if not trained:
        return None
    everything = [run for runs in known.values() for run in runs]
    evaluating = sum(run[2] for run in everything) / len(everything)
    total = 0.0
    for task in tasks:
        total += evaluating
        if task.config is None or task.config.plan.epochs == 0:
            continue
        mine = [run for run in known.get(task.config.method, []) if run[1]] or trained
        per_image = sum(run[0] for run in mine) / sum(run[1] for run in mine)
        total += per_image * task.steps * task.config.plan.batch_size
    return total


def work_through(
    profile: str,
    budget_seconds: float,
    root: str | Path | None = None,
    runs: Path = RUNS,
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

    A run that fails is noted and the next begins.
    """
    require(budget_seconds > 0, "ledger.work", "budget", "> 0 seconds", budget_seconds)
    root = unpack_root(root, runs)
    begun, tally = clock(), Tally()
    waiting = [
        (made, task) for made, task in agenda(profile, root, seeds) if ledger.published_record(task, made) is None
    ]
    tally.missing = len(waiting)
    title = f"ledger {profile}: {len(waiting)} runs missing"
    with tqdm(total=budget_seconds, unit="s", desc=title, disable=quiet) as bar:
        for made, task in waiting:
            if clock() - begun >= budget_seconds:
                break

            def report(step: int, steps: int, task: Run = task) -> None:
                spent = clock() - begun
                bar.update(min(spent, budget_seconds) - bar.n)
                bar.set_postfix_str(f"{label(task)} {step}/{steps}", refresh=False)
                if spent >= budget_seconds:
                    raise OutOfTime

            try:
                perform_run(task, runs, str(root) if root else None, device, n_threads, report, compiling)
            except OutOfTime:
                tally.cut_off = task.name
                break
            except (RuntimeError, ValueError, FloatingPointError) as error:
                tally.failed[task.name] = str(error)
                continue
            publish_task(made, task, runs)
            tally.finished.append(task.name)
            tally.missing -= 1
    tally.seconds = clock() - begun
    return tally


def unpack_root(root: str | Path | None, runs: Path) -> Path | None:
    """The folder of data sets: `root` itself, or what the archive `root` holds, unpacked once beside the runs."""
    if root is None or Path(root).is_dir():
        return Path(root) if root else None
    archive = Path(root)
    require(archive.is_file(), "ledger", "root", "a folder of data sets or one archive <set>.tar.xz", str(root))
    place = runs / "data" / archive.name.partition(".")[0]
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            with tarfile.open(archive) as file:
                file.extractall(folder, filter="data")
            Path(folder).rename(place)
            Path(folder).mkdir()  # the context removes what it made
    return place
