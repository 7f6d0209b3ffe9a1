"""Facts for the gates, from a table's results: floors on the same table, and how each training behind a cell ended."""

from typing import Any

from sslrepro import papers
from sslrepro.claims.gates import Facts, Level, run_of
from sslrepro.claims.statistics import Key
from sslrepro.data.shapes import LEVELS

ACCURACIES = ("linear_", "knn_", "few_", "nmi")  # scores that an untrained encoder has too
FLOORS = ("random", "pixels")


def facts_of(results: Any) -> dict[Key, Facts]:
    """(table, row, column) and (paper, name) -> facts, of a `study.results.Results`."""
    definition = results.definition
    facts = {
        (definition.id, row, column): cell_facts(results, row, column)
        for row in definition.ours
        for column in definition.columns
    }
    if definition.values:
        paper = papers.table(definition.id)["paper"]
        for name, (row, column) in definition.values.items():
            facts[(paper, name)] = facts[(definition.id, row, column)]
    return facts


def cell_facts(results: Any, row: str, column: str) -> Facts:
    """The facts of one cell; of a derived one, those of both its ends."""
    ends = ends_of(results, row, column)
    levels = [level for end in ends if (level := level_of(results, *end)) is not None]
    runs: dict[int, tuple[Any, ...]] = {}
    for end_row, end_column in ends:
        for record in results.of(end_row, end_column):
            config = record.get("config", {})
            run = run_of(record, classes_of(results, config), f"{end_row}, seed {config.get('seed')}")
            runs[config.get("seed")] = (*runs.get(config.get("seed"), ()), run)
    return Facts(tuple(levels), runs)


def ends_of(results: Any, row: str, column: str) -> list[tuple[str, str]]:
    """The measured cells behind a cell: itself, or the two whose difference it is."""
    about = results.definition.column(column)
    if not about.is_derived:
        return [(row, column)]
    if about.minus:
        return [(row, about.of), (row, about.minus)]
    return [(row, about.of), (about.minus_row[row], about.of)] if row in about.minus_row else []


def level_of(results: Any, row: str, column: str) -> Level | None:
    """The cell with its floors; None where an untrained encoder has no such score, or nothing was run."""
    definition = results.definition
    cell = results.at(row, column)
    if cell is None or not results.score(row, column).startswith(ACCURACIES):
        return None
    floors = {name: results.at(name, column, control=True) for name in FLOORS if name in definition.controls}
    if "random" not in floors and "random" in definition.columns:
        floors["random"] = results.at(row, "random")
    return Level(cell, {name: under for name, under in floors.items() if under is not None}, f"{row}, {column}")


def classes_of(results: Any, config: dict[str, Any]) -> int:
    """Classes of a run's images: of its level of the tree, or of the set."""
    data = config.get("data", {})
    coarse = {name: count for count, name in LEVELS.items() if name != "shapes"}
    return coarse.get(data.get("name", "")) or data.get("classes") or results.plan.profile.classes
