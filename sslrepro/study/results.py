"""A table's results: its plan with every number the ledger or the store holds, and its verdicts."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sslrepro import papers, tables
from sslrepro.base.paths import RUNS
from sslrepro.base.store import result_key
from sslrepro.claims import Cell, Verdict, judge
from sslrepro.study.facts import facts_of
from sslrepro.study.ledger import find_record, published_record, stored_record
from sslrepro.study.plans import TablePlan, control_key, plan_table
from sslrepro.study.run import Run
from sslrepro.tables.definition import Column, Definition

NOTHING: dict[str, dict[str, float]] = {"scores": {}}


@dataclass(frozen=True)
class Results:
    """A table with our numbers: what reports are made from.

    known   name of a run -> its record ({config, environment, results}); runs that were not done are absent
    own     folder of runs that stand before the published ones also for other tables that claims read; None: the
            ledger alone
    """

    plan: TablePlan
    known: dict[str, dict[str, Any]]
    own: Path | None = None

    @property
    def definition(self) -> Definition:
        """The table's definition."""
        return self.plan.definition

    def of(self, row: str, column: str = "") -> list[dict[str, Any]]:
        """The records behind a cell (`TablePlan.of`), one per seed that was run; a control goes by its own name."""
        return [self.known[run.name] for run in self._runs(row, column) if run.name in self.known]

    def _runs(self, row: str, column: str = "") -> list[Run]:
        return self.plan.of(row if row in self.definition.ours else control_key(row), column)

    @property
    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of the paper that has a definition -> records of its own run; [] where it was not run."""
        return {row: self.of(row) for row in self.definition.rows}

    @property
    def controls(self) -> dict[str, list[dict[str, Any]]]:
        """The same of the controls."""
        return {
            name: [self.known[r.name] for r in self.plan.of(control_key(name)) if r.name in self.known]
            for name in self.definition.controls
        }

    def by_seed(self, row: str, score: str, column: str = "", control: bool = False) -> dict[int, float]:
        """Seed -> a score of the run behind a cell, as stored (accuracies in [0, 1])."""
        values = {}
        for run in self.plan.of(control_key(row), column) if control else self._runs(row, column):
            value = score_of(self.known.get(run.name, {"results": {}})["results"], run, score)
            if value is not None:
                values[run.seed] = value
        return values

    def values(self, row: str, score: str) -> list[float]:
        """A score of a row's or control's own run, one value per seed, as stored."""
        return list(self.by_seed(row, score).values())

    def cell(self, row: str, score: str, factor: float = 100.0) -> Cell | None:
        """Mean and spread over seeds of a row's or control's own run, in percent by default; None where not run."""
        return cell_of({seed: factor * value for seed, value in self.by_seed(row, score).items()})

    def control_cell(self, name: str, score: str, factor: float = 100.0) -> Cell | None:
        """The same of a control, where a row may have its name."""
        return cell_of({seed: factor * value for seed, value in self.by_seed(name, score, control=True).items()})

    def at(self, row: str, column: str, control: bool = False) -> Cell | None:
        """The cell of a row (variant, control) and a column of the table, in the column's unit; None where not run."""
        return cell_of(self.values_by_seed(row, column, control), self._source(row, column, control))

    def values_by_seed(self, row: str, column: str, control: bool = False) -> dict[int, float]:
        """Seed -> value of a cell in the column's unit; derived cells only for seeds that both of their ends have."""
        about = self.definition.column(column)
        if not about.is_derived:
            values = self.by_seed(row, self.score(row, column), column, control)
            return {seed: about.factor * value for seed, value in values.items()}
        ends = self._ends(about, row)
        if ends is None or (about.minus_row and control):
            return {}
        return paired_differences(*(self.values_by_seed(*end, control) for end in ends))

    def score(self, row: str, column: str) -> str:
        """Our result name of a measured cell: the column's, with what the paper's row says in the place of braces."""
        transcribed = papers.table(self.definition.id)["rows"] if self.definition.notebook == "table" else []
        printed = next((line for line in transcribed if line["row"] == row), {})
        return self.definition.column(column).score.format_map(printed)

    @staticmethod
    def _ends(column: Column, row: str) -> tuple[tuple[str, str], tuple[str, str]] | None:
        if column.minus:
            return (row, column.of), (row, column.minus)
        return ((row, column.of), (column.minus_row[row], column.of)) if row in column.minus_row else None

    def _source(self, row: str, column: str, control: bool) -> str:
        """What a cell was measured from: equal for cells of the same runs and score, in whatever table."""
        about = self.definition.column(column)
        if about.is_derived:
            ends = self._ends(about, row) or ()
            return " minus ".join(self._source(*end, control) for end in ends)
        runs = self.plan.of(control_key(row), column) if control else self._runs(row, column)
        return f"{self.score(row, column)} x {about.factor} of {', '.join(run.name for run in runs)}"

    def difference(self, high: tuple[str, str], low: tuple[str, str]) -> Cell | None:
        """One cell minus another, (row, column) each, paired over the seeds that both have."""
        return cell_of(paired_differences(self.values_by_seed(*high), self.values_by_seed(*low)))

    def cells(self) -> dict[tuple[str, str, str], Cell]:
        """(table, row, column) -> cell, for claims: measured and derived columns of the paper's rows and ours."""
        cells = {
            (self.definition.id, row, column): self.at(row, column)
            for row in self.definition.ours
            for column in self.definition.columns
        }
        return {key: cell for key, cell in cells.items() if cell is not None}

    def measured_values(self) -> dict[tuple[str, str], Cell]:
        """(paper, name) -> cell, for claims that read numbers of the paper's text."""
        if not self.definition.values:
            return {}
        paper = papers.table(self.definition.id)["paper"]
        cells = {(paper, name): self.at(*where) for name, where in self.definition.values.items()}
        return {key: cell for key, cell in cells.items() if cell is not None}

    @cached_property
    def elsewhere(self) -> list["Results"]:
        """What is published, at the same scale, of the other tables that this one's claims read."""
        if self.own is not None:
            return [read_results(plan, self.own, own_first=True) for plan in related_plans(self.plan)]
        return [published_results(plan) for plan in related_plans(self.plan)]

    def verdicts(self) -> list[Verdict]:
        """One per claim of the paper that rests on this table or reads a value it measures; none for a table of ours.

        Cells and values of other tables stand in from the ledger, where those tables are published at this scale.
        """
        return list(self._verdicts)

    @cached_property
    def _verdicts(self) -> list[Verdict]:
        definition, cells, values, facts = self.definition, {}, {}, {}
        for results in (*self.elsewhere, self):
            cells, values = cells | results.cells(), values | results.measured_values()
            facts |= facts_of(results)
        scale = self.plan.profile
        return [judge(claim, cells, values, scale.judged, definition.unrun, definition.adapted, facts,
                      sizes=scale.name == "paper") for claim in claims_of(definition)]  # fmt: skip

    def records(self) -> list[dict[str, Any]]:
        """All records, shared runs once."""
        return [self.known[run.name] for run in self.plan.runs if run.name in self.known]

    def cpu_seconds(self) -> float:
        """Processor time of training and evaluating everything on the table, a shared sampler counted once."""
        lines = [line for record in self.records() for line in record["results"].values()]
        samplers = {
            run.config.sampler.name: score_of(self.known[run.name]["results"], run, "sampler_seconds") or 0.0
            for run in self.plan.runs
            if run.name in self.known and run.config is not None and run.config.sampler is not None
        }
        spent = sum(line.get("seconds", line["scores"].get("seconds", 0.0)) for line in lines)
        return spent + sum(samplers.values())


def score_of(results: dict[str, dict[str, Any]], run: Run, score: str) -> float | None:
    """A score among a run's results: training's own, else that of an evaluation its table asked for, else of any.

    Several may have it, because a run can be evaluated further, by other protocols.
    """
    keys = ["training", *(result_key(*asked) for asked in run.evaluations.items()), *results]
    return next((results[key]["scores"][score] for key in keys if score in results.get(key, NOTHING)["scores"]), None)


def cell_of(values: dict[int, float], source: str = "") -> Cell | None:
    """Mean and spread over seeds; None where there is no seed."""
    return Cell.of(values, source) if values else None


def paired_differences(high: dict[int, float], low: dict[int, float]) -> dict[int, float]:
    """Seed -> difference, for the seeds that both have."""
    return {seed: value - low[seed] for seed, value in high.items() if seed in low}


def claims_of(definition: Definition) -> list[dict[str, Any]]:
    """The claims a table's page judges: those that rest on it, and those that read a value it measures."""
    if definition.notebook != "table":
        return []
    paper = papers.table(definition.id)["paper"]
    resting = {claim["id"] for claim in papers.claims_on(definition.id)}
    read = [f"v('{paper}','{name}')" for name in definition.values]
    return [
        claim
        for claim in papers.claims().values()
        if claim["id"] in resting or any(value in (papers.expression(claim) or "") for value in read)
    ]


def related_plans(plan: TablePlan) -> list[TablePlan]:
    """Plans, at the same scale, of the other tables whose cells or values the claims of this one read."""
    definition = plan.definition
    text = " ".join(
        definition.adapted.get(claim["id"]) or papers.expression(claim) or "" for claim in claims_of(definition)
    )
    named = set(re.findall(r"'(\w+)'", text))
    values = set(re.findall(r"v\('(\w+)','(\w+)'\)", text))
    return list(_related_plans(plan, named, values)) if text else []


def _related_plans(plan: TablePlan, named: set[str], values: set[tuple[str, str]]) -> Iterator[TablePlan]:
    for table in tables.names():
        if table == plan.definition.id:
            continue
        other = tables.definition(table)
        paper = papers.table(table)["paper"] if other.values else ""
        if table in named or any((paper, value) in values for value in other.values):
            with contextlib.suppress(ValueError):  # its images are not at hand, so nothing of it is published
                yield plan_table(table, plan.profile.base, None, plan.profile.dataset)


def read_results(plan: TablePlan, folder: Path = RUNS, own_first: bool = False) -> Results:
    """What is known of a plan; rows with a missing seed keep those they have.

    folder     of all runs, read where the ledger has none
    own_first  the other way round: the runs in `folder`, and the ledger where they lack one
    """
    records = {run.name: find_record(run, plan, folder, own_first) for run in plan.runs}
    return Results(plan, _present(records), folder if own_first else None)


def published_results(plan: TablePlan) -> Results:
    """What the ledger alone holds of a plan."""
    return Results(plan, _present({run.name: published_record(run, plan) for run in plan.runs}))


def own_results(plan: TablePlan, folder: Path) -> Results:
    """What a folder of runs alone holds of a plan."""
    return Results(plan, _present({run.name: stored_record(run, folder) for run in plan.runs}), folder)


def _present(records: dict[str, dict[str, Any] | None]) -> dict[str, dict[str, Any]]:
    return {name: record for name, record in records.items() if record is not None}
