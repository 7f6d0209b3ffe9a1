"""A reader's own runs beside the published ones, cell by cell; and what replications on other machines found.

Two machines of different processors seldom agree to the bit: sums are taken in another order, and training carries
the difference on. A cell that differs by no more than another seed would is therefore said to agree.
"""

import datetime
import hashlib
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from sslrepro.base.errors import require
from sslrepro.base.paths import PROJECT
from sslrepro.base.store import read_json, write_json
from sslrepro.claims import Cell
from sslrepro.study.plans import TablePlan
from sslrepro.study.results import Results, cell_of, own_results, paired_differences, published_results

REPLICATIONS = PROJECT / "book" / "replications"
OUTCOMES = {
    "same": "same to the bit",
    "agrees": "agrees within seed noise",
    "differs": "differs",
    "undecided": "differs, and with one seed published nothing says by how much seeds do",
}


@dataclass(frozen=True)
class CellComparison:
    """A cell of a table, ours and the published one, over the seeds that both have; in the column's unit.

    control     whether the row is a control
    outcome     a key of OUTCOMES
    difference  mean of ours minus published
    low, high   with several seeds the 95% interval of the difference, which holds 0 where the cell agrees; with one
                seed the interval about the published mean in which one further run falls with 95%, minus that mean
    n           seeds compared
    """

    row: str
    column: str
    control: bool
    own: Cell
    published: Cell
    outcome: str
    difference: float
    low: float
    high: float
    n: int


def new_run_half_width(cell: Cell) -> float:
    """Half the 95% interval in which one further run of a cell falls, about its mean; NaN for one seed.

    t(n - 1) * sd * sqrt(1 + 1/n).
    """
    if cell.n < 2:
        return math.nan
    return float(stdtrit(cell.n - 1, 0.975)) * cell.sd * math.sqrt(1 + 1 / cell.n)


def compare_values(own: dict[int, float], published: dict[int, float]) -> tuple[str, float, float, float, int] | None:
    """(outcome, difference, low, high, seeds compared) of a cell's values by seed; None where no seed is in both."""
    gaps = paired_differences(own, published)
    if not gaps:
        return None
    cell = cell_of(gaps)
    if all(gap == 0 for gap in gaps.values()):
        return "same", 0.0, 0.0, 0.0, cell.n
    if cell.n > 1:
        low, high = cell.mean - cell.half_width, cell.mean + cell.half_width
        return "agrees" if low <= 0 <= high else "differs", cell.mean, low, high, cell.n
    half = new_run_half_width(cell_of(published))
    if math.isnan(half):
        return "undecided", cell.mean, math.nan, math.nan, 1
    difference = own[next(iter(gaps))] - cell_of(published).mean
    return "agrees" if abs(difference) <= half else "differs", difference, -half, half, 1


def compare_results(own: Results, published: Results) -> list[CellComparison]:
    """Every measured cell that both have, rows first, then the controls."""
    definition = own.definition
    lines = [(row, False) for row in definition.ours] + [(name, True) for name in definition.controls]
    cells = []
    for row, control in lines:
        for column in definition.score_columns:
            ours, theirs = (results.values_by_seed(row, column, control) for results in (own, published))
            compared = compare_values(ours, theirs)
            if compared is not None:
                cells.append(CellComparison(row, column, control, cell_of(ours), cell_of(theirs), *compared))
    return cells


def compare_with_ledger(plan: TablePlan, folder: Path) -> list[CellComparison]:
    """The runs of a folder beside the ledger's; [] where nothing is published."""
    return compare_results(own_results(plan, folder), published_results(plan))


def counts_of(cells: list[CellComparison]) -> dict[str, int]:
    """Outcome -> how many cells have it, in the order of OUTCOMES."""
    counted = Counter(cell.outcome for cell in cells)
    return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}


# --- what others found ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replication:
    """A table that was derived again from scratch somewhere, in numbers.

    table, profile, seeds   what was run
    processor, torch        where
    date                    of the day it was compared, YYYY-MM-DD
    commit                  of the code that trained it, where that is known
    cells                   outcome -> number of cells
    largest                 {row, column, difference, published} of the cell that is furthest off, as a share of
                            the interval that it is judged by; {} where all are the same
    """

    table: str
    profile: str
    seeds: int
    processor: str
    torch: str
    date: str
    commit: str | None
    cells: dict[str, int]
    largest: dict[str, Any]


def replication_of(own: Results, cells: list[CellComparison], today: datetime.date | None = None) -> Replication:
    """What a comparison found, as it is kept; raises ValueError where nothing was compared."""
    require(bool(cells), "replication", "cells", "some that both the ledger and these runs have", 0)
    places = [record["environment"] for record in own.records()]
    unlike = [cell for cell in cells if cell.outcome != "same"]
    largest = max(unlike, key=_distance, default=None)
    return Replication(
        own.definition.id,
        own.plan.profile.name,
        own.plan.seeds,
        _only({place["device"] for place in places}),
        _only({place["torch"] for place in places}),
        (today or datetime.date.today()).isoformat(),
        _only({place.get("commit") for place in places if place.get("commit")}) or None,
        counts_of(cells),
        {}
        if largest is None
        else {
            "row": largest.row,
            "column": largest.column,
            "difference": largest.difference,
            "published": largest.published.mean,
        },
    )


def _distance(cell: CellComparison) -> float:
    half = (cell.high - cell.low) / 2
    return abs(cell.difference) / half if half > 0 else math.inf


def _only(values: set[str]) -> str:
    return "; ".join(sorted(values))


def publish_replication(replication: Replication, folder: Path | None = None) -> Path:
    """Keep a replication among the published ones; the same table on the same machine and torch replaces its last."""
    mark = json.dumps([replication.processor, replication.torch, replication.seeds])
    name = f"{replication.table}-{replication.profile}-{hashlib.sha256(mark.encode()).hexdigest()[:8]}.json"
    path = (folder or REPLICATIONS) / name
    write_json(path, asdict(replication))
    return path


def read_replications(
    table: str | None = None, profile: str | None = None, folder: Path | None = None
) -> list[Replication]:
    """All published replications, of a table and at a scale where those are named, by table, scale and date."""
    replications = []
    for path in sorted((folder or REPLICATIONS).glob("*.json")):
        record = read_json(path)
        complete = isinstance(record, dict) and record.keys() == Replication.__dataclass_fields__.keys()
        require(complete, "replication", str(path), "a replication's fields", record)
        replications.append(Replication(**record))
    replications = [r for r in replications if table in (None, r.table) and profile in (None, r.profile)]
    return sorted(replications, key=lambda r: (r.table, r.profile, r.date, r.processor))


def agreement_of(replications: list[Replication]) -> str:
    """How often others' machines agreed with the published cells, as a sentence; "" where nobody has tried."""
    if not replications:
        return ""
    total = Counter[str]()
    for replication in replications:
        total.update(replication.cells)
    cells, agreed = sum(total.values()), total["same"] + total["agrees"]
    machines = len({replication.processor for replication in replications})
    return (
        f"Derived again from scratch on {machines} other {'machine' if machines == 1 else 'machines'}: {agreed} of "
        f"{cells} cells agree within seed noise, {total['same']} of them to the bit."
    )
