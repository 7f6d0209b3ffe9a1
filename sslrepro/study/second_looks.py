"""The second look at a claim that came out contradicted: is the verdict a fault of ours?

Two looks, both fixed before their runs. *Again*: the cells the claim reads, trained from as many seeds that the verdict
has not seen, each with images of its own, judged by the same rule. *Another way* (claims/second_looks.yaml): the
comparison that a suspected fault of ours would turn, with the suspicion in words. The verdict stands as it was judged;
the looks are shown beside it.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sslrepro import papers, tables
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.base.paths import RUNS
from sslrepro.claims import Cell, Verdict, judge
from sslrepro.claims.judge import Case
from sslrepro.study.facts import facts_of
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.results import Results, published_results, read_results, related_plans
from sslrepro.study.rows import with_rows
from sslrepro.study.run import Run, merge_runs

KEYS = ("suspicion", "high", "low", "column", "saw")
HIGH, LOW = "high", "low"


@dataclass(frozen=True)
class Look:
    """A claim's second look.

    table     whose claim it is
    verdict   as judged on the table's own seeds
    again     as judged on later seeds; "not judged" while runs are missing
    """

    table: str
    verdict: Verdict
    again: Verdict


@functools.cache
def suspicions() -> dict[str, dict[str, Any]]:
    """Claim -> suspicion, the comparison that would show it (high, low, column) where there is one, and what we saw.

    high, low   a table's name, one of its rows, and what is set over that row

    Raises ValueError for a claim, table, row or key that does not exist.
    """
    text = resources.files("sslrepro.claims").joinpath("second_looks.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(text) or {}
    for claim, entry in entries.items():
        one_of(claim, papers.claims(), "second_looks", "claim")
        known_keys(entry, KEYS, f"second_looks.{claim}", "key")
        require(bool(entry.get("suspicion")), f"second_looks.{claim}", "suspicion", "given", entry.get("suspicion"))
        require((HIGH in entry) == (LOW in entry), f"second_looks.{claim}", HIGH, "given with low", entry.get(HIGH))
        for end in (HIGH, LOW):
            if end in entry:
                table, row, _ = entry[end]
                one_of(row, tables.definition(table).ours, f"second_looks.{claim}", f"row of {end}")
    return entries


def contradictions(profile: str = "cpu") -> Iterator[tuple[Results, Verdict]]:
    """Every claim that a table at a scale contradicts, with the table's published results."""
    for table in tables.names():
        if tables.definition(table).notebook == "table":
            results = published_results(plan_table(table, profile))
            yield from ((results, verdict) for verdict in results.verdicts() if verdict.verdict == "contradicted")


def later_seeds(plan: TablePlan) -> TablePlan:
    """The plan on as many seeds again, none of them the plan's own."""
    definition, scale = plan.definition, plan.profile
    more = plan_table(definition.id, scale.base, 2 * plan.seeds, scale.dataset)
    return replace(more, seeds=plan.seeds, cells={key: runs[plan.seeds :] for key, runs in more.cells.items()})


def plans_again(results: Results, claim: str) -> list[TablePlan]:
    """On later seeds, the rows of every table that a claim reads."""
    cells, values = cells_and_values([*results.elsewhere, results])
    told = papers.judgements()[claim]
    case = Case(papers.claims()[claim], told, {**cells, **values}, {}, False, "")
    keys = list(case.statistic.tree.keys())
    plans = []
    for plan in (results.plan, *related_plans(results.plan)):
        definition = plan.definition
        paper = papers.table(definition.id)["paper"]
        read = {
            (row, column) for table, row, column in (key for key in keys if len(key) == 3) if table == definition.id
        }
        read |= {place for name, place in definition.values.items() if (paper, name) in keys}
        rows = {row for row, _ in read}
        rows |= {definition.column(column).minus_row.get(row, row) for row, column in read}
        if rows:
            plans.append(with_rows(later_seeds(plan), sorted(rows)))
    return plans


def look_again(results: Results, claim: str, folder: Path = RUNS) -> Verdict:
    """The claim judged on later seeds, from the ledger or the folder."""
    parts = [read_results(plan, folder) for plan in plans_again(results, claim)]
    cells, values = cells_and_values(parts)
    facts: dict[Any, Any] = {}
    for part in parts:
        facts |= facts_of(part)
    definition, scale = results.definition, results.plan.profile
    return judge(papers.claims()[claim], cells, values, scale.judged, {}, definition.adapted, facts)


def another_way(claim: str, profile: str = "cpu") -> TablePlan | None:
    """The comparison noted for a claim as a plan of two rows, "high" and "low"; None where none is noted."""
    entry = suspicions().get(claim, {})
    if HIGH not in entry:
        return None
    rows = {end: _row(*entry[end]) for end in (HIGH, LOW)}
    first = tables.definition(entry[HIGH][0])
    column = entry.get("column", "linear_top1")
    definition = replace(first, rows=rows, variants={}, columns={"score": column}, also=(), effect=(), values={},
                         only=(), adapted={}, unrun={}, controls=(), seeds=3)  # fmt: skip
    return plan_table(definition, profile)


def difference(claim: str, profile: str = "cpu", folder: Path = RUNS) -> Cell | None:
    """High minus low of that comparison, paired over seeds, in points; None where it is not noted or lacks runs."""
    plan = another_way(claim, profile)
    return read_results(plan, folder).difference((HIGH, "score"), (LOW, "score")) if plan else None


def looks(profile: str = "cpu", folder: Path = RUNS) -> list[Look]:
    """The second look at every contradicted claim of a scale."""
    return [
        Look(results.definition.id, verdict, look_again(results, verdict.claim, folder))
        for results, verdict in contradictions(profile)
    ]


def plans_of(profile: str = "cpu") -> list[TablePlan]:
    """Every plan that the second looks of a scale need."""
    plans = []
    for results, verdict in contradictions(profile):
        plans += plans_again(results, verdict.claim)
        plans += [plan] if (plan := another_way(verdict.claim, profile)) else []
    return plans


def runs_of(profile: str = "cpu") -> list[Run]:
    """Their runs, each once."""
    return merge_runs([run for plan in plans_of(profile) for run in plan.runs])


def _row(table: str, row: str, sets: dict[str, Any]) -> dict[str, Any]:
    definition = tables.definition(table)
    return {"method": definition.method} | definition.ours[row] | sets


def cells_and_values(parts: list[Results]) -> tuple[dict[Any, Cell], dict[Any, Cell]]:
    """Cells and values of several tables."""
    cells: dict[Any, Cell] = {}
    values: dict[Any, Cell] = {}
    for part in parts:
        cells, values = cells | part.cells(), values | part.measured_values()
    return cells, values
