"""What a table's definition says: its rows, its columns, and the prose of its page."""

from dataclasses import dataclass, field, replace
from typing import Any

from sslrepro.base.errors import one_of

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
    rows       those that have such a score, where not all do
    images     the set that the paper's column is about, by our name, where columns differ in it (`Definition.on`)
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
    rows: tuple[str, ...] = ()
    images: str = ""

    @property
    def is_derived(self) -> bool:
        """Whether its cells are differences of others."""
        return bool(self.of)


BOTH_PROBES = {  # the columns of a table of ours that shows a run's own linear probe and 20-NN
    "top1": Column("linear_top1", label="linear probe", unit="%"),
    "knn": Column("knn_top1", label="20-NN", unit="%"),
}


@dataclass(frozen=True)
class Definition:
    """How one table of a paper is re-derived, or one of ours is made.

    id         the transcribed table, or the name of our own
    title      of its page
    question   what the table asks, one sentence
    method     trained for every row that does not name another
    rows       paper's row id -> what it sets, in the paper's units (the profile maps them): settings of the method,
               "method" where rows differ in it, and of the run: "epochs" (0: the untrained encoder),
               "batch_size", "recipe" (a name of data/recipes.py), "classes" (level of `shapes`: 4 families, 16 shapes,
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
    fair       whether rows are on equal terms (study/equal_terms.py): with the setting and learning rate of their
               method's trials, or of the method that a row's "trial" names
    notebook   that presents it; all but "table" are for tables of ours, which no paper prints
    seeds      number of seeds, where it is not the profile's
    first_seed   from which they count, for a question that is put to seeds no other table has; 0 at `smoke`
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
    fair: bool = False
    notebook: str = "table"
    seeds: int | None = None
    first_seed: int = 0

    def column(self, name: str) -> Column:
        """A column in full; raises ValueError with the nearest name."""
        column = self.columns[one_of(name, self.columns, f"tables.{self.id}", "column")]
        return Column(column) if isinstance(column, str) else column

    @property
    def score_columns(self) -> dict[str, Column]:
        """The columns that hold scores of runs, by name."""
        return {name: self.column(name) for name in self.columns if not self.column(name).is_derived}

    @property
    def ours(self) -> dict[str, dict[str, Any]]:
        """What every row sets, the paper's and then our variants."""
        return self.rows | self.variants

    def on(self, images: str) -> "Definition":
        """The definition on a set of images: without the columns that are about others.

        Where no column is about these, those about the first set that is named stand for them.
        """
        sets = [column.images for column in self.score_columns.values() if column.images]
        about = images if images in sets else next(iter(sets), "")
        dropped = {name for name, column in self.score_columns.items() if column.images not in ("", about)}
        dropped |= {name for name in self.columns if dropped & {self.column(name).of, self.column(name).minus}}
        if not dropped:
            return self
        effect = () if any(column in dropped for _, column in self.ends or ()) else self.effect
        values = {name: end for name, end in self.values.items() if end[1] not in dropped}
        columns = {name: column for name, column in self.columns.items() if name not in dropped}
        return replace(self, columns=columns, effect=effect, values=values)

    @property
    def ends(self) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """The two cells, high and low, (row, column) each, of the effect; None where there is none."""
        if not self.effect or not self.effect[0]:
            return None
        if len(self.effect) == 3:
            high, low, column = self.effect
            return (high, column), (low, column)
        return tuple(self.effect[0]), tuple(self.effect[1])
