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

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from sslrepro.base.errors import require
from sslrepro.claims.language import LEAST_SEEDS, Cell, Missing

LEVEL = 0.05  # of either wrong verdict

Key = tuple[str, ...]  # (table, row, column), or (paper, name) of a value of its text
Look = Callable[[Key], Cell]
Numbers = np.ndarray | float  # one experiment, or many at once


# --- two building blocks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells plus a constant, claimed to be above zero."""

    weights: dict[Key, float]
    constant: float = 0.0
    words: str = ""

    def with_words(self, words: str) -> "Contrast":
        """The same, saying what it compares."""
        return replace(self, words=words)

    def minus(self, other: "Contrast", words: str = "") -> "Contrast":
        """The difference of two, without cells that cancel; a cell of weight zero (a slope's middle row) stays."""
        keys = [*self.weights, *(key for key in other.weights if key not in self.weights)]
        left = {key: self.weights.get(key, 0.0) - other.weights.get(key, 0.0) for key in keys}
        cancelled = {key for key in self.weights.keys() & other.weights.keys() if not left[key]}
        weights = {key: weight for key, weight in left.items() if key not in cancelled}
        return Contrast(weights, self.constant - other.constant, words)

    def keys(self) -> Iterator[Key]:
        """The cells it reads."""
        yield from self.weights


@dataclass(frozen=True)
class AtLeast:
    """At least `count` of the parts are claimed to be true."""

    parts: tuple["Contrast | AtLeast", ...]
    count: int
    words: str = ""

    def with_words(self, words: str) -> "AtLeast":
        """The same, saying what it asks."""
        return replace(self, words=words)

    def keys(self) -> Iterator[Key]:
        """The cells it reads, each once."""
        yield from dict.fromkeys(key for part in self.parts for key in part.keys())


Tree = Contrast | AtLeast


def every(parts: Iterable[Tree], words: str = "") -> Tree:
    """All of the parts; one part stands for itself."""
    joined = tuple(parts)
    return joined[0] if len(joined) == 1 else AtLeast(joined, len(joined), words)


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


def upper_tail(mean: Numbers, error: Numbers, freedom: Numbers) -> Numbers:
    """P(T >= mean / error) of Student's t; without any spread 0, 1/2 or 1 by the sign of the mean."""
    sure = np.where(np.abs(mean) < 1e-9, 0.5, np.where(mean > 0, 0.0, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, stdtr(freedom, -mean / error), sure)


def at_least(p: Any, count: int) -> tuple[Numbers, Numbers]:
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
        values = np.array(
            [sum(weight * dict(cells[key].seeds)[seed] for key, weight in contrast.weights.items()) for seed in shared]
        )
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


def contrasts(tree: Tree) -> Iterator[Contrast]:
    """The contrasts of a tree, left to right."""
    if isinstance(tree, Contrast):
        yield tree
    else:
        for part in tree.parts:
            yield from contrasts(part)
