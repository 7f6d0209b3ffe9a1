"""The ledger: one small committed file per finished run, written here and nowhere else."""

import json
from pathlib import Path
from typing import Any

from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, read_json, read_lines, write_atomic, write_json
from sslrepro.study.plans import TablePlan
from sslrepro.study.run import Run, has_every_result, is_complete, ledger_record


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


def publish_ledger(made: TablePlan, runs: Path = RUNS) -> dict[str, Any]:
    """Merge a plan's runs from the store into the ledger; returns how they compare with what stood there before.

    agree      runs whose scores equal the ledger's before;  differ   the others;  new   runs it did not hold
    added      runs of `agree` that brought further evaluations
    largest    largest absolute difference of a score
    """
    store = Store(runs)
    noted = made.ledger / "data.json"
    marks = {task.data.name: task.data.fingerprint for task in made.tasks}
    write_json(noted, (read_json(noted) if noted.exists() else {}) | marks)
    found = {"agree": 0, "differ": 0, "new": 0, "added": 0, "largest": 0.0}
    for task in made.tasks:
        if not is_complete(task, store):  # of an earlier machine: the ledger has it whole, or it stays missing
            continue
        path = made.ledger / f"{task.name}.json"
        record = ledger_record(task, store)
        if not path.exists():
            found["new"] += 1
            write_json(path, record)
            continue
        before = read_json(path)
        after, gaps = merge_records(before, record)
        largest = max(gaps, default=0.0)
        found["agree" if largest == 0 else "differ"] += 1
        found["added"] += largest == 0 and len(after["results"]) > len(before["results"])
        found["largest"] = max(found["largest"], largest)
        if after != before:
            write_json(path, after)
    return found


def published_record(task: Run, made: TablePlan) -> dict[str, Any] | None:
    """A task's record in the ledger; None where it is absent or lacks an evaluation."""
    path = made.ledger / f"{task.name}.json"
    record = read_json(path) if path.exists() else {"results": {}}
    return record if has_every_result(task, record["results"]) else None


def find_record(task: Run, made: TablePlan, runs: Path) -> dict[str, Any] | None:
    """A task's record: from the ledger, else from the store; None where it was not run."""
    store = Store(runs)
    return published_record(task, made) or (ledger_record(task, store) if is_complete(task, store) else None)


LOG_LINES = 100  # of a run's training log that are kept beside its result


def publish_task(made: TablePlan, task: Run, runs: Path) -> Path:
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
    record = ledger_record(task, store)
    write_json(path, merge_records(read_json(path), record)[0] if path.exists() else record)
    return path
