"""From a judgement file's words to a statistic: what a claim's sentence is about, as contrasts of cells.

A statement is a mapping with a `kind` and the keys of that kind:

    order         more, less            gap          more, less, by: a printed size, asked for at paper scale
    trend         rows, over, falls     best         cell, rivals
    equivalence   cells, within, first (against the others, not every pair), rise_only (one side)
    count         count, of             conjunction  of            none    why

and, of every kind, `at` (a pattern whose star stands for operands without a slash), `effect` (the contrast shown beside
the paper's; "" for none), `words`, `not_run` (operands left out where they are not measured) and `sense` (a contrast
that the claim takes to be above zero).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.claims.statistics import AtLeast, Contrast, Key, Tree, every

Statement = Mapping[str, Any]
OWN_KEYS = {
    "order": ("more", "less"),
    "gap": ("more", "less", "by"),
    "trend": ("rows", "falls", "over"),
    "best": ("cell", "rivals"),
    "equivalence": ("cells", "within", "rise_only", "first"),
    "count": ("of", "count"),
    "conjunction": ("of",),
    "none": ("why",),
}
COMMON_KEYS = ("kind", "at", "effect", "not_run", "sense", "words")
KINDS = tuple(OWN_KEYS)


@dataclass(frozen=True)
class Statistic:
    """A claim's statistic, ready to be judged.

    tree     None where nothing can be judged
    effect   the contrast that is shown beside the paper's; None where no single one tells the claim
    absent   operands that were left out because they are not measured
    """

    kind: str
    tree: Tree | None
    effect: Contrast | None = None
    absent: tuple[str, ...] = ()


# --- operands --------------------------------------------------------------------------------------------------------


def linear(text: str | float, at: str = "") -> Contrast:
    """A sum and difference of operands: "a - b", "2 * a + 3.5"; an operand is table/row/column or paper/name.

    at   a pattern with a star that stands for operands without a slash

    >>> linear("nn - view", "nnclr_positives/*/top1").weights
    {('nnclr_positives', 'nn', 'top1'): 1.0, ('nnclr_positives', 'view', 'top1'): -1.0}
    """
    weights: dict[Key, float] = {}
    constant, sign = 0.0, 1.0
    for term in terms(str(text)):
        if term in ("+", "-"):
            sign = 1.0 if term == "+" else -1.0
            continue
        factor, _, operand = term.rpartition(" * ")
        weight = sign * (float(factor) if factor else 1.0)
        if is_number(operand):
            constant += weight * float(operand)
            continue
        full = operand if "/" in operand else at.replace("*", operand)
        key = tuple(full.split("/"))
        require(len(key) in (2, 3), "claims.linear", "operand", "table/row/column or paper/name", full)
        weights[key] = weights.get(key, 0.0) + weight
    return Contrast({key: weight for key, weight in weights.items() if weight}, constant, str(text))


def terms(text: str) -> list[str]:
    """Operands and signs; a name may hold spaces and hyphens, a sign stands between spaces.

    >>> terms("swav, its large crops - 2 * byol")
    ['swav, its large crops', '-', '2 * byol']
    """
    parts = [""]
    for word in text.split(" "):
        if word in ("+", "-"):
            parts += [word, ""]
        else:
            parts[-1] = f"{parts[-1]} {word}".strip()
    return [part for part in parts if part]


def is_number(text: str) -> bool:
    """Whether a term is a constant."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def in_words(operand: Any, at: str) -> str:
    """An operand as a reader may see it: with its column, or row, where a pattern hides it."""
    place = [part for part in at.split("/")[1:] if part != "*"]
    if not place or "/" in str(operand) or is_number(str(operand)):
        return str(operand)
    return f"{operand} ({place[0]})"


# --- kinds -----------------------------------------------------------------------------------------------------------


def statistic_of(
    statement: Statement, sizes: bool = False, is_measured: Callable[[Key], bool] | None = None, owner: str = "claims"
) -> Statistic:
    """A statement as a statistic.

    sizes         whether a gap's printed size is asked for (paper scale), or its sign alone
    is_measured   tells whether a cell is measured; operands under `not_run` are left out where it is not

    Raises ValueError naming the key or kind that is wrong.
    """
    kind = one_of(statement.get("kind"), KINDS, owner, "kind")
    known_keys(statement, [*COMMON_KEYS, *OWN_KEYS[kind]], owner, "key")
    statistic = BUILDERS[kind](Reading(statement, sizes, is_measured, owner))
    if "effect" not in statement:
        return statistic
    effect = linear(statement["effect"], statement.get("at", "")) if statement["effect"] else None
    return Statistic(kind, statistic.tree, effect, statistic.absent)


@dataclass(frozen=True)
class Reading:
    """A statement with what is known while it is read."""

    statement: Statement
    sizes: bool
    is_measured: Callable[[Key], bool] | None
    owner: str

    @property
    def at(self) -> str:
        """The pattern of operands."""
        return self.statement.get("at", "")

    def operand(self, text: Any) -> Contrast:
        """A sum of cells."""
        return linear(text, self.at)

    def in_words(self, text: Any) -> str:
        """The operand in words."""
        return in_words(text, self.at)

    def measured_operands(self, operands: Sequence[Any]) -> list[Any]:
        """The operands without those that may be left out and are not measured."""
        return [operand for operand in operands if not self.left_out(operand)]

    def left_out(self, operand: Any) -> bool:
        """Whether an operand may be left out and is not measured."""
        if self.is_measured is None or str(operand) not in map(str, self.statement.get("not_run", ())):
            return False
        return not all(self.is_measured(key) for key in self.operand(operand).weights)

    def absent(self, operands: Sequence[Any]) -> tuple[str, ...]:
        """Those that are left out."""
        return tuple(str(operand) for operand in operands if self.left_out(operand))


def order(reading: Reading) -> Statistic:
    """One cell, or sum of cells, above another; above it by a size, where sizes are asked for."""
    statement = reading.statement
    more, less = statement["more"], statement.get("less", 0)
    effect = reading.operand(more).minus(reading.operand(less))
    by = linear(str(statement["by"])) if "by" in statement and reading.sizes else Contrast({})
    tree = effect.minus(by, f"{reading.in_words(more)} above {reading.in_words(less)}")
    return Statistic(statement["kind"], tree, effect)


def trend(reading: Reading) -> Statistic:
    """A least-squares slope above zero, or below it."""
    statement = reading.statement
    rows = reading.measured_operands(statement["rows"])
    cells = [reading.operand(row) for row in rows]
    over = statement.get("over")
    if over is not None:
        require(len(over) == len(statement["rows"]), reading.owner, "over", "as long as rows", over)
        over = [x for x, row in zip(over, statement["rows"], strict=True) if row in rows]
    rising = slope(cells, over)
    words = f"{reading.in_words(rows[0])} to {rows[-1]} {'falls' if statement.get('falls') else 'rises'}"
    tree = Contrast({}).minus(rising) if statement.get("falls") else rising
    return Statistic("trend", tree.with_words(words), cells[-1].minus(cells[0]), reading.absent(statement["rows"]))


def slope(cells: Sequence[Contrast], over: Sequence[float] | None = None) -> Contrast:
    """The least-squares slope of cells over their ranks, or over the log of the varied number."""
    require(len(cells) >= 2, "claims.slope", "rows", "at least two", len(cells))
    x = np.arange(len(cells), dtype=float) if over is None else np.log(np.asarray(over, dtype=float))
    x = x - x.mean()
    weights: dict[Key, float] = {}
    constant = 0.0
    for factor, cell in zip(x / (x**2).sum(), cells, strict=True):
        constant += float(factor) * cell.constant
        for key, weight in cell.weights.items():
            weights[key] = weights.get(key, 0.0) + float(factor) * weight
    return Contrast(weights, constant)  # a middle row weighs nothing, and is needed all the same


def best(reading: Reading) -> Statistic:
    """One cell above each of its rivals."""
    statement = reading.statement
    rivals = reading.measured_operands(statement["rivals"])
    require(bool(rivals), reading.owner, "rivals", "at least one that is measured", statement["rivals"])
    cell = statement["cell"]
    parts = [
        reading.operand(cell).minus(reading.operand(rival), f"{reading.in_words(cell)} above {rival}")
        for rival in rivals
    ]
    return Statistic("best", every(parts), parts[0] if len(parts) == 1 else None, reading.absent(statement["rivals"]))


def equivalence(reading: Reading) -> Statistic:
    """Two one-sided tests of every pair of cells, or of the first against the others; `rise_only` asks one side."""
    statement = reading.statement
    names = reading.measured_operands(statement["cells"])
    cells = [reading.operand(name) for name in names]
    within = float(statement["within"])
    require(within > 0, reading.owner, "within", "> 0", within)
    require(len(cells) >= 2, reading.owner, "cells", "at least two that are measured", statement["cells"])
    pairs = list(itertools.combinations(range(len(cells)), 2))
    parts: list[Tree] = []
    for this, other in pairs[: len(cells) - 1] if statement.get("first") else pairs:
        gap, tolerance = cells[other].minus(cells[this]), Contrast({}, within)
        parts.append(tolerance.minus(gap, f"{names[other]} not above {names[this]} by {within:g}"))
        if not statement.get("rise_only"):
            parts.append(gap.minus(Contrast({}, -within), f"{names[other]} not below {names[this]} by {within:g}"))
    effect = cells[1].minus(cells[0]) if len(cells) == 2 else None
    return Statistic("equivalence", every(parts), effect, reading.absent(statement["cells"]))


def several(reading: Reading) -> Statistic:
    """All parts, or at least `count` of them; without those of which nothing is measured that may be left out."""
    statement = reading.statement
    inherited = {"at": reading.at, "not_run": statement.get("not_run", ())}
    parts, absent = [], []
    for own in statement["of"]:
        part = inherited | dict(own)
        inner = Reading(part, reading.sizes, reading.is_measured, reading.owner)
        missing = inner.absent([part[name] for name in ("more", "less") if name in part])
        rows = part.get("rows", ())
        if rows and len(inner.absent(rows)) == len(rows):
            missing = inner.absent(rows)
        absent += [part["words"]] if missing and "words" in part else missing
        if missing:
            continue
        statistic = statistic_of(part, reading.sizes, reading.is_measured, reading.owner)
        absent += statistic.absent
        part_tree = statistic.tree.with_words(part["words"]) if "words" in part else statistic.tree
        parts.append((part_tree, statistic.effect))
    if not parts and absent:  # nothing at all is measured: then all of it is what is missing
        return several(replace(reading, is_measured=None))
    require(bool(parts), reading.owner, "of", "at least one part", statement["of"])
    trees = tuple(tree for tree, _ in parts)
    count = statement["count"] if statement["kind"] == "count" else len(trees)
    tree = trees[0] if len(trees) == count == 1 else AtLeast(trees, count)
    return Statistic(statement["kind"], tree, parts[0][1], tuple(dict.fromkeys(absent)))


def none(reading: Reading) -> Statistic:
    """Nothing that runs could judge."""
    require(bool(reading.statement.get("why")), reading.owner, "why", "given", reading.statement.get("why"))
    return Statistic("none", None)


BUILDERS: dict[str, Callable[[Reading], Statistic]] = {
    "order": order,
    "gap": order,
    "trend": trend,
    "best": best,
    "equivalence": equivalence,
    "count": several,
    "conjunction": several,
    "none": none,
}
