"""Notebooks that are ready to run at smoke size: for each table and each method one, its parameters filled in.

The book offers them for download, `python -m sslrepro notebook` writes and opens them. Nothing here trains.
"""

import functools
import importlib
import json
import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from sslrepro import methods, papers, tables
from sslrepro.base.errors import one_of
from sslrepro.base.paths import NOTEBOOKS, PROJECT
from sslrepro.base.store import write_atomic
from sslrepro.base.values import Range
from sslrepro.explore.compare import SEEDED
from sslrepro.report.publish import dump, normalise
from sslrepro.study.plans import plan_table, run_of
from sslrepro.study.profiles import profile
from sslrepro.tables.definition import Definition
from sslrepro.training.config import RunConfig, flat

WRITTEN = PROJECT / "runs" / "notebooks"
SCALE = "smoke"
MOST_TOGETHER = 3  # settings that change together; with more of them nobody sees what did it
HEADS = ("dim", "hidden", "hidden_predictor", "n_classes")  # what the scale or the images decide: last to be offered


@dataclass(frozen=True)
class StarterNotebook:
    """A notebook with its parameters.

    kind        "table" or "method"
    id          of the table, or the method's name
    title       its heading
    source      the notebook in notebooks/ that it is made from
    parameters  name -> value, in the order of the parameters cell
    onward      Markdown: where to go from it
    """

    kind: str
    id: str
    title: str
    source: str
    parameters: dict[str, Any]
    onward: str

    @property
    def file(self) -> str:
        """Its file name."""
        return f"change-{self.id}.ipynb"

    @property
    def command(self) -> str:
        """The command that opens it."""
        return f"make notebook {self.kind.upper()}={self.id}"

    @property
    def asks(self) -> str:
        """What to change, from what to what: part of a sentence; settings stand in backquotes."""
        parameters = self.parameters
        if "table" in parameters:
            return f"`profile` from {SCALE!r} to 'cpu', or `seeds` from 1 to 3"
        names = [parameters["parameter"]] if isinstance(parameters["parameter"], str) else parameters["parameter"]
        first, *others = [to_words(value) for value in parameters["values"]]
        what = " and ".join(f"`{name}`" for name in names)
        who = "" if parameters["parameter"] == "method" else f" of {parameters['method']}"
        return f"{what}{who} from {first} to {' or '.join(others)}"


def to_words(value: Any) -> str:
    """A value as it stands in the notebook; several that change together with a comma between."""
    return ", ".join(map(repr, value)) if isinstance(value, list) else repr(value)


# --- what to change -----------------------------------------------------------------------------------------------


@functools.cache
def of_table(table: str) -> StarterNotebook:
    """The notebook of a table: what its rows or columns vary, as its own runs at smoke scale have it.

    A table whose runs differ in nothing, in too much, or have no two-cell effect gets its own notebook instead.
    """
    definition = tables.definition(table)
    onward = (
        f"The table, with the paper's numbers, intervals and verdicts: `make reproduce TABLE={table}`, and its "
        "page in the book."
    )
    setting = varied_settings(definition) if definition.ends else None
    if setting is None:
        whole = {"table": table, "profile": SCALE, "seeds": 1, "dataset": None, "root": None, "own": None}
        return StarterNotebook("table", table, definition.title, definition.notebook, whole, onward)
    return StarterNotebook("table", table, definition.title, "change", setting, onward)


@functools.cache
def of_method(name: str) -> StarterNotebook:
    """The notebook of a method: a setting that a table varies for it, else the first of its settings with a scale."""
    title = f"{title_of(name)}: one setting changed"
    onward = (
        f"Every other setting by name, and one run in full: `notebooks/method.ipynb`. The method's page in the "
        f"book has its equation and code. Its row among all: `make reproduce TABLE={ALL}`."
    )
    for table in (table for table in papers.tables() if table in tables.names()):
        of_its_table = of_table(table).parameters
        if of_its_table.get("method") == name and str(of_its_table["parameter"]).startswith("settings."):
            return StarterNotebook("method", name, title, "change", of_its_table, onward)
    parameter, values = own_setting(profile(SCALE).config(name, 0))
    return StarterNotebook("method", name, title, "change", parameters(name, parameter, values), onward)


ALL = "all_methods"


def title_of(method: str) -> str:
    """A method's own name, from the first words of its file."""
    text = (importlib.import_module(f"sslrepro.methods.{method}").__doc__ or method).strip()
    return text.splitlines()[0].partition(":")[0].rstrip(".")


def parameters(
    method: str, parameter: str | list[str], values: list[Any], changes: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The parameters cell of change.ipynb."""
    return {
        "method": method,
        "parameter": parameter,
        "values": values,
        "profile": SCALE,
        "seeds": 1,
        "dataset": None,
        "root": None,
        "changes": changes or {},
    }


def varied_settings(definition: Definition) -> dict[str, Any] | None:
    """Parameters whose runs are runs of the table at smoke scale; None where there are none.

    Two cells are taken that differ in one setting, or in the method alone: those of the table's effect if they do,
    else those with the fewest settings off the method's own. A third value is a row between them.
    """
    plan = plan_table(definition.id, SCALE, 1)
    runs = {key: group[0].config for key, group in plan.cells.items() if key[0] in definition.ours}
    pairs = list(combinations(runs, 2))
    effect = effect_of(definition)
    differences = [(names, pair) for pair in pairs if (names := difference(runs[pair[0]], runs[pair[1]]))]
    differences = [(names, pair) for names, pair in differences if len(names) <= MOST_TOGETHER]
    if not differences:
        return None

    def rank(candidate: tuple[list[str], tuple[Any, Any]]) -> tuple[Any, ...]:
        names, pair = candidate
        about = definition.method in [runs[key].method for key in pair]
        return len(names), set(pair) != set(effect), not about, len(own(runs[pair[0]]).keys() - set(names))

    names, pair = min(differences, key=rank)
    first, last = pair if pair != effect[::-1] else effect
    like = [key for key in runs if difference(runs[first], runs[key]) == names == difference(runs[last], runs[key])]
    chosen = [runs[first], *([runs[like[len(like) // 2]]] if like else []), runs[last]]
    values = [[flat(config)[name] for name in names] for config in chosen]
    method = next((c.method for c in chosen if c.method == definition.method), chosen[0].method)
    changes = {name: value for name, value in own(chosen[0]).items() if name not in names}
    if not changes.keys() <= settings_of(profile(SCALE).config(method, 0)).keys():
        return None  # settings of another base: a change of single settings does not reach them
    return parameters(
        method,
        names[0] if len(names) == 1 else names,
        [value[0] for value in values] if len(names) == 1 else values,
        changes,
    )


def effect_of(definition: Definition) -> tuple[tuple[str, str], tuple[str, str]]:
    """The two runs, low and high, (row, column with runs of its own) each, whose difference the table is about."""
    high, low = definition.ends
    column = definition.column(high[1])
    if column.minus:  # a difference of differences: that of one row
        high, low = (high[0], column.of), (high[0], column.minus)
    elif column.minus_row:
        high, low = (high[0], column.of), (column.minus_row.get(high[0], low[0]), column.of)
    return (low[0], run_of(definition, low[1])), (high[0], run_of(definition, high[1]))


def settings_of(config: RunConfig) -> dict[str, Any]:
    """A run's settings by dotted name, without what its seed decides."""
    return {name: value for name, value in flat(config).items() if name not in SEEDED}


def own(config: RunConfig) -> dict[str, Any]:
    """The settings in which a run is not its method's own run at smoke scale."""
    usual = settings_of(profile(SCALE).config(config.method, 0))
    return {name: value for name, value in settings_of(config).items() if usual.get(name, ...) != value}


def difference(first: RunConfig, second: RunConfig) -> list[str]:
    """The settings in which two runs differ; ["method"] where that explains it all; [] where nothing simple does."""
    here, there = settings_of(first), settings_of(second)
    if first.method != second.method:
        return ["method"] if own(first) == own(second) else []
    return [name for name in here if here[name] != there[name]] if here.keys() == there.keys() else []


def own_setting(config: RunConfig) -> tuple[str, list[Any]]:
    """A setting of a method's own and values around it: temperature, else a number with a scale, else the epochs."""
    numbers = {
        name: value
        for name, value in config.settings.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    }
    order = [
        "temperature",
        *(name for name, value in numbers.items() if isinstance(value, float)),
        *(name for name in numbers if name not in HEADS),
        "dim",
    ]
    name = next((name for name in order if name in numbers), None)
    if name is None:
        return "plan.epochs", [config.plan.epochs, 2 * config.plan.epochs]
    value = numbers[name]
    if isinstance(value, int):
        return f"settings.{name}", [max(1, value // 2), value] if value > 1 else [value, 2]
    bounded = methods.ranges(config.method).get(name, Range()).high < math.inf  # not to be doubled
    values = [value / 2, value] if bounded else [value / 2, value, 2 * value]
    return f"settings.{name}", [float(f"{value:.4g}") for value in values]


# --- the notebook -------------------------------------------------------------------------------------------------


def notebook(ready: StarterNotebook) -> str:
    """Its text: the source notebook, without output, with its own title and parameters; first what makes it start."""
    source = json.loads((NOTEBOOKS / f"{ready.source}.ipynb").read_text("utf-8"))
    lines = "\n".join(f"{name} = {value!r}" for name, value in ready.parameters.items())
    for cell in source["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "parameters" in tags:
            cell["source"] = lines
        elif "page-title" in tags:
            cell["source"] = (
                f"# {ready.title}\n\nChange one parameter: {ready.asks}. Run all cells, look, then put in others of "
                f"your own. {ready.onward}"
            )
    return dump(normalise(source, keep_outputs=False))


def write(ready: StarterNotebook) -> tuple[Path, bool]:
    """Put the notebook among the runs; returns its path and whether it was written: one that is there is kept."""
    path = WRITTEN / ready.file
    if path.exists():  # a reader's, with edits and output, or as it was written
        return path, False
    write_atomic(path, notebook(ready))
    return path, True


def write_copy(name: str) -> tuple[Path, bool]:
    """The same for a copy of a notebook of notebooks/ by its name; raises ValueError with the nearest."""
    names = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    path = WRITTEN / f"{one_of(name, names, 'notebook', 'name')}.ipynb"
    if path.exists():
        return path, False
    write_atomic(path, (NOTEBOOKS / path.name).read_text(encoding="utf-8"))
    return path, True


def starter_notebook_of(table: str | None, method: str | None) -> StarterNotebook:
    """The notebook of a table or of a method; raises ValueError with the nearest name."""
    if method is not None:
        return of_method(one_of(method, methods.names(), "notebook", "method"))
    return of_table(one_of(table, tables.names(), "notebook", "table"))
