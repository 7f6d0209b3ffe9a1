"""What is a neighbour worth, by the share of right lookups and their distance, and where do real miners lie?"""

from dataclasses import dataclass

import numpy as np

from sslrepro.claims import Cell
from sslrepro.parts.stand_in import DISTANCES
from sslrepro.report.figures import MINED
from sslrepro.report.row_effects import mean_difference
from sslrepro.report.trends import Trend, first_crossing, trend
from sslrepro.study.results import Results, cell_of, paired_differences

BASE = "no lookup"
BASES = (BASE, "no lookup, no gradient")
SCORES = ("linear_top1", "knn_top1")


def points(results: Results, right: str = "nearest", wrong: str = "nearest") -> dict[float, str]:
    """Share of right lookups -> the row that has it, for a distance of right and of wrong neighbours, ascending.

    With no right neighbours the distance of right ones says nothing, with no wrong ones that of wrong ones: such rows
    belong to every distance.
    """
    out = {}
    for row, sets in results.definition.rows.items():
        if sets.get("method") != "nnclr_controlled":
            continue
        share = sets["right_share"]
        if (sets["right"] == right or share == 0) and (sets["wrong"] == wrong or share == 1):
            out[share] = row
    return dict(sorted(out.items()))


def distances(results: Results) -> list[str]:
    """The distances of right neighbours that the map varies the share of, nearest first."""
    return [right for right in DISTANCES if len(points(results, right)) > 1]


def gain(results: Results, row: str, score: str = "linear_top1", base: str = BASE) -> dict[int, float]:
    """Seed -> points by which a row is above no lookup, for seeds that both have."""
    first, second = (
        {seed: 100 * value for seed, value in results.by_seed(name, score).items()} for name in (row, base)
    )
    return paired_differences(first, second)


def curve(
    results: Results, right: str = "nearest", wrong: str = "nearest", score: str = "linear_top1", base: str = BASE
) -> dict[float, dict[int, float]]:
    """Share of right lookups -> seed -> gain."""
    return {share: gain(results, row, score, base) for share, row in points(results, right, wrong).items()}


def rise(results: Results, right: str = "nearest", score: str = "linear_top1", base: str = BASE) -> Trend:
    """The gain's lines over the share of right lookups, of seeds that have every share."""
    points = curve(results, right, score=score, base=base)
    return trend(points) if len(points) > 1 else Trend((), {})  # a table can be cut to a few of its rows


def bent_crossing(
    results: Results, right: str = "nearest", score: str = "linear_top1", base: str = BASE
) -> float | None:
    """Where the polygon through the mean points crosses zero; None where it does not or points are missing."""
    gains = curve(results, right, score=score, base=base)
    seeds = set.intersection(*map(set, gains.values())) if gains else set()
    if not seeds:
        return None
    return first_crossing({share: float(np.mean([by[seed] for seed in seeds])) for share, by in gains.items()})


def distance_effect(results: Results, high: str, low: str, score: str = "linear_top1") -> Cell | None:
    """Points by which one distance of right neighbours is better than another, averaged over the shares above zero.

    Over seeds that have every share of both; None where there is none.
    """
    return over_shares(*(points(results, right) for right in (high, low)), results, score)


def error_effect(results: Results, score: str = "linear_top1") -> Cell | None:
    """The same of wrong neighbours drawn at random against the nearest, over the shares that both have below one."""
    return over_shares(points(results, wrong="random"), points(results, wrong="nearest"), results, score, zero=True)


def over_shares(
    first: dict[float, str], second: dict[float, str], results: Results, score: str, zero: bool = False
) -> Cell | None:
    """Mean over the shares that both curves have as rows of their own of their difference, per seed."""
    shares = [share for share in first if share in second and (zero or share > 0)]
    pairs = [(first[share], second[share]) for share in shares if first[share] != second[share]]
    return mean_difference(results, pairs, score)


@dataclass(frozen=True)
class Placed:
    """A real miner on the map.

    share       of its lookups at the end of training that were right, in [0, 1], mean over seeds
    gain        over no lookup, in points
    predicted   the map's mean curve of near right and near wrong neighbours at that share
    """

    row: str
    share: float
    gain: Cell
    predicted: float

    @property
    def error(self) -> float:
        """Gain minus prediction, in points."""
        return self.gain.mean - self.predicted


def miners(results: Results, score: str = "linear_top1") -> list[Placed]:
    """Every miner that was run, on the map; [] while no seed has the whole curve."""
    gains = curve(results, score=score)
    seeds = set.intersection(*map(set, gains.values())) if gains else set()
    if not seeds:
        return []
    shares, means = list(gains), [float(np.mean([by[seed] for seed in seeds])) for by in gains.values()]
    out = []
    for row, sets in results.definition.rows.items():
        share, cell = results.by_seed(row, MINED), cell_of(gain(results, row, score))
        if sets.get("method") == "nnclr_controlled" or not share or cell is None:
            continue
        at = float(np.mean(list(share.values())))
        out.append(Placed(row, at, cell, float(np.interp(at, shares, means))))
    return out


@dataclass(frozen=True)
class Prediction:
    """How well the map predicts the miners, in points.

    error      root mean square of gain minus prediction;  bias   mean of the same;  spread   around that mean
    baseline   root mean square of gain minus the miners' own mean gain, which knows them
    """

    n: int
    error: float
    bias: float
    spread: float
    baseline: float

    @property
    def explains(self) -> bool:
        """Whether the map predicts the miners better than their own mean does."""
        return self.error < self.baseline


def prediction(results: Results, score: str = "linear_top1") -> Prediction | None:
    """The map's errors over all miners; None for fewer than two."""
    placed = miners(results, score)
    if len(placed) < 2:
        return None
    errors, gains = np.array([miner.error for miner in placed]), np.array([miner.gain.mean for miner in placed])
    error = float(np.sqrt((errors**2).mean()))
    return Prediction(len(placed), error, float(errors.mean()), float(errors.std()), float(gains.std()))
