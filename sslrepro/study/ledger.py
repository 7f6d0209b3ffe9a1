"""The ledger: one small committed file per finished run, written here and nowhere else."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, is_file_there, lock_folder, read_json, write_atomic, write_json
from sslrepro.study.plans import TablePlan
from sslrepro.study.run import Run, has_every_result, is_complete, ledger_record, require_record, require_weights_of
from sslrepro.training.loop import read_log

LOG_LINES = 100  # of a run's training log that are kept beside its result


@dataclass
class Changes:
    """How published runs compare with what the ledger held of them before.

    agree      runs whose scores equal the ledger's before;  differ   the others;  new   runs it did not hold
    added      runs of `agree` that brought further evaluations
    largest    largest absolute difference of a score
    """

    agree: int = 0
    differ: int = 0
    new: int = 0
    added: int = 0
    largest: float = 0.0


def merge_records(before: dict[str, Any], record: dict[str, Any]) -> tuple[dict[str, Any], list[float]]:
    """A ledger file with a record's results, and the absolute differences of the scores that both hold.

    Results that only one of them has are kept. Where the scores are equal the first measurement's cost and machine
    stay on record; where any differs the record replaces what it measured again.
    """
    old, new = before["results"], record["results"]
    gaps = [
        abs(value - old[key]["scores"][name])
        for key, line in new.items()
        if key in old and key != "training"
        for name, value in line["scores"].items()
        if name in old[key]["scores"]
    ]
    same = max(gaps, default=0.0) == 0
    first = before if same else record
    lines = new | old if same else old | new
    return first | {"results": dict(sorted(lines.items()))}, gaps


def publish_run(run: Run, ledger: Path, folder: Path = RUNS, changes: Changes | None = None) -> Path:
    """Put a finished run of the store into a ledger folder: its results, thinned log, and images' fingerprint.

        ledger    the folder of a scale (`TablePlan.ledger`)
        folder    of all runs
        changes   counts what became of it

    The result is written last, so that what the ledger lists it has whole; several processes may publish at once.
    """
    store, changes = Store(folder), changes if changes is not None else Changes()
    record, path = ledger_record(run, store), ledger / f"{run.name}.json"
    require_weights_of(record["results"], store.folder(run.name))
    with lock_folder(ledger):
        noted = ledger / "data.json"
        marks = read_json(noted) if noted.exists() else {}
        if marks.get(run.data.name) != run.data.fingerprint:
            write_json(noted, marks | {run.data.name: run.data.fingerprint})
        before = read_json(path) if path.exists() else None
        after, gaps = (record, []) if before is None else merge_records(before, record)
        largest = max(gaps, default=0.0)
        log = ledger / "logs" / f"{run.name}.jsonl"
        text = thinned_log(store.folder(run.name) / "log.jsonl")
        if text and (before is None or largest > 0 or not log.exists()):
            write_atomic(log, text)
        if after != before:
            write_json(path, after)
    changes.new += before is None
    changes.agree += before is not None and largest == 0
    changes.differ += largest > 0
    changes.added += before is not None and largest == 0 and len(after["results"]) > len(before["results"])
    changes.largest = max(changes.largest, largest)
    return path


def thinned_log(path: Path) -> str:
    """At most `LOG_LINES` lines of a training log, evenly spaced, the last always among them; "" without one."""
    lines = read_log(path)
    every = -(-len(lines) // LOG_LINES) or 1
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines[::-1][::every][::-1])


def publish_plan(plan: TablePlan, folder: Path = RUNS) -> Changes:
    """Put all finished runs of a plan into the ledger; what the store lacks there stays as it is."""
    changes = Changes()
    for run in plan.runs:
        if is_complete(run, Store(folder)):
            publish_run(run, plan.ledger, folder, changes)
    return changes


def published_record(run: Run, plan: TablePlan) -> dict[str, Any] | None:
    """A run's record in the ledger; None where it is absent or lacks an evaluation."""
    path = plan.ledger / f"{run.name}.json"
    if not is_file_there(path):
        return None
    record = read_json(path)
    require_record(record, run.name, str(path), "ledger")
    return record if has_every_result(run, record["results"]) else None


def stored_record(run: Run, folder: Path) -> dict[str, Any] | None:
    """A run's record in the store; None where it was not run, or not to its end."""
    return ledger_record(run, Store(folder)) if is_complete(run, Store(folder)) else None


def find_record(run: Run, plan: TablePlan, folder: Path, own_first: bool = False) -> dict[str, Any] | None:
    """A run's record: from the ledger, else from the store, or the other way round; None where neither has it."""
    if own_first:
        return stored_record(run, folder) or published_record(run, plan)
    return published_record(run, plan) or stored_record(run, folder)
