"""Which runs a table needs at a profile: its definition's rows and columns as runs, one per seed. Trains nothing."""

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
from sslrepro.study.equal_terms import config_of_row
from sslrepro.study.profiles import Profile, on_dataset, profile
from sslrepro.study.run import Run, merge_runs
from sslrepro.tables.definition import RUN, Definition
from sslrepro.training.config import RunConfig


@dataclass(frozen=True)
class TablePlan:
    """A table at a profile: the runs of its cells, one per seed.

    cells   (row, variant or control; column) -> runs; "" stands for every column that sets nothing itself. Cells
            that are the same run hold equal runs
    """

    definition: Definition
    profile: Profile
    seeds: int
    cells: dict[tuple[str, str], list[Run]]

    def of(self, row: str, column: str = "") -> list[Run]:
        """The runs behind a cell; without a column, of the row's own run, or of its first where it has none."""
        key = row, run_of(self.definition, column)
        if key in self.cells or column:
            return self.cells.get(key, [])
        return next((runs for (name, _), runs in self.cells.items() if name == row), [])

    def config_of(self, row: str, column: str = "") -> RunConfig:
        """The configuration behind a cell, as captions describe it; of another row where the plan has not this one."""
        groups = self.of(row, column), *self.cells.values()
        return next(run.config for runs in groups for run in runs if run.config is not None)

    @property
    def rows(self) -> dict[str, list[Run]]:
        """The paper's rows that are run here -> the row's own run, one per seed."""
        return {row: runs for row in self.definition.rows if (runs := self.of(row))}

    @property
    def controls(self) -> dict[str, list[Run]]:
        """The same of the controls."""
        return {name: runs for name in self.definition.controls if (runs := self.of(control_key(name)))}

    @property
    def left_out(self) -> dict[str, str]:
        """Rows that cannot be had on these images -> the reason."""
        return {row: reason for row, sets in self.definition.ours.items() if (reason := self.profile.lacks(sets))}

    @property
    def runs(self) -> list[Run]:
        """Every distinct run, in the order they run: seed by seed, so that a killed table has whole seeds."""
        return merge_runs([group[place] for place in range(self.seeds) for group in self.cells.values()])

    @property
    def ledger(self) -> Path:
        """The committed folder of this profile's results."""
        return LEDGER / self.profile.name


def run_of(definition: Definition, column: str) -> str:
    """The column whose runs a column's cells are; "" for those of the row itself."""
    if not column:
        return ""
    entry = definition.column(column)
    if entry.is_derived:
        return run_of(definition, entry.of)
    return column if entry.sets else ""


def control_key(name: str) -> str:
    """A control's key among the cells: a row may have its name."""
    return f"control {name}"


MOST_SEEDS = 1000  # more are a slip of the hand


def plan_table(
    table: str | Definition,
    profile_name: str = "cpu",
    seeds: int | None = None,
    dataset: str | None = None,
    root: str | Path | None = None,
    read_images: bool = True,
    count_only: bool = False,
) -> TablePlan:
    """Which runs a table needs; trains nothing.

    table        its id, or a definition that has no file
    seeds        number of seeds, from the definition's first on; default the definition's or the profile's
    dataset      other images than the profile's own (cifar10, ...), read from `root`
    read_images  False: images that the ledger does not know are looked for, not read, and have no fingerprint. The
                 names of their runs then lack what the images add to them
    count_only   True: images are not even looked for; for counting runs and their steps
    """
    definition = tables.definition(table) if isinstance(table, str) else table
    table, scale = definition.id, scale_of(definition, profile_name, dataset, root)
    definition = definition.on(scale.data.name)
    reason = reason_missing_at(definition, scale)
    require(not reason, f"profiles.{scale.name}", "images", f"such as {table} can be had on", scale.data.name, reason)
    n = (definition.seeds or scale.seeds if scale.judged else scale.seeds) if seeds is None else seeds
    require(n >= 1, "study.plan", "seeds", ">= 1", n)
    require(n <= MOST_SEEDS, "study.plan", "seeds", f"<= {MOST_SEEDS:,}", n)
    first = definition.first_seed if scale.judged else 0  # at smoke all tables share their runs
    for name, settings in definition.evaluations.items():
        same = name not in scale.evaluations or scale.evaluations[name] == settings
        require(same, f"tables.{table}", "evaluations", f"others than those of {scale.name}", name)
    protocols = {
        name: evaluate.protocol(name, settings | scale.shortened.get(name, {}))
        for name, settings in (scale.evaluations | definition.evaluations).items()
    }
    marks: dict[str, str] = {}
    runs_of: dict[str, list[Run]] = {}

    def runs(method: str, sets: dict[str, Any], pixels: bool = False) -> list[Run]:
        key = json.dumps([method, sets, pixels], sort_keys=True)
        if key not in runs_of:
            runs_of[key] = [run(method, seed, sets, pixels) for seed in range(first, first + n)]
        return runs_of[key]

    def run(method: str, seed: int, sets: dict[str, Any], pixels: bool) -> Run:
        config = (config_of_row if definition.fair else Profile.config)(scale, method, seed, sets)
        if config.data.name not in marks:
            fingerprint = fingerprint_of if read_images else noted_fingerprint
            marks[config.data.name] = "" if count_only else fingerprint(config.data, scale, root)
        config = replace(config, data=replace(config.data, fingerprint=marks[config.data.name]))
        if pixels:  # nothing is trained: they have features alone
            of_features = {name: protocol for name, protocol in protocols.items() if evaluate.of_features(name)}
            return Run(config.data, seed, of_features)
        return Run(config.data, seed, protocols, config)

    def row(sets: dict[str, Any]) -> list[Run]:
        inner = {name: value for name, value in sets.items() if name != "method"}
        return runs(sets.get("method", definition.method), inner)

    def control(name: str, sets: dict[str, Any]) -> list[Run]:
        if name == "random":
            return runs("simclr", sets | {"epochs": 0})
        return runs("simclr" if name == "pixels" else name, sets, name == "pixels")

    run_here = {
        name: sets
        for name, sets in definition.ours.items()
        if runs_here(definition, scale, name) and not scale.lacks(sets)
    }
    common = shared_settings([run_here[name] for name in definition.rows if name in run_here])
    cells: dict[tuple[str, str], list[Run]] = {}
    for column, more in columns_of(definition).items():
        cells |= {(name, column): row(sets | more) for name, sets in run_here.items()}
    for column, more in columns_of(definition).items():
        inner = {name: value for name, value in more.items() if name in RUN}
        if inner.keys() == more.keys():  # where a column is a method of its own, a control has no cell
            cells |= {(control_key(name), column): control(name, common | inner) for name in definition.controls}
    return TablePlan(definition, scale, n, cells)


def reason_missing(table: str, profile_name: str, dataset: str | None = None, root: str | Path | None = None) -> str:
    """Why a table cannot be had at a scale, for lack of all its rows or of a column; "" where it can."""
    definition = tables.definition(table)
    return reason_missing_at(definition, scale_of(definition, profile_name, dataset, root))


def reason_missing_at(definition: Definition, scale: Profile) -> str:
    """The same on given images."""
    rows = [scale.lacks(sets) for sets in definition.ours.values()]
    columns = [scale.lacks(column.sets) for column in definition.score_columns.values()]
    return next(filter(None, columns), "") or (rows[0] if rows and all(rows) else "")


def scale_of(definition: Definition, profile_name: str, dataset: str | None, root: str | Path | None) -> Profile:
    """A profile on a table's images, with the levels of their class tree where the table asks for levels."""
    scale = on_dataset(profile(profile_name), dataset)
    all_sets = [*definition.ours.values(), *(column.sets for column in definition.score_columns.values())]
    if not any("classes" in sets for sets in all_sets) or not scale.runnable or scale.data.name in (*SHAPES, "digits"):
        return scale
    return replace(scale, levels=folders.levels(scale.data.name, root) if root is not None else noted_levels(scale))


def noted_levels(scale: Profile) -> dict[str, int]:
    """The levels of the class tree that the ledger's runs used, by the fingerprints of their images."""
    levels, leaves = {}, 0
    for name, mark in noted_fingerprints(scale).items():
        level = name.removeprefix(f"{scale.data.name}-")
        numbers = re.search(rf"-{re.escape(level)}-[0-9a-f]{{8}}-(\d+)-of-(\d+)$", mark)
        if level != name and numbers:
            levels[level], leaves = int(numbers[1]), int(numbers[2])
    return dict(sorted(levels.items(), key=lambda pair: pair[1])) | ({"leaf": leaves} if levels else {})


def columns_of(definition: Definition) -> dict[str, dict[str, Any]]:
    """Columns with runs of their own -> what they set; first "" -> {} where any result is of the row's own run."""
    own = {name: column.sets for name, column in definition.score_columns.items() if column.sets}
    plain = definition.also or len(own) < len(definition.score_columns) or not own
    return ({"": {}} if plain else {}) | own


def shared_settings(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of the run on which all rows agree: the controls get the same budget."""
    first = rows[0] if rows else {}
    return {name: first[name] for name in RUN if name in first and all(row.get(name) == first[name] for row in rows)}


def runs_here(definition: Definition, scale: Profile, row: str) -> bool:
    """Whether a row is run at a scale: small scales leave out what `only` does."""
    small = scale.base in ("smoke", "cpu", "night")
    return not definition.only or not small or row in definition.only or row in definition.variants


def noted_fingerprints(scale: Profile) -> dict[str, str]:
    """Set -> fingerprint of the images that the ledger's runs at a scale were made on."""
    path = LEDGER / scale.name / "data.json"
    return read_json(path) if path.exists() else {}


def fingerprint_of(data: DataConfig, scale: Profile, root: str | Path | None) -> str:
    """The fingerprint of the images: of those under the root, or, without a root, of those the ledger was made on."""
    if not scale.runnable:
        return ""
    noted = noted_fingerprints(scale) if root is None else {}
    return noted[data.name] if data.name in noted else resolve(data, root).fingerprint


def noted_fingerprint(data: DataConfig, scale: Profile, root: str | Path | None) -> str:
    """The fingerprint of the images as far as it is known without reading any: "" where only reading would tell.

    Raises ValueError where the set is neither known to the ledger nor there.
    """
    if not scale.runnable:
        return ""
    if data.name in (*SHAPES, "digits"):
        return resolve(data, root).fingerprint
    noted = noted_fingerprints(scale)
    if root is None and data.name in noted:
        return noted[data.name]
    folders.levels(folders.set_and_level(data.name, root)[0], root)  # raises where the set is missing
    return noted.get(data.name, "")
