"""From a table's name to its results: plan, train what is missing, read."""

import os
from pathlib import Path

from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.study.ledger import find_record
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, read_results
from sslrepro.study.workers import carry_out


def reproduce(
    table: str,
    profile: str = "cpu",
    seeds: int | None = None,
    dataset: str | None = None,
    root: str | Path | None = None,
    runs: str | Path = RUNS,
    jobs: int = 2,
    device: str = "cpu",
) -> Results:
    """A table's results: from the ledger and the store, training what neither holds. What the notebooks call."""
    root = root or os.environ.get("SSLREPRO_DATA")
    made = plan_table(table, profile, seeds, dataset, root)
    runs = Path(runs)
    absent = [task for task in made.tasks if find_record(task, made, runs) is None]
    if absent:
        require(made.profile.runnable, "study.reproduce", "profile", "smoke, cpu or gpu", profile,
                f"'{profile}' is planned here and run by those who have the machine.")  # fmt: skip
        carry_out(absent, runs, str(root) if root else None, device, jobs)
    return read_results(made, runs)
