"""What a claim's sentence is about, as a statistic of cells, and how sure the seeds make it (docs/adr/0008).

There are two building blocks. A *contrast* is a weighted sum of cells that the claim says is above zero; Student's t
gives a p-value for each side. A *k-of-n* joins parts of which at least k are claimed to be true. Every kind of claim is
one of these or a tree of them:

    order, gap     one contrast, the difference                 trend         one contrast, the least-squares slope
    best           n of n differences to a rival                equivalence   all differences above -tol and below tol
    count          k of n wins                                  conjunction   n of n unlike parts

Two p-values go up the tree. `against_claim` is small where the data would be surprising were the claim false,
`for_opposite` where they would be surprising were it true. At least k of n parts are true where the k-th smallest
p-value, times n - k + 1, is small; fewer than k where the (n - k + 1)-th smallest of the other side, times k, is
(Benjamini and Heller, Biometrics 2008, with Bonferroni's weights; for k = n these are the intersection-union test and
the first step of Holm). So each wrong verdict has a probability of at most 5%, whatever the parts share.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.claims.language import LEAST_SEEDS, Cell, Missing

LEVEL = 0.05  # of either wrong verdict
KINDS = ("order", "gap", "trend", "best", "equivalence", "count", "conjunction", "none")

Key = tuple[str, ...]  # (table, row, column), or (paper, name) of a value of its text
Look = Callable[[Key], Cell]


# --- two building blocks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells plus a constant, claimed to be above zero."""

    weights: dict[Key, float]
    constant: float = 0.0
    words: str = ""

    def minus(self, other: "Contrast", words: str = "") -> "Contrast":
        """The difference of two, without cells that cancel."""
        keys = [*self.weights, *(key for key in other.weights if key not in self.weights)]
        left = {key: self.weights.get(key, 0.0) - other.weights.get(key, 0.0) for key in keys}
        return Contrast({key: weight for key, weight in left.items() if weight}, self.constant - other.constant, words)

    def keys(self) -> Iterator[Key]:
        """The cells it reads."""
        yield from self.weights


@dataclass(frozen=True)
class AtLeast:
    """At least `count` of the parts are claimed to be true."""

    parts: tuple["Contrast | AtLeast", ...]
    count: int
    words: str = ""

    def keys(self) -> Iterator[Key]:
        """The cells it reads, each once."""
        yield from dict.fromkeys(key for part in self.parts for key in part.keys())


Tree = Contrast | AtLeast


def every(parts: Iterable[Tree], words: str = "") -> Tree:
    """All of the parts; one part stands for itself."""
    given = tuple(parts)
    return given[0] if len(given) == 1 else AtLeast(given, len(given), words)


# --- p-values --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A contrast as the seeds give it: mean, standard error, degrees of freedom, seeds that went in."""

    mean: float
    error: float
    freedom: float
    n: int

    @property
    def above(self) -> float:
        """How surprising so large a mean were, were the truth zero: the p-value against "not above zero"."""
        return float(upper_tail(np.float64(self.mean), np.float64(self.error), np.float64(self.freedom)))

    @property
    def interval(self) -> tuple[float, float, float]:
        """(mean, low, high) of the 95% interval."""
        half = float(stdtrit(self.freedom, 0.975)) * self.error if self.error else 0.0
        return self.mean, self.mean - half, self.mean + half


def upper_tail(mean: np.ndarray, error: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """P(T >= mean / error) of Student's t; without any spread 0, 1/2 or 1 by the sign of the mean."""
    sure = np.where(np.abs(mean) < 1e-9, 0.5, np.where(mean > 0, 0.0, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, stdtr(freedom, -mean / error), sure)


def at_least(p: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """P-values of "at least `count` of n" from those of the parts, along the last axis.

    p   [..., n, 2]: of each part, against the claim and for its opposite

    >>> at_least(np.array([[0.01, 0.99], [0.04, 0.96]]), 2)  # both
    (0.04, 1.0)
    """
    p = np.asarray(p, dtype=float)
    n = p.shape[-2]
    require(1 <= count <= n, "claims.at_least", "count", f"1..{n}", count)
    ordered = np.sort(p, axis=-2)
    against_claim = np.minimum(1.0, (n - count + 1) * ordered[..., count - 1, 0])
    for_opposite = np.minimum(1.0, count * ordered[..., n - count, 1])
    if against_claim.ndim == 0:
        return float(against_claim), float(for_opposite)
    return against_claim, for_opposite


def estimate(contrast: Contrast, look: Look, seeds: int | None = None) -> Estimate:
    """A contrast from its cells: paired over the seeds that all share, else Welch's.

    seeds   asks how it would be with so many, were means and spreads to stay as they are

    Raises Missing for a cell that was not run or has one seed.
    """
    cells = {key: look(key) for key in contrast.weights}
    constant = contrast.constant
    if not cells:
        return Estimate(constant, 0.0, math.inf, 0)
    shared = shared_seeds(cells.values())
    if len(shared) >= min(LEAST_SEEDS, max(2, min(cell.n for cell in cells.values()))):
        values = np.array([sum(weight * dict(cells[key].seeds)[seed] for key, weight in contrast.weights.items())
                           for seed in shared])  # fmt: skip
        n = seeds or len(values)
        spread = float(values.std(ddof=1))
        spread = 0.0 if spread < 1e-9 else spread
        return Estimate(float(values.mean()) + constant, spread / math.sqrt(n), n - 1, n)
    merged: dict[Any, list[Any]] = {}
    for key, weight in contrast.weights.items():
        cell = cells[key]
        if cell.n < 2:
            raise Missing("1 seed, at least 3 are needed")
        entry = merged.setdefault(cell.source or key, [0.0, cell])
        entry[0] += weight
    mean = sum(weight * cell.mean for weight, cell in merged.values()) + constant
    parts = [((weight * cell.sd) ** 2 / (seeds or cell.n), seeds or cell.n) for weight, cell in merged.values()]
    variance = sum(part for part, _ in parts)
    fewest = min(n for _, n in parts)
    if variance <= 0:
        return Estimate(mean, 0.0, math.inf, fewest)
    freedom = math.floor(variance**2 / sum(part**2 / (n - 1) for part, n in parts) + 1e-9)  # not rounded: 5.6% errors
    return Estimate(mean, math.sqrt(variance), freedom, fewest)


def shared_seeds(cells: Iterable[Cell]) -> list[int]:
    """The seeds that all cells have, where all say theirs; [] else."""
    sets = [dict(cell.seeds).keys() for cell in cells]
    if not sets or not all(sets):
        return []
    return sorted(set.intersection(*map(set, sets)))


def p_values(tree: Tree, look: Look, seeds: int | None = None) -> tuple[float, float]:
    """(against the claim, for its opposite) of a tree of statistics; raises Missing where a cell was not run."""
    if isinstance(tree, Contrast):
        above = estimate(tree, look, seeds).above
        return above, 1.0 - above
    return at_least(np.array([p_values(part, look, seeds) for part in tree.parts]), tree.count)


def fewest_seeds(tree: Tree, look: Look) -> int:
    """The least number of seeds behind any contrast of the tree."""
    if isinstance(tree, Contrast):
        return estimate(tree, look).n if tree.weights else 10**6
    return min(fewest_seeds(part, look) for part in tree.parts)


# --- from a judgement file's words to a tree -------------------------------------------------------------------------

_KEYS = {
    "order": ("more", "less"),
    "gap": ("more", "less", "by"),
    "trend": ("rows", "falls", "over"),
    "best": ("cell", "rivals", "least"),
    "equivalence": ("cells", "within", "rise_only", "first"),
    "count": ("of", "count"),
    "conjunction": ("of",),
    "none": ("why",),
}  # fmt: skip


@dataclass(frozen=True)
class Statistic:
    """A claim's statistic, ready to be judged.

    tree     None where nothing can be judged
    effect   the contrast that is shown beside the paper's; None where no single one tells the claim
    absent   operands that were left out because they are not run here
    """

    kind: str
    tree: Tree | None
    effect: Contrast | None = None
    absent: tuple[str, ...] = ()


def linear(text: str, at: str = "") -> Contrast:
    """A sum and difference of operands: "a - b", "2 * a + 3.5"; an operand is table/row/column or paper/name.

    at   a pattern with a star that stands for operands without a slash

    >>> linear("nn - view", "nnclr_positives/*/top1").weights
    {('nnclr_positives', 'nn', 'top1'): 1.0, ('nnclr_positives', 'view', 'top1'): -1.0}
    """
    weights: dict[Key, float] = {}
    constant, sign = 0.0, 1.0
    for token in _terms(str(text)):
        if token in ("+", "-"):
            sign = 1.0 if token == "+" else -1.0
            continue
        factor, _, operand = token.rpartition(" * ")
        weight = sign * (float(factor) if factor else 1.0)
        if _is_number(operand):
            constant += weight * float(operand)
        else:
            full = operand if "/" in operand else at.replace("*", operand)
            parts = tuple(full.split("/"))
            require(len(parts) in (2, 3), "claims.linear", "operand", "table/row/column or paper/name", full)
            weights[parts] = weights.get(parts, 0.0) + weight
    return Contrast({key: weight for key, weight in weights.items() if weight}, constant, words=str(text))


def _terms(text: str) -> list[str]:
    out = [""]
    for word in text.split(" "):
        if word in ("+", "-"):
            out += [word, ""]
        else:
            out[-1] = f"{out[-1]} {word}".strip()
    return [term for term in out if term]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def slope(cells: list[Contrast], over: list[float] | None = None) -> Contrast:
    """The least-squares slope of cells over their ranks, or over the log of the varied number."""
    require(len(cells) >= 2, "claims.slope", "rows", "at least two", len(cells))
    x = np.arange(len(cells), dtype=float) if over is None else np.log(np.asarray(over, dtype=float))
    x = x - x.mean()
    weights: dict[Key, float] = {}
    constant = 0.0
    for value, cell in zip(x / (x**2).sum(), cells, strict=True):
        constant += float(value) * cell.constant
        for key, weight in cell.weights.items():
            weights[key] = weights.get(key, 0.0) + float(value) * weight
    return Contrast({key: weight for key, weight in weights.items() if weight}, constant)


def compiled(
    given: Mapping[str, Any], sizes: bool = False, known: Callable[[Key], bool] | None = None, owner: str = "claims"
) -> Statistic:
    """A statistic of a judgement file as a tree.

    sizes   whether a gap's printed size is asked for (paper scale), or its sign alone
    known   tells whether a cell is run; operands that the statistic names under `not_run` are left out where it is not

    Raises ValueError naming the key or kind that is wrong.
    """
    kind = one_of(given.get("kind"), KINDS, owner, "kind")
    known_keys(given, ["kind", "at", "effect", "not_run", "sense", "words", *_KEYS[kind]], owner, "key")
    at, absent = given.get("at", ""), []

    def runs(operand: Any) -> bool:
        if str(operand) not in map(str, given.get("not_run", ())) or known is None:
            return True
        present = all(known(key) for key in linear(operand, at).weights)
        absent.extend([] if present else [str(operand)])
        return present

    def operand(text: Any) -> Contrast:
        return linear(text, at)

    tree: Tree | None = None
    effect: Contrast | None = None
    if kind in ("order", "gap"):
        effect = operand(given["more"]).minus(operand(given.get("less", "0")))
        size = linear(str(given["by"])) if kind == "gap" and sizes else Contrast({})
        tree = effect.minus(size, f"{given['more']} above {given.get('less', 0)}")
    elif kind == "trend":
        rows = [row for row in given["rows"] if runs(row)]
        cells = [operand(row) for row in rows]
        over = given.get("over")
        if over is not None:
            require(len(over) == len(given["rows"]), owner, "over", "as long as rows", over)
            over = [x for x, row in zip(over, given["rows"], strict=True) if row in rows]
        rising = slope(cells, over)
        tree = Contrast({}).minus(rising, "falls") if given.get("falls") else rising
        effect = cells[-1].minus(cells[0])
    elif kind == "best":
        best, sign = operand(given["cell"]), -1 if given.get("least") else 1
        rivals = [rival for rival in given["rivals"] if runs(rival)]
        parts = [best.minus(operand(r), f"above {r}") if sign > 0 else operand(r).minus(best, f"below {r}")
                 for r in rivals]  # fmt: skip
        require(bool(parts), owner, "rivals", "at least one that is run", given["rivals"])
        tree, effect = every(parts), parts[0] if len(parts) == 1 else None
    elif kind == "equivalence":
        cells = [row for row in given["cells"] if runs(row)]
        tree, effect = equivalent(given, [operand(row) for row in cells], cells)
    elif kind in ("count", "conjunction"):
        inner = []
        for part in given["of"]:
            part = {"at": at, "not_run": given.get("not_run", ())} | dict(part)
            if all(runs(name) for name in (part.get("more"), part.get("less")) if name is not None):
                inner.append((compiled(part, sizes, known, owner), part))
        require(bool(inner), owner, "of", "at least one part that is run", given["of"])
        trees = [_named(found.tree, part) for found, part in inner]
        count = given.get("count", len(trees)) if kind == "count" else len(trees)
        tree = trees[0] if len(trees) == 1 else AtLeast(tuple(trees), count)
        effect = inner[0][0].effect
        absent.extend(itertools.chain.from_iterable(found.absent for found, _ in inner))
    if given.get("effect") is not None:
        effect = operand(given["effect"]) if given["effect"] else None
    return Statistic(kind, tree, effect, tuple(dict.fromkeys(absent)))


def _named(tree: Tree, part: Mapping[str, Any]) -> Tree:
    words = part.get("words", "")
    if not words:
        return tree
    if isinstance(tree, Contrast):
        return Contrast(tree.weights, tree.constant, words)
    return AtLeast(tree.parts, tree.count, words)


def equivalent(given: Mapping[str, Any], cells: list[Contrast], names: list[Any]) -> tuple[Tree, Contrast | None]:
    """Two one-sided tests of every pair of cells, or of the first against the others; `rise_only` asks one side."""
    within = float(given["within"])
    require(within > 0, "claims.equivalence", "within", "> 0", within)
    pairs = list(itertools.combinations(range(len(cells)), 2))
    if given.get("first"):
        pairs = [(0, other) for other in range(1, len(cells))]
    parts: list[Tree] = []
    for one, other in pairs:
        gap = cells[other].minus(cells[one])
        above = Contrast({key: -weight for key, weight in gap.weights.items()}, within - gap.constant,
                         f"{names[other]} not above {names[one]}")  # fmt: skip
        below = Contrast(gap.weights, within + gap.constant, f"{names[other]} not below {names[one]}")
        parts += [above] if given.get("rise_only") else [above, below]
    return every(parts), cells[1].minus(cells[0]) if len(cells) == 2 else None


def contrasts(tree: Tree) -> Iterator[Contrast]:
    """The contrasts of a tree, left to right."""
    if isinstance(tree, Contrast):
        yield tree
    else:
        for part in tree.parts:
            yield from contrasts(part)


__all__ = ["KINDS", "LEVEL", "AtLeast", "Contrast", "Estimate", "Statistic", "at_least", "compiled", "contrasts",
           "estimate", "every", "fewest_seeds", "linear", "p_values", "shared_seeds", "slope"]  # fmt: skip
