"""What the rows, columns and settings of a table are called: in the paper's words, and in ours."""

import re
from typing import Any

from sslrepro import papers
from sslrepro.base.store import result_key
from sslrepro.report.formats import MINUS, number, plural
from sslrepro.study.profiles import Profile
from sslrepro.study.results import Results
from sslrepro.tables.definition import Definition
from sslrepro.training.config import RunConfig

SCORE_NAMES = {  # our result name -> what stands over it; braces hold settings of the protocol that measured it
    "linear_top1": "linear probe, top-1",
    "linear_top5": "linear probe, top-5",
    "knn_top1": "{k}-NN, top-1",
    "few_top1": "{per_class} labels per class, top-1",
    "neighbour_match": "neighbour of the same class",
    "nmi": "NMI of k-means",
    "nmi_std": "its standard deviation over runs of k-means",
    "faster_ap": "AP of boxes",
    "faster_ap50": "AP50 of boxes",
    "faster_ap75": "AP75 of boxes",
    "mask_bb_ap": "AP of boxes",
    "mask_bb_ap50": "AP50 of boxes",
    "mask_bb_ap75": "AP75 of boxes",
    "mask_mk_ap": "AP of masks",
    "mask_mk_ap50": "AP50 of masks",
    "mask_mk_ap75": "AP75 of masks",
    "mtpr_0": "false negatives identified",
    "mtnr_0": "true negatives left alone",
}
SOLVERS = {"linear": "L-BFGS", "linear_sgd": "SGD"}  # evaluation -> what fits its linear probe
AGREEMENT = {  # how often what a method treats as alike shares the class, by the names the loop logs
    "neighbour_match_without_self": "mined positives of the anchor's class",
    "pair_match": "mined pairs of one class",
    "relation_match": "affinity pairs of one class",
    "precision_0": "pseudo-label pairs of one class",
}
CONTROLS = {
    "pixels": "pixels, no encoder",
    "random": "untrained encoder",
    "simclr": "SimCLR: same images, steps and views",
    "supcon": "SupCon: uses labels (upper bound)",
    "supervised": "supervised: uses labels (upper bound)",
}
QUOTED, LEFT_OUT = "quoted, not run", "not run at this scale"


def transcribed_rows(definition: Definition) -> list[dict[str, Any]]:
    """The rows that the paper prints; none for a table of ours."""
    return papers.table(definition.id)["rows"] if definition.id in papers.tables() else []


def printed_value(definition: Definition, row: str, column: str) -> Any:
    """A cell as transcribed; None where the paper prints nothing or has no such row or column."""
    return next((line for line in transcribed_rows(definition) if line["row"] == row), {}).get(column)


def rows_in_order(definition: Definition) -> list[str]:
    """Every row of the paper's table, run or quoted."""
    return [line["row"] for line in transcribed_rows(definition)]


def transcribed_columns(definition: Definition) -> dict[str, dict[str, Any]]:
    """The paper's columns by key; none for a table of ours."""
    if definition.id not in papers.tables():
        return {}
    return {column["key"]: column for column in papers.table(definition.id)["columns"]}


def column_label(definition: Definition, column: str) -> str:
    """A column's heading: the paper's, or that of a column of ours."""
    own = definition.column(column).label if column in definition.columns else ""
    return own or transcribed_columns(definition).get(column, {}).get("label", column)


def column_unit(definition: Definition, column: str) -> str:
    """What a column is counted in: "%", "points" for a difference of percentages, "" for a plain number.

    >>> from sslrepro import tables
    >>> column_unit(tables.definition("nnclr_queue"), "top1")
    '%'
    """
    full = definition.column(column)
    unit = full.unit or transcribed_columns(definition).get(column, {}).get("unit") or ""
    if not unit and not full.is_derived and full.factor == 100:
        unit = "%"
    return "points" if full.is_derived and unit in ("", "%", "percent") else "%" if unit == "percent" else unit


class _Unsaid(dict):
    """Settings of a protocol; a setting that is not known stands as its name."""

    def __missing__(self, name: str) -> str:
        return "few" if name == "per_class" else name


def score_name(score: str, protocol: dict[str, Any] | None = None) -> str:
    """What a score is called, with what its protocol set; a score without a name is called as it is stored.

    >>> score_name("knn_top1", {"k": 200})
    '200-NN, top-1'
    """
    return SCORE_NAMES.get(score, score).format_map(_Unsaid(protocol or {}))


def protocol_of(results: Results, score: str) -> tuple[str, dict[str, Any]]:
    """(evaluation, protocol) behind a score, as `results.score_of` takes it; ("", {}) where none measures it."""
    for run in results.plan.runs:
        for name, protocol in run.evaluations.items():
            line = results.known.get(run.name, {"results": {}})["results"].get(result_key(name, protocol))
            if line and score in line["scores"] and "protocol" in line:
                return line["evaluation"], line["protocol"]
    for record in results.known.values():
        for line in record["results"].values():
            if score in line["scores"] and "protocol" in line:
                return line["evaluation"], line["protocol"]
    family = score.partition("_")[0]
    planned = {name: protocol for run in results.plan.runs[:1] for name, protocol in run.evaluations.items()}
    return next(((name, planned[name]) for name in planned if name.partition("_")[0] == family), ("", {}))


def solver(results: Results, score: str) -> str:
    """What fitted the linear probe behind a score: "L-BFGS" or "SGD"; "" for another score."""
    return SOLVERS.get(protocol_of(results, score)[0], "")


def heading(results: Results, column: str) -> str:
    """What stands over our numbers of a column: what was measured, or its own heading where columns share a score."""
    definition = results.definition
    full = definition.column(column)
    same = [name for name, other in definition.score_columns.items() if other.score == full.score]
    if full.is_derived or len(same) > 1 or full.score not in SCORE_NAMES:
        return column_label(definition, column)
    return score_name(full.score, protocol_of(results, full.score)[1])


def score_heading(results: Results, score: str) -> str:
    """A score as the head of a table names it, with the solver of a linear probe: "linear probe (SGD), top-1"."""
    name, fitted_by = score_name(score, protocol_of(results, score)[1]), solver(results, score)
    return name.replace("linear probe", f"linear probe ({fitted_by})") if fitted_by else name


def row_keys(definition: Definition) -> list[str]:
    """The paper's columns that say what a row is: what is varied, else "method", else all that hold no score.

    Where methods repeat, the first column that tells them apart stands beside.
    """
    columns = transcribed_columns(definition)
    if definition.varied:
        return [definition.varied]
    if "method" in columns:
        rows = transcribed_rows(definition)
        beside = [key for key in columns if key not in definition.columns and key != "method"]
        tried = [["method"], *(["method", key] for key in beside)]
        return next(
            (keys for keys in tried if len({tuple(line.get(k) for k in keys) for line in rows}) == len(rows)),
            ["method"],
        )
    return [key for key, column in columns.items() if column["type"] != "number" and key not in definition.columns]


def row_heading(definition: Definition) -> str:
    """What stands over the rows' labels."""
    return ", ".join(column_label(definition, key) for key in row_keys(definition))


def row_label(definition: Definition, row: str) -> str:
    """What a row is, in the paper's words without its numbered citations; a variant and a control by their own name."""
    if row not in rows_in_order(definition):
        return CONTROLS.get(row, row) if row not in definition.variants else row
    keys = row_keys(definition)
    columns = transcribed_columns(definition)
    parts = []
    for key in keys:
        value = printed_value(definition, row, key)
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
    values = [printed_value(definition, row, definition.varied) for row in definition.rows]
    return len(values) > 1 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def series(definition: Definition) -> dict[str, float]:
    """Column -> the number it sets, where all measured columns set one and the same thing; else {}."""
    by_column = {name: column.sets for name, column in definition.score_columns.items() if not column.label}
    keys = {tuple(sets) for sets in by_column.values()}
    if len(by_column) < 2 or len(keys) != 1 or len(next(iter(keys))) != 1:
        return {}
    values = {name: next(iter(sets.values())) for name, sets in by_column.items()}
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


def settings_named(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The names that any of the rows set, in the order they first stand there."""
    return list(dict.fromkeys(name for settings in rows.values() for name in settings))


def mapped_setting(results: Results, row: str) -> str:
    """What a row's settings became in our runs: the number alone where rows differ in one thing, else name by name."""
    definition = results.definition
    tasks = results.plan.of(row)
    if row not in definition.ours:
        return QUOTED
    if not tasks:
        reason = results.plan.left_out.get(row)
        return f"{LEFT_OUT}: {reason}" if reason else LEFT_OUT
    names = settings_named(definition.rows)
    if len({str(settings) for settings in definition.rows.values()}) == 1 < len(definition.rows):
        return "as printed"  # one run is measured at every setting of the paper
    own = definition.ours[row]
    config, scale = tasks[0].config, results.plan.profile
    differing = [name for name in names if len({str(s[name]) for s in definition.rows.values() if name in s}) > 1]
    varied = differing if len(names) > 1 else names
    if is_numeric(definition) and len(varied) == 1 and row in definition.rows and varied[0] in own:
        return plainly(setting(config, varied[0], scale))
    wanted = [name for name in (names if row in definition.rows else own) if name in own]
    return ", ".join(
        config.method if name == "method" else spell_out(name, setting(config, name, scale)) for name in wanted
    )


def mapped_columns(results: Results) -> dict[str, str]:
    """Column -> what it sets, as it became in our runs; columns that set nothing are absent."""
    out = {}
    for name, column in results.definition.score_columns.items():
        config = next(
            (tasks[0].config for row in results.definition.rows if (tasks := results.plan.of(row, name))), None
        )
        if column.sets and config is not None:
            out[name] = ", ".join(spell_out(n, setting(config, n, results.plan.profile)) for n in column.sets)
    return out


def spell_out(name: str, value: Any = None) -> str:
    """A setting in words, with its value where one is given: "2 epochs", "top k", "method supcon"."""
    if name == "epochs" and isinstance(value, int):
        return plural(value, "epoch")
    words = name.replace("_", " ")
    return words if value is None else f"{words} {plainly(value)}"


def format_printed(definition: Definition, row: str, column: str) -> str:
    """The paper's cell as it is shown; a dash where it prints nothing."""
    value = printed_value(definition, row, column)
    if value is None or isinstance(value, str):
        return "–" if value is None else value
    return number(value, definition.column(column).digits, sign=definition.column(column).is_derived)


def short_names(results: Results, scores: tuple[str, ...]) -> dict[str, str]:
    """Scores -> their names without the metric: "linear probe", "20-NN"."""
    return {score: score_name(score, protocol_of(results, score)[1]).partition(",")[0] for score in scores}
