"""Which runs a table needs at a profile: its definition's rows and columns as tasks, one per seed. Trains nothing."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sslrepro import evaluate, tables
from sslrepro.base.errors import require
from sslrepro.base.paths import LEDGER
from sslrepro.base.store import read_json
from sslrepro.data import folders
from sslrepro.data.dataset import SHAPES, DataConfig
from sslrepro.data.datasets import resolve
from sslrepro.study.profiles import Profile, on_dataset, profile
from sslrepro.study.run import Run, merge_runs
from sslrepro.tables.definition import RUN, Definition


@dataclass(frozen=True)
class TablePlan:
    """A table at a profile: the tasks of its cells, one per seed.

    cells   (row, variant or control; column) -> tasks; "" stands for every column that sets nothing itself. Cells
            that are the same run hold equal tasks
    """

    definition: Definition
    profile: Profile
    seeds: int
    cells: dict[tuple[str, str], list[Run]]

    def of(self, row: str, column: str = "") -> list[Run]:
        """The tasks behind a cell; without a column, of the row's own run, or of its first where it has none."""
        key = row, run_of(self.definition, column)
        if key in self.cells or column:
            return self.cells.get(key, [])
        return next((tasks for (name, _), tasks in self.cells.items() if name == row), [])

    @property
    def rows(self) -> dict[str, list[Run]]:
        """The paper's rows that are run here -> the tasks of the row's own run."""
        return {row: found for row in self.definition.rows if (found := self.of(row))}

    @property
    def controls(self) -> dict[str, list[Run]]:
        """The same of the controls."""
        return {name: found for name in self.definition.controls if (found := self.of(control_key(name)))}

    @property
    def left_out(self) -> dict[str, str]:
        """Rows that cannot be had on these images -> the reason."""
        return {row: reason for row, given in self.definition.ours.items() if (reason := self.profile.lacks(given))}

    @property
    def tasks(self) -> list[Run]:
        """Every distinct task, in the order they run: seed by seed, so that a killed table has whole seeds."""
        return merge_runs([group[seed] for seed in range(self.seeds) for group in self.cells.values()])

    @property
    def ledger(self) -> Path:
        """The committed folder of this profile's results."""
        return LEDGER / self.profile.name


def run_of(definition: Definition, column: str) -> str:
    """The column whose runs a column's cells are; "" for those of the row itself."""
    if not column:
        return ""
    given = definition.column(column)
    if given.derived:
        return run_of(definition, given.of)
    return column if given.sets else ""


def control_key(name: str) -> str:
    """A control's key among the cells: a row may have its name."""
    return f"control {name}"


def plan_table(
    table: str,
    profile_name: str = "cpu",
    seeds: int | None = None,
    dataset: str | None = None,
    root: str | Path | None = None,
) -> TablePlan:
    """Which tasks a table needs; trains nothing.

    seeds     number of seeds, 0..seeds-1; default the definition's or the profile's
    dataset   other images than the profile's own (cifar10, ...), read from `root`
    """
    definition = tables.definition(table)
    base = scale_of(definition, profile_name, dataset, root)
    reason = lacking_at(definition, base)
    require(not reason, f"profiles.{base.name}", "images", f"such as {table} can be had on", base.data.name, reason)
    n = (definition.seeds or base.seeds if base.judged else base.seeds) if seeds is None else seeds
    require(n >= 1, "study.plan", "seeds", ">= 1", n)
    for name, given in definition.evaluations.items():
        same = name not in base.evaluations or base.evaluations[name] == given
        require(same, f"tables.{table}", "evaluations", f"others than those of {base.name}", name)
    protocols = {name: evaluate.protocol(name, given)
                 for name, given in (base.evaluations | definition.evaluations).items()}  # fmt: skip
    marks: dict[str, str] = {}
    known: dict[str, list[Run]] = {}

    def tasks(method: str, given: dict[str, Any], pixels: bool = False) -> list[Run]:
        key = json.dumps([method, given, pixels], sort_keys=True)
        if key not in known:
            known[key] = [task(method, seed, given, pixels) for seed in range(n)]
        return known[key]

    def task(method: str, seed: int, given: dict[str, Any], pixels: bool) -> Run:
        config = base.config(method, seed, given)
        if config.data.name not in marks:
            marks[config.data.name] = fingerprint_of(config.data, base, root)
        config = replace(config, data=replace(config.data, fingerprint=marks[config.data.name]))
        return Run(config.data, seed, protocols, None if pixels else config)

    def row(given: dict[str, Any]) -> list[Run]:
        inner = {name: value for name, value in given.items() if name != "method"}
        return tasks(given.get("method", definition.method), inner)

    def control(name: str, given: dict[str, Any]) -> list[Run]:
        if name == "random":
            return tasks("simclr", given | {"epochs": 0})
        return tasks("simclr" if name == "pixels" else name, given, name == "pixels")

    run_here = {name: given for name, given in definition.ours.items()
                if runs_here(definition, base, name) and not base.lacks(given)}  # fmt: skip
    common = shared([run_here[name] for name in definition.rows if name in run_here])
    cells: dict[tuple[str, str], list[Run]] = {}
    for column, sets in columns_of(definition).items():
        cells |= {(name, column): row(given | sets) for name, given in run_here.items()}
    for column, sets in columns_of(definition).items():
        inner = {name: value for name, value in sets.items() if name in RUN}
        if inner.keys() == sets.keys():  # where a column is a method of its own, a control has no cell
            cells |= {(control_key(name), column): control(name, common | inner) for name in definition.controls}
    return TablePlan(definition, base, n, cells)


def lacking(table: str, profile_name: str, dataset: str | None = None, root: str | Path | None = None) -> str:
    """Why a table cannot be had at a scale, for lack of all its rows or of a column; "" where it can."""
    definition = tables.definition(table)
    return lacking_at(definition, scale_of(definition, profile_name, dataset, root))


def lacking_at(definition: Definition, base: Profile) -> str:
    """The same on given images."""
    rows = [base.lacks(given) for given in definition.ours.values()]
    columns = [base.lacks(column.sets) for column in definition.measured.values()]
    return next(filter(None, columns), "") or (rows[0] if rows and all(rows) else "")


def scale_of(definition: Definition, profile_name: str, dataset: str | None, root: str | Path | None) -> Profile:
    """A profile on a table's images, with the levels of their class tree where the table asks for levels."""
    base = on_dataset(profile(profile_name), dataset)
    given = [*definition.ours.values(), *(column.sets for column in definition.measured.values())]
    if not any("classes" in one for one in given) or not base.runnable or base.data.name in (*SHAPES, "digits"):
        return base
    return replace(base, levels=folders.levels(base.data.name, root) if root is not None else noted_levels(base))


def noted_levels(base: Profile) -> dict[str, int]:
    """The levels of the class tree that the ledger's runs used, by the fingerprints of their images."""
    noted, found, leaves = LEDGER / base.name / "data.json", {}, 0
    for name, mark in (read_json(noted) if noted.exists() else {}).items():
        level = name.removeprefix(f"{base.data.name}-")
        told = re.search(rf"-{re.escape(level)}-[0-9a-f]{{8}}-(\d+)-of-(\d+)$", mark)
        if level != name and told:
            found[level], leaves = int(told[1]), int(told[2])
    return dict(sorted(found.items(), key=lambda pair: pair[1])) | ({"leaf": leaves} if found else {})


def columns_of(definition: Definition) -> dict[str, dict[str, Any]]:
    """Columns with runs of their own -> what they set; first "" -> {} where any result is of the row's own run."""
    own = {name: column.sets for name, column in definition.measured.items() if column.sets}
    plain = definition.also or len(own) < len(definition.measured) or not own
    return ({"": {}} if plain else {}) | own


def shared(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of the run on which all rows agree: the controls get the same budget."""
    first = rows[0] if rows else {}
    return {name: first[name] for name in RUN if name in first and all(row.get(name) == first[name] for row in rows)}


def runs_here(definition: Definition, base: Profile, row: str) -> bool:
    """Whether a row is run at a scale: small scales leave out what `only` does."""
    small = base.name.partition("-")[0] in ("smoke", "cpu", "night")
    return not definition.only or not small or row in definition.only or row in definition.variants


def fingerprint_of(data: DataConfig, base: Profile, root: str | Path | None) -> str:
    """The fingerprint of the images: of those under the root, or, without a root, of those the ledger was made on."""
    noted = LEDGER / base.name / "data.json"
    if not base.runnable:
        return ""
    if root is None and noted.exists() and data.name in (marks := read_json(noted)):
        return marks[data.name]
    return resolve(data, root).fingerprint
