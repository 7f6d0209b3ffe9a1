"""Table definitions by file name: `nnclr_queue` is `tables/nnclr_queue.py`. Data and prose, no logic."""

import ast
import importlib
import pkgutil
from dataclasses import dataclass, field, fields
from typing import Any

from sslrepro import evaluate, methods, papers
from sslrepro.check import known_keys, one_of, require
from sslrepro.data.shapes import LEVELS
from sslrepro.data.views import RECIPES

RUN = (
    "epochs",
    "batch_size",
    "recipe",
    "classes",
)  # what a row may set of the run itself, beside its method's settings


@dataclass(frozen=True)
class Column:
    """A column that is more than a score's name.

    A measured column has a score, a derived one has `of` and either `minus` or `minus_row`.

    score      our result name; "{queue_size}" in it stands for what the paper's row has in that column
    sets       what the column itself sets, merged over the row's settings: its cells are runs of their own
    of         derived: a measured column of the same table
    minus      derived: the column subtracted from it in the same row, paired over seeds
    minus_row  derived: row -> the row subtracted from it in the same column, paired over seeds; other rows have none
    factor     from what is stored to the paper's unit (accuracies are stored in [0, 1]); a derived column's is `of`'s
    digits     shown behind the point
    best       which value is marked: "high", "low", or "" for none
    label, unit   heading and unit of a column of ours that the paper has not; the paper's own are transcribed
    """

    score: str = ""
    sets: dict[str, Any] = field(default_factory=dict)
    of: str = ""
    minus: str = ""
    minus_row: dict[str, str] = field(default_factory=dict)
    factor: float = 100.0
    digits: int = 1
    best: str = "high"
    label: str = ""
    unit: str = ""

    @property
    def derived(self) -> bool:
        """Whether its cells are differences of others."""
        return bool(self.of)


@dataclass(frozen=True)
class Definition:
    """How one table of a paper is re-derived, or one of ours is made.

    id         the transcribed table, or the name of our own
    title      of its page
    question   what the table asks, one sentence
    method     trained for every row that does not name another
    rows       paper's row id -> what it sets, in the paper's units (the profile maps them): settings of the method,
               "method" where rows differ in it, and of the run: "epochs" (0: the encoder as initialised),
               "batch_size", "recipe" (a name of data/views.py), "classes" (level of `shapes`: 4 families, 16 shapes,
               48 leaves). Rows of the paper that are absent are shown as quoted, not run
    columns    paper's column -> our result name, or a `Column`; a key the paper has not needs a label
    variants   further rows of ours, by a name that is shown, below the paper's
    also       our further result names, shown beside; no paper number
    varied     the paper's column on the figure's horizontal axis; "" where rows are methods: the row's label then
    effect     whose difference the finding states, high minus low: paper's (row, row, column), or two (row, column)
    evaluations   further evaluations of this table's runs beside the profile's -> their protocol settings
    values     a name of the paper's text that claims read -> the (row or variant, column) that measures it
    adapted    claim id -> its expression restricted to what can be run here; shown as "judged as"
    margin     ids of the papers' contradictions that concern the table
    only       rows run below gpu scale, where the paper's list is longer than makes sense; () = all
    idea       Markdown: what is varied and why it could matter
    equation   LaTeX, in our names
    reading    Markdown: how to read the result, fixed before the runs
    mapping    Markdown: how the paper's units become ours
    unrun      claim id -> why no run here can judge it
    controls   of the footer, with the settings of the run on which all rows agree, and each column's own
    notebook   that presents it; all but "table" are for tables of ours, which no paper prints
    seeds      number of seeds, where it is not the profile's
    """

    id: str
    title: str
    question: str
    method: str
    rows: dict[str, dict[str, Any]]
    columns: dict[str, str | Column]
    varied: str = ""
    effect: tuple[Any, ...] = ()
    also: tuple[str, ...] = ()
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    adapted: dict[str, str] = field(default_factory=dict)
    margin: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    idea: str = ""
    equation: str = ""
    reading: str = ""
    mapping: str = ""
    unrun: dict[str, str] = field(default_factory=dict)
    controls: tuple[str, ...] = field(default=("simclr", "random", "pixels", "supcon"))
    notebook: str = "table"
    seeds: int | None = None

    def column(self, name: str) -> Column:
        """A column in full; raises ValueError with the nearest name."""
        found = self.columns[one_of(name, self.columns, f"tables.{self.id}", "column")]
        return Column(found) if isinstance(found, str) else found

    @property
    def measured(self) -> dict[str, Column]:
        """The columns that hold scores of runs, by name."""
        return {name: self.column(name) for name in self.columns if not self.column(name).derived}

    @property
    def ours(self) -> dict[str, dict[str, Any]]:
        """What every row sets, the paper's and then our variants."""
        return self.rows | self.variants

    @property
    def ends(self) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """The two cells, high and low, (row, column) each, of the effect; None where there is none."""
        if not self.effect or not self.effect[0]:
            return None
        if len(self.effect) == 3:
            high, low, column = self.effect
            return (high, column), (low, column)
        return tuple(self.effect[0]), tuple(self.effect[1])


def names() -> list[str]:
    """Ids of all tables that are defined, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def definition(name: str) -> Definition:
    """A table's definition; raises ValueError with the nearest id, or naming what in the definition cannot be."""
    return checked(importlib.import_module(f"{__name__}.{one_of(name, names(), 'tables', 'table')}").TABLE)


def checked(made: Definition) -> Definition:
    """The definition itself; raises ValueError for the first name in it that does not exist, with the nearest."""
    owner = f"tables.{made.id}"
    for row, given in made.ours.items():
        settable(given, made.method, f"{owner}.{row}")
    require(not set(made.variants) & set(made.rows), owner, "variants", "other names than the rows'",
            sorted(made.variants))  # fmt: skip
    for name in made.columns:
        check_column(made, name)
    for name, given in made.evaluations.items():
        evaluate.protocol(name, given)
    for name in made.controls:
        one_of(name, ["pixels", "random", *methods.names()], owner, "control")
    one_of(made.notebook, ["table", "methods"], owner, "notebook")
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


def settable(given: dict[str, Any], method: str, owner: str) -> None:
    """Raise ValueError unless a row or column sets what exists, of the run or of its method."""
    inner = {name: value for name, value in given.items() if name not in (*RUN, "method")}
    config = methods.settings(given.get("method", method))
    known_keys(inner, [*RUN, "method", *(f.name for f in fields(config))], owner)
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
            settable(given | column.sets, made.method, owner)
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
