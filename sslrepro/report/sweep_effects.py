"""How much does each change from SimCLR to NNCLR gain at each length of training, and does the gain grow?"""

import math
from functools import cache
from importlib import resources
from typing import Any

from sslrepro.claims import Cell
from sslrepro.report.figures import MINED
from sslrepro.report.trends import Trend, trend
from sslrepro.study.results import Results, cell_of, paired_differences

LEARNERS = ("SimCLR", "no lookup", "no lookup, no gradient", "nearest neighbour", "oracle neighbour")
SCORES = ("linear_top1", "knn_top1")
PRIMARY = ("nearest neighbour", "no lookup")
STEPS = {  # from SimCLR to NNCLR, one change at a time
    "heads, predictor and loss": ("no lookup", "SimCLR"),
    "stopped gradient": ("no lookup, no gradient", "no lookup"),
    "the neighbour's vector": ("nearest neighbour", "no lookup, no gradient"),
}
EFFECTS = {
    "neighbour minus no lookup": PRIMARY,
    "neighbour minus SimCLR": ("nearest neighbour", "SimCLR"),
    **{f"of which {name}": pair for name, pair in STEPS.items()},
    "oracle minus no lookup": ("oracle neighbour", "no lookup"),
}
TIMES_CHANCE = 3  # least ratio of right neighbours to chance at which a length says something about neighbours
COLLAPSED = 0.05


def lengths(results: Results) -> dict[str, int]:
    """Column -> epochs of its runs, shortest first; columns whose lengths are equal at this scale once."""
    row = next(iter(results.definition.rows))
    epochs = {name: results.plan.of(row, name)[0].config.plan.epochs for name in results.definition.score_columns}
    first = {length: name for name, length in reversed(epochs.items())}
    return {name: length for length, name in sorted(first.items())}


def values(results: Results, row: str, column: str, score: str) -> dict[int, float]:
    """Seed -> a score of a learner at a length, in percent."""
    return {seed: 100 * value for seed, value in results.by_seed(row, score, column).items()}


def difference(results: Results, pair: tuple[str, str], column: str, score: str = "linear_top1") -> dict[int, float]:
    """Seed -> points by which the first learner is better, for seeds that both have."""
    return paired_differences(*(values(results, row, column, score) for row in pair))


def collapsed_seeds(results: Results, row: str, column: str) -> list[int]:
    """Seeds whose embedding ended with a spread below 0.05."""
    return [seed for seed, value in results.by_seed(row, "embedding_std", column).items() if value < COLLAPSED]


def growth(results: Results, pair: tuple[str, str] = PRIMARY, score: str = "linear_top1") -> Trend | None:
    """The effect's lines over log2 of the epochs, of seeds that have every length; None for a single length."""
    here = lengths(results)
    if len(here) < 2:
        return None
    return trend({math.log2(n): difference(results, pair, name, score) for name, n in here.items()})


def growth_so_far(results: Results, pair: tuple[str, str] = PRIMARY, score: str = "linear_top1") -> Trend | None:
    """The same over the lengths that most seeds have, while other lengths lack seeds; None where that adds nothing."""
    points = {math.log2(n): difference(results, pair, name, score) for name, n in lengths(results).items()}
    most = max((len(values) for values in points.values()), default=0)
    full = {x: values for x, values in points.items() if len(values) == most}
    return trend(full) if most >= 2 and 2 <= len(full) < len(points) else None


def right(results: Results, column: str, row: str = "nearest neighbour") -> Cell | None:
    """How often the neighbours of the last logged steps shared the class, in percent."""
    return cell_of(values(results, row, column, MINED))


def chance(results: Results) -> float:
    """How often a random image shares the class, in percent."""
    return 100 / results.plan.profile.classes


def passes_gate(results: Results, column: str) -> bool:
    """Whether neighbours are right at least three times as often as chance."""
    share = right(results, column)
    return share is not None and share.mean >= TIMES_CHANCE * chance(results)


@cache
def public_numbers() -> list[dict[str, Any]]:
    """NNCLR minus SimCLR as others published it, with sources (papers/public_nnclr.yaml)."""
    import yaml

    return yaml.safe_load(resources.files("sslrepro.papers").joinpath("public_nnclr.yaml").read_text("utf-8"))["rows"]
