"""Whether a table's definition names only what exists."""

import ast
from dataclasses import fields
from typing import Any

from sslrepro import evaluate, methods, papers
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.data.recipes import RECIPES
from sslrepro.data.shapes import LEVELS
from sslrepro.tables.definition import RUN, Definition


def validate(definition: Definition) -> Definition:
    """The definition itself; raises ValueError for the first name in it that does not exist, with the nearest."""
    owner = f"tables.{definition.id}"
    for row, sets in definition.ours.items():
        check_settings(sets, definition.method, f"{owner}.{row}")
    twice = set(definition.variants) & set(definition.rows)
    require(not twice, owner, "variants", "other names than the rows'", sorted(definition.variants))
    for name in definition.columns:
        check_column(definition, name)
    for name, settings in definition.evaluations.items():
        evaluate.protocol(name, settings)
    for row, sets in definition.ours.items():
        allowed = definition.fair or "trial" not in sets
        require(allowed, f"{owner}.{row}", "trial", "set where `fair` is", sets.get("trial"))
    for name in definition.controls:
        one_of(name, ["pixels", "random", *methods.names()], owner, "control")
    one_of(
        definition.notebook,
        ["table", "methods", "equal", "sweep", "map", "miners", "grid", "roles", "anchors", "confidence"],
        owner,
        "notebook",
    )
    effect = definition.effect
    require(len(effect) in (0, 2, 3), owner, "effect", "(row, row, column) or two (row, column)", effect)
    ends = definition.ends or ()
    for where, (row, column) in [*(("effect", end) for end in ends), *definition.values.items()]:
        one_of(row, definition.ours, f"{owner}.{where}", "row")
        one_of(column, definition.columns, f"{owner}.{where}", "column")
    for row in definition.only:
        one_of(row, definition.rows, owner, "row of `only`")
    if definition.notebook == "table":
        check_against_paper(definition)
    return definition


def check_settings(sets: dict[str, Any], method: str, owner: str) -> None:
    """Raise ValueError unless a row or column sets what exists, of the run or of its method."""
    inner = {name: value for name, value in sets.items() if name not in (*RUN, "method", "trial")}
    config = methods.settings(sets.get("method", method))
    if "trial" in sets:
        one_of(sets["trial"], methods.names(), owner, "trial")
    known_keys(inner, [*RUN, "method", "trial", *(f.name for f in fields(config))], owner)
    if "recipe" in sets:
        one_of(sets["recipe"], RECIPES, owner, "recipe")
    for name, least in (("epochs", 0), ("batch_size", 1)):
        require(sets.get(name, least) >= least, owner, name, f">= {least}", sets.get(name))
    if "classes" in sets:
        one_of(sets["classes"], LEVELS, owner, "classes")


def check_column(definition: Definition, name: str) -> None:
    """Raise ValueError unless a column is measured or derived, of and from what exists."""
    column, owner = definition.column(name), f"tables.{definition.id}.{name}"
    for row in column.rows:
        one_of(row, definition.ours, owner, "row of rows")
    if not column.is_derived:
        require(bool(column.score), owner, "score", "the name of a result, or `of` given", column.score)
        plain = not column.minus and not column.minus_row
        require(plain, owner, "minus", "given together with `of`", column.minus or column.minus_row)
        for sets in definition.ours.values():
            check_settings(sets | column.sets, definition.method, owner)
        return
    require(not column.score and not column.sets, owner, "of", "without score and sets", column.of)
    require(
        bool(column.minus) != bool(column.minus_row),
        owner,
        "minus",
        "given, or minus_row, and not both",
        (column.minus, column.minus_row),
    )
    for other in (column.of, column.minus) if column.minus else (column.of,):
        one_of(other, definition.score_columns, owner, "measured column")
    for row, other in column.minus_row.items():
        one_of(row, definition.ours, owner, "row of minus_row")
        one_of(other, definition.ours, owner, "row of minus_row")


def check_against_paper(definition: Definition) -> None:
    """Raise ValueError unless rows, columns, values, claims and contradictions are transcribed ones."""
    owner, table = f"tables.{definition.id}", papers.table(definition.id)
    columns = [column["key"] for column in table["columns"]]
    known_keys(definition.rows, [row["row"] for row in table["rows"]], owner, "row")
    unlabelled = {n: c for n in definition.columns if not (c := definition.column(n)).label}
    known_keys(unlabelled, columns, owner, "column without label")
    if definition.varied:
        one_of(definition.varied, columns, owner, "varied")
    paper = papers.paper(table["paper"])
    claims = [claim["id"] for claim in paper["claims"]]
    known_keys(definition.unrun, claims, owner, "claim of unrun")
    known_keys(definition.adapted, claims, owner, "claim of adapted")
    for claim, expression in definition.adapted.items():
        try:
            ast.parse(expression, mode="eval")
        except SyntaxError as error:
            raise ValueError(f"{owner}: adapted {claim} is not an expression ({error.msg}).") from None
    known_keys(dict.fromkeys(definition.margin), papers.contradictions(), owner, "contradiction")
    stated = [value["id"] for value in paper.get("text_values") or []]
    overlays = " ".join(papers.expression(claim) or "" for claim in paper["claims"])
    for name in definition.values:
        if f"v('{table['paper']}','{name}')" not in overlays:
            one_of(name, stated, owner, "value")
