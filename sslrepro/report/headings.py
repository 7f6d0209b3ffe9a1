"""What the rows, columns and settings of a table are called: in the paper's words, and in ours."""

import re
from typing import Any

from sslrepro import papers
from sslrepro.report.formats import MINUS, number, plural
from sslrepro.study.profiles import Profile
from sslrepro.study.results import Results
from sslrepro.tables.definition import Definition
from sslrepro.training.config import RunConfig

NAMES = {
    "linear_top1": "linear probe, top-1",
    "linear_top5": "linear probe, top-5",
    "knn_top1": "20-NN, top-1",
    "few_top1": "10 labels per class, top-1",
    "neighbour_match": "neighbour has the class",
    "nmi": "NMI of k-means",
    "nmi_std": "its standard deviation over k-means",
    "mtpr_0": "false negatives found",
    "mtnr_0": "true negatives kept",
}
CONTROLS = {
    "pixels": "pixels, no encoder",
    "random": "encoder as initialised",
    "simclr": "SimCLR, same images, steps and views",
    "supcon": "SupCon, labels used (upper bound)",
    "supervised": "supervised, labels used (upper bound)",
}
QUOTED, LEFT_OUT = "quoted, not run", "not run at this scale"


def printed(definition: Definition, row: str, column: str) -> Any:
    """A cell as transcribed; None where the paper prints nothing or has no such row or column."""
    return next((line for line in papers.table(definition.id)["rows"] if line["row"] == row), {}).get(column)


def rows_in_order(definition: Definition) -> list[str]:
    """Every row of the paper's table, run or quoted."""
    return [line["row"] for line in papers.table(definition.id)["rows"]]


def transcribed_columns(definition: Definition) -> dict[str, dict[str, Any]]:
    """The paper's columns by key."""
    return {column["key"]: column for column in papers.table(definition.id)["columns"]}


def column_label(definition: Definition, column: str) -> str:
    """A column's heading: the paper's, or that of a column of ours."""
    given = definition.column(column).label if column in definition.columns else ""
    found = transcribed_columns(definition).get(column, {})
    return given or found.get("label", column)


def heading(definition: Definition, column: str) -> str:
    """What stands over our numbers of a column: what was measured, or its own heading where columns share a score."""
    given = definition.column(column)
    alike = [name for name, other in definition.measured.items() if other.score == given.score]
    if given.derived or len(alike) > 1 or given.score not in NAMES:
        return column_label(definition, column)
    return NAMES[given.score]


def described_by(definition: Definition) -> list[str]:
    """The paper's columns that say what a row is: what is varied, else "method", else all that hold no score.

    Where methods repeat, the first column that tells them apart stands beside.
    """
    columns = transcribed_columns(definition)
    if definition.varied:
        return [definition.varied]
    if "method" in columns:
        rows = papers.table(definition.id)["rows"]
        beside = [key for key, one in columns.items() if key not in definition.columns and key != "method"]
        tried = [["method"], *(["method", key] for key in beside)]
        return next((keys for keys in tried if len({tuple(line.get(k) for k in keys) for line in rows}) == len(rows)),
                    ["method"])  # fmt: skip
    return [key for key, one in columns.items() if one["type"] != "number" and key not in definition.columns]


def row_heading(definition: Definition) -> str:
    """What stands over the rows' labels."""
    return ", ".join(column_label(definition, key) for key in described_by(definition))


def row_label(definition: Definition, row: str) -> str:
    """What a row is, in the paper's words without its numbered citations; a variant and a control by their own name."""
    if row not in rows_in_order(definition):
        return CONTROLS.get(row, row) if row not in definition.variants else row
    keys = described_by(definition)
    columns = transcribed_columns(definition)
    parts = []
    for key in keys:
        value = printed(definition, row, key)
        text = plainly(value)
        if len(keys) > 1 and columns[key]["type"] in ("bool", "int", "number") and value is not None:
            text = f"{column_label(definition, key)} {text}"
        if value is not None:
            parts.append(text)
    return re.sub(r"\s*\[\d+\]", "", ", ".join(parts))


def plainly(value: Any) -> str:
    """A value of any kind as a reader would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, float):
        return f"{value:g}".replace("-", MINUS)
    if isinstance(value, list | tuple):
        return ", ".join(map(plainly, value))
    return "–" if value is None else str(value)


def is_numeric(definition: Definition) -> bool:
    """Whether rows differ in a number, and can stand on an axis."""
    if not definition.varied:
        return False
    values = [printed(definition, row, definition.varied) for row in definition.rows]
    return len(values) > 1 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def series(definition: Definition) -> dict[str, float]:
    """Column -> the number it sets, where all measured columns set one and the same thing; else {}."""
    found = {name: column.sets for name, column in definition.measured.items() if not column.label}
    keys = {tuple(sets) for sets in found.values()}
    if len(found) < 2 or len(keys) != 1 or len(next(iter(keys))) != 1:
        return {}
    values = {name: next(iter(sets.values())) for name, sets in found.items()}
    return values if all(isinstance(value, int | float) for value in values.values()) else {}


def setting(config: RunConfig, name: str, scale: Profile) -> Any:
    """What a table's setting became in a run's configuration at a scale."""
    if name == "method":
        return config.method
    if name in ("epochs", "batch_size"):
        return getattr(config.plan, name)
    if name == "recipe":
        return config.views.recipe
    if name == "classes":
        return scale.labels_in(config.data)
    return config.settings[name]


def set_by(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The names that any of the rows set, in the order they first stand there."""
    return list(dict.fromkeys(name for given in rows.values() for name in given))


def mapped_setting(found: Results, row: str) -> str:
    """What a row's settings became in our runs: the number alone where rows differ in one thing, else name by name."""
    definition = found.definition
    tasks = found.plan.of(row)
    if row not in definition.ours:
        return QUOTED
    if not tasks:
        reason = found.plan.left_out.get(row)
        return f"{LEFT_OUT}: {reason}" if reason else LEFT_OUT
    names = set_by(definition.rows)
    if len({str(one) for one in definition.rows.values()}) == 1 < len(definition.rows):
        return "as printed"  # one run is measured at every setting of the paper
    given = definition.ours[row]
    config, scale = tasks[0].config, found.plan.profile
    if is_numeric(definition) and len(names) == 1 and row in definition.rows:
        return plainly(setting(config, names[0], scale))
    wanted = [name for name in (names if row in definition.rows else given) if name in given]
    return ", ".join(config.method if name == "method" else spell_out(name, setting(config, name, scale))
                     for name in wanted)  # fmt: skip


def mapped_columns(found: Results) -> dict[str, str]:
    """Column -> what it sets, as it became in our runs; columns that set nothing are absent."""
    out = {}
    for name, column in found.definition.measured.items():
        config = next((tasks[0].config for row in found.definition.rows if (tasks := found.plan.of(row, name))), None)
        if column.sets and config is not None:
            out[name] = ", ".join(spell_out(n, setting(config, n, found.plan.profile)) for n in column.sets)
    return out


def spell_out(name: str, value: Any = None) -> str:
    """A setting in words, with its value where one is given: "2 epochs", "top k", "method supcon"."""
    if name == "epochs" and isinstance(value, int):
        return plural(value, "epoch")
    words = name.replace("_", " ")
    return words if value is None else f"{words} {plainly(value)}"


def shown_number(definition: Definition, row: str, column: str) -> str:
    """The paper's cell as it is shown; a dash where it prints nothing."""
    value = printed(definition, row, column)
    if value is None or isinstance(value, str):
        return "–" if value is None else value
    return number(value, definition.column(column).digits, sign=definition.column(column).derived)
