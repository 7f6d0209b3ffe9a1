"""The ledger of a scale, as much of it as a budget of seconds allows; and bundles that carry results between machines.

What is missing is taken in a stated order of value, seed by seed, so that a table that is cut off has whole seeds.
Every finished run is published at once; a run that the budget cuts off goes on from its checkpoint the next time.
"""

import io
import json
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from sslrepro import plans, profiles, study, tables
from sslrepro.check import require
from sslrepro.config import from_record
from sslrepro.data.datasets import SHAPES
from sslrepro.store import Store, read_json, read_lines, write_atomic, write_json
from sslrepro.study import RUNS, Plan, Task
from sslrepro.tasks import united

# (table, other images than a profile's own where those are read from a root), most wanted first; tables that are not
# listed come after, by name
VALUE: tuple[tuple[str, str | None], ...] = (
    ("nnclr_queue", None),
    ("nnclr_positives", None),
    ("ifnd_strategies", "cifar100"),
    ("nnclr_epochs", None),
    ("all_methods", None),
)
LOG_LINES = 100  # of a run's training log that are kept beside its result


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
) -> tuple[list[Plan], dict[str, str]]:
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
            made.append(study.plan(table, profile, seeds, images, root))
    return made, left_out


def agenda(profile: str, root: str | Path | None = None, seeds: int | None = None) -> Iterator[tuple[Plan, Task]]:
    """Every task of every table at a scale, in order of value, shared runs once, with the evaluations of all tables."""
    made, _ = every_plan(profile, root, seeds)
    whole = {task.name: task for task in united([task for one in made for task in one.tasks])}
    for one in made:
        for task in one.tasks:
            if task.name in whole:
                yield one, whole.pop(task.name)


def measured(folder: Path) -> dict[str, list[tuple[float, float, float]]]:
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


def estimate(tasks: list[Task], folder: Path) -> float | None:
    """Processor-seconds that tasks will take, from what runs in a ledger folder took; None where it holds none.

    A method that was measured costs what it did per image; another costs what a step costs on average over all.
    """
    known = measured(folder)
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


def work(
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
    root = unpacked(root, runs)
    begun, tally = clock(), Tally()
    waiting = [(made, task) for made, task in agenda(profile, root, seeds) if study.published(task, made) is None]
    tally.missing = len(waiting)
    title = f"ledger {profile}: {len(waiting)} runs missing"
    with tqdm(total=budget_seconds, unit="s", desc=title, disable=quiet) as bar:
        for made, task in waiting:
            if clock() - begun >= budget_seconds:
                break

            def report(step: int, steps: int, task: Task = task) -> None:
                spent = clock() - begun
                bar.update(min(spent, budget_seconds) - bar.n)
                bar.set_postfix_str(f"{study.label(task)} {step}/{steps}", refresh=False)
                if spent >= budget_seconds:
                    raise OutOfTime

            try:
                study.perform(task, runs, str(root) if root else None, device, n_threads, report, compiling)
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


def publish_task(made: Plan, task: Task, runs: Path) -> Path:
    """Write a finished task's ledger file, its thinned log, and the fingerprint of its images."""
    noted = made.ledger / "data.json"
    marks = read_json(noted) if noted.exists() else {}
    write_json(noted, marks | {task.data.name: task.data.fingerprint})
    store = Store(runs)
    lines = read_lines(store.folder(task.name) / "log.jsonl")
    if lines:
        every = -(-len(lines) // LOG_LINES)
        thinned = lines[::-1][::every][::-1]  # the last line is always kept
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in thinned)
        write_atomic(made.ledger / "logs" / f"{task.name}.jsonl", text)
    path = made.ledger / f"{task.name}.json"
    record = study.exported(task, store)
    write_json(path, study.merged(read_json(path), record)[0] if path.exists() else record)
    return path


def unpacked(root: str | Path | None, runs: Path) -> Path | None:
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


# --- bundles ----------------------------------------------------------------------------------------------------

INSIDE = re.compile(r"\w[\w.-]*/(logs/)?\w[\w.-]*\.jsonl?")  # no part begins with a dot


def export(path: Path, profiles: list[str] | None = None) -> int:
    """Write ledger files, logs and fingerprints of the given scales (default all) into one .tar.gz; returns how many.

    Written under another name and renamed, so that a bundle is whole or not there.
    """
    buffer = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for source in sorted(plans.LEDGER.rglob("*.json*")):
            name = source.relative_to(plans.LEDGER).as_posix()
            if profiles is None or name.split("/")[0] in profiles:
                file.add(source, name, filter=_bare)
                count += 1
    require(count > 0, "ledger.export", "profiles", "with results to export", profiles)
    write_atomic(path, buffer.getvalue())
    return count


def _bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def import_bundle(path: Path) -> dict[str, int]:
    """Merge a bundle into the ledger; what stands there is never overwritten, further evaluations are added.

    Returns {"new", "agree", "differ"}: runs that were not there, runs with the same scores, and runs with others
    (kept as they were). Raises ValueError for a file that is no bundle, or a result that does not fit its name.
    """
    counts = {"new": 0, "agree": 0, "differ": 0}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as file:
            for member in file:
                require(bool(INSIDE.fullmatch(member.name)) and member.isfile(), "ledger.import", "member",
                        "<scale>/<run>.json", member.name)  # fmt: skip
                found[member.name] = file.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"ledger.import: {path} is not a bundle ({error}). Make one with --export.") from None
    for name, content in found.items():  # all is checked before anything is written
        if name.endswith(".json") and not name.endswith("/data.json"):
            checked(name, content)
    for name, content in sorted(found.items()):
        target = plans.LEDGER / name
        if name.endswith("/data.json"):
            write_json(target, json.loads(content) | (read_json(target) if target.exists() else {}))
        elif name.endswith(".jsonl"):
            if not target.exists():
                write_atomic(target, content)
        elif not target.exists():
            write_atomic(target, content)
            counts["new"] += 1
        else:
            before = read_json(target)
            after, gaps = study.merged(before, json.loads(content))
            same = max(gaps, default=0.0) == 0
            counts["agree" if same else "differ"] += 1
            if same and after != before:
                write_json(target, after)
    return counts


def checked(name: str, content: bytes) -> None:
    """Raise ValueError unless the content is a ledger file whose configuration has the name's identity."""
    run = Path(name).stem
    try:
        record = json.loads(content)
        config, results = record["config"], record["results"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise ValueError(f"ledger.import: {name} is not a ledger file.") from None
    fits = "pixels" in config or from_record(config).name == run
    require(fits and isinstance(results, dict), "ledger.import", "file", "named for its configuration", name)
