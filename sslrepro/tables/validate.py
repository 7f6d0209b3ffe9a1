"""Whether a table's definition names only what exists."""

import ast
from dataclasses import fields
from typing import Any

from sslrepro import evaluate, methods, papers
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.data.shapes import LEVELS
from sslrepro.data.views import RECIPES
from sslrepro.tables.definition import RUN, Definition


def validate(made: Definition) -> Definition:
    """The definition itself; raises ValueError for the first name in it that does not exist, with the nearest."""
    owner = f"tables.{made.id}"
    for row, given in made.ours.items():
        check_settings(given, made.method, f"{owner}.{row}")
    require(
        not set(made.variants) & set(made.rows), owner, "variants", "other names than the rows'", sorted(made.variants)
    )
    for name in made.columns:
        check_column(made, name)
    for name, given in made.evaluations.items():
        evaluate.protocol(name, given)
    for row, given in made.ours.items():
        require(made.fair or "trial" not in given, f"{owner}.{row}", "trial", "set where `fair` is", given.get("trial"))
    for name in made.controls:
        one_of(name, ["pixels", "random", *methods.names()], owner, "control")
    one_of(made.notebook, ["table", "methods", "equal", "sweep", "map"], owner, "notebook")
    require(len(made.effect) in (0, 2, 3), owner, "effect", "(row, row, column) or two (row, column)", made.effect)
    ends = made.ends or ()
    for where, (row, column) in [*(("effect", end) for end in ends), *made.values.items()]:
        one_of(row, made.ours, f"{owner}.{where}", "row")
        one_of(column, made.columns, f"{owner}.{where}", "column")
    for row in made.only:
        one_of(row, made.rows, owner, "row of `only`")
    if made.notebook == "table":
        check_against_paper(made)
    return made


def check_settings(given: dict[str, Any], method: str, owner: str) -> None:
    """Raise ValueError unless a row or column sets what exists, of the run or of its method."""
    inner = {name: value for name, value in given.items() if name not in (*RUN, "method", "trial")}
    config = methods.settings(given.get("method", method))
    if "trial" in given:
        one_of(given["trial"], methods.names(), owner, "trial")
    known_keys(inner, [*RUN, "method", "trial", *(f.name for f in fields(config))], owner)
    if "recipe" in given:
        one_of(given["recipe"], RECIPES, owner, "recipe")
    for name, least in (("epochs", 0), ("batch_size", 1)):
        require(given.get(name, least) >= least, owner, name, f">= {least}", given.get(name))
    if "classes" in given:
        one_of(given["classes"], LEVELS, owner, "classes")


def check_column(made: Definition, name: str) -> None:
    """Raise ValueError unless a column is measured or derived, of and from what exists."""
    column, owner = made.column(name), f"tables.{made.id}.{name}"
    if not column.derived:
        require(bool(column.score), owner, "score", "the name of a result, or `of` given", column.score)
        plain = not column.minus and not column.minus_row
        require(plain, owner, "minus", "given together with `of`", column.minus or column.minus_row)
        for given in made.ours.values():
            check_settings(given | column.sets, made.method, owner)
        return
    require(not column.score and not column.sets, owner, "of", "without score and sets", column.of)
    require(bool(column.minus) != bool(column.minus_row), owner, "minus", "given, or minus_row, and not both",
            (column.minus, column.minus_row))  # fmt: skip
    for other in (column.of, column.minus) if column.minus else (column.of,):
        one_of(other, made.measured, owner, "measured column")
    for row, other in column.minus_row.items():
        one_of(row, made.ours, owner, "row of minus_row")
        one_of(other, made.ours, owner, "row of minus_row")


def check_against_paper(made: Definition) -> None:
    """Raise ValueError unless rows, columns, values, claims and contradictions are transcribed ones."""
    owner, table = f"tables.{made.id}", papers.table(made.id)
    columns = [column["key"] for column in table["columns"]]
    known_keys(made.rows, [row["row"] for row in table["rows"]], owner, "row")
    known_keys({n: c for n in made.columns if not (c := made.column(n)).label}, columns, owner, "column without label")
    if made.varied:
        one_of(made.varied, columns, owner, "varied")
    paper = papers.paper(table["paper"])
    claims = [claim["id"] for claim in paper["claims"]]
    known_keys(made.unrun, claims, owner, "claim of unrun")
    known_keys(made.adapted, claims, owner, "claim of adapted")
    for claim, expression in made.adapted.items():
        try:
            ast.parse(expression, mode="eval")
        except SyntaxError as error:
            raise ValueError(f"{owner}: adapted {claim} is not an expression ({error.msg}).") from None
    known_keys(dict.fromkeys(made.margin), papers.contradictions(), owner, "contradiction")
    stated = [value["id"] for value in paper.get("text_values") or []]
    overlays = " ".join(papers.expression(claim) or "" for claim in paper["claims"])
    for name in made.values:
        if f"v('{table['paper']}','{name}')" not in overlays:
            one_of(name, stated, owner, "value")
