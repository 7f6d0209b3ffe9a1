"""Straight lines over seeds: whether an effect rises with what is varied, and where it crosses zero.

Every seed gives its own least-squares line; what is said of the mean line comes from Student's t over the seeds, so
that it holds for further seeds (on the embedded sets: for new images) and not for these points alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from sslrepro.base.errors import require
from sslrepro.claims import Cell
from sslrepro.study.results import cell_of

DECIDED = 0.95
TOO_FEW = ("one seed", "two seeds")


@dataclass(frozen=True)
class Trend:
    """One line per seed, y = intercept + slope * x, over the same points x.

    x       the points, at least two different ones
    lines   seed -> (intercept, slope)
    """

    x: tuple[float, ...]
    lines: dict[int, tuple[float, float]]

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.lines)

    @property
    def slope(self) -> Cell | None:
        """Mean and spread of the slopes; None without seeds."""
        return cell_of({seed: slope for seed, (_, slope) in self.lines.items()})

    @property
    def rising(self) -> float | None:
        """Probability that the mean slope is positive, under Student's t; None for fewer than two seeds."""
        return positive(self.slope)

    @property
    def verdict(self) -> str:
        """ "rises" or "falls" with a probability of at least 0.95, else "open"."""
        p = self.rising
        return "open" if p is None else "rises" if p >= DECIDED else "falls" if p <= 1 - DECIDED else "open"

    @property
    def zero(self) -> float | None:
        """Where the mean line is zero; None for a level line or no seeds."""
        if not self.lines:
            return None
        intercept, slope = np.mean(list(self.lines.values()), axis=0)
        return float(-intercept / slope) if slope else None

    @property
    def zero_set(self) -> tuple[float, float] | None:
        """Ends of the 95% set of x at which the t-interval of the seeds' lines contains zero (Fieller, 1954).

        None where the set has no two ends: fewer than two seeds, or slopes whose own 95% interval contains zero, for
        then lines of either sign fit and no x can be left out.
        """
        if self.n < 2:
            return None
        lines = np.array(list(self.lines.values()))
        a, b = lines.mean(0)
        (vaa, vab), (_, vbb) = np.cov(lines.T) * stdtrit(self.n - 1, 0.975) ** 2 / self.n
        square, half, rest = b * b - vbb, a * b - vab, a * a - vaa  # square x^2 + 2 half x + rest <= 0
        if square <= 0:
            return None
        root = math.sqrt(max(half * half - square * rest, 0.0))
        return float((-half - root) / square), float((-half + root) / square)

    def at(self, x: float) -> float:
        """The mean line at x."""
        intercept, slope = np.mean(list(self.lines.values()), axis=0)
        return float(intercept + slope * x)


def positive(cell: Cell | None) -> float | None:
    """Probability that the mean of a cell is above zero, under Student's t; None for fewer than two seeds."""
    if cell is None or cell.n < 2:
        return None
    if cell.sd == 0:
        return 0.5 + 0.5 * float(np.sign(cell.mean))
    return float(stdtr(cell.n - 1, cell.mean / (cell.sd / math.sqrt(cell.n))))


def trend(points: Mapping[float, Mapping[int, float]]) -> Trend:
    """The lines of the seeds that have a value at every point.

        points   x -> seed -> y

    Raises ValueError for fewer than two points.

    >>> trend({0.0: {0: -1.0, 1: -2.0}, 1.0: {0: 1.0, 1: 2.0}, 2.0: {0: 3.0}}).lines
    {0: (-1.0, 2.0)}
    """
    require(len(points) >= 2, "trends.trend", "points", "at least two", len(points))
    x = np.array(list(points))
    seeds = set.intersection(*(set(values) for values in points.values()))
    lines = {}
    for seed in sorted(seeds):
        slope, intercept = np.polyfit(x, [values[seed] for values in points.values()], 1)
        lines[seed] = round(float(intercept), 10), round(float(slope), 10)
    return Trend(tuple(map(float, x)), lines)


def first_crossing(points: Mapping[float, float]) -> float | None:
    """The smallest x at which the polygon through (x, y) comes from below zero to zero; None where it never does.

    >>> first_crossing({0.0: -1.0, 1.0: 3.0})
    0.25
    """
    before = None
    for x, y in sorted(points.items()):
        if before is not None and before[1] < 0 <= y:
            (x0, y0) = before
            return x0 + (x - x0) * -y0 / (y - y0)
        before = x, y
    return None


def sign_word(cell: Cell | None, words: tuple[str, str] = ("pays", "costs")) -> str:
    """The first word if the 95% interval lies above zero, the second if below, "open" else.

    "one seed" or "two seeds" where a cell has no more, and so no interval to judge by; "not run" for None.
    """
    if cell is None or not cell.has_interval:
        return "not run" if cell is None else TOO_FEW[cell.n - 1]
    if abs(cell.mean) <= cell.half_width:
        return "open"
    return words[0] if cell.mean > 0 else words[1]
