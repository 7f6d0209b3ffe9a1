"""Lines over seeds: slopes, the set of crossings, and what may be said with how many seeds."""

import doctest
import math

import numpy as np
import pytest
from scipy import stats

from sslrepro.claims import Cell
from sslrepro.report import trends
from sslrepro.report.trends import Trend, first_crossing, positive, sign_word, trend


def noisy(rng, intercept=-4.0, slope=2.0, seeds=3, sd=1.0, x=(0.0, 1.0, 2.0, 3.0)):
    """Lines of seeds around a true one, with noise of the seed's own line and of each point."""
    points = {at: {} for at in x}
    for seed in range(seeds):
        own = rng.normal(0, sd, 2)
        for at in x:
            points[at][seed] = intercept + own[0] + (slope + 0.3 * own[1]) * at + rng.normal(0, 0.5)
    return points


def test_the_examples():
    assert doctest.testmod(trends).failed == 0


def test_each_line_is_the_least_squares_line_of_its_seed():
    points = noisy(np.random.default_rng(0))
    for seed, (intercept, slope) in trend(points).lines.items():
        fit = stats.linregress(list(points), [values[seed] for values in points.values()])
        assert (intercept, slope) == pytest.approx((fit.intercept, fit.slope))


def test_seeds_without_every_point_have_no_line():
    points = noisy(np.random.default_rng(0))
    del points[2.0][1]
    assert sorted(trend(points).lines) == [0, 2]


def test_the_probability_is_that_of_a_one_sample_t_test():
    line = trend(noisy(np.random.default_rng(1)))
    slopes = [slope for _, slope in line.lines.values()]
    assert line.rising == pytest.approx(1 - stats.ttest_1samp(slopes, 0, alternative="greater").pvalue)
    assert positive(Cell(-2.0, 1.0, 3)) == pytest.approx(1 - positive(Cell(2.0, 1.0, 3)))


def test_at_the_ends_of_the_set_the_t_interval_of_the_lines_touches_zero():
    line = trend(noisy(np.random.default_rng(2), seeds=4))
    for x in line.zero_set:
        values = np.array([a + b * x for a, b in line.lines.values()])
        assert abs(stats.ttest_1samp(values, 0).statistic) == pytest.approx(stats.t.ppf(0.975, 3))
    low, high = line.zero_set
    assert low < line.zero < high and line.at(line.zero) == pytest.approx(0, abs=1e-9)


def test_the_set_holds_the_true_crossing_as_often_as_it_says():
    """A set without two ends leaves nothing out, so it counts as holding it."""
    rng = np.random.default_rng(3)
    held, bounded = 0, 0
    for _ in range(1500):
        ends = trend(noisy(rng)).zero_set
        held += ends is None or ends[0] <= 2.0 <= ends[1]
        bounded += ends is not None
    assert held / 1500 == pytest.approx(0.95, abs=0.02) and bounded > 1000


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [((2.0, 2.1, 1.9), "rises"), ((-2.0, -2.1, -1.9), "falls"), ((2.0, -2.1, 1.0), "open"), ((2.0,), "open")],
)
def test_verdicts(slopes, verdict):
    line = Trend((0.0, 1.0), {seed: (-1.0, slope) for seed, slope in enumerate(slopes)})
    assert line.verdict == verdict
    assert (line.zero_set is None) == (verdict == "open")


def test_one_seed_or_none_says_nothing_of_others():
    single, none = Trend((0.0, 1.0), {0: (-1.0, 2.0)}), Trend((0.0, 1.0), {})
    assert single.rising is None and single.zero_set is None and single.zero == 0.5 and single.verdict == "open"
    assert none.slope is None and none.zero is None and none.verdict == "open"


def test_the_polygon_crosses_where_it_comes_from_below():
    assert first_crossing({0.0: -2.0, 0.4: -1.0, 0.6: 1.0, 1.0: -1.0}) == pytest.approx(0.5)
    assert first_crossing({0.0: 1.0, 1.0: 2.0}) is None and first_crossing({0.0: -2.0, 1.0: -1.0}) is None


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        (Cell(3.0, 0.1, 3), "pays"),
        (Cell(-3.0, 0.1, 3), "costs"),
        (Cell(3.0, 3.0, 3), "open"),
        (Cell(3.0, 0.0, 1), "one seed"),
        (Cell(3.0, 0.01, 2), "two seeds"),
        (None, "not run"),
    ],
)
def test_words(cell, word):
    assert sign_word(cell) == word


def test_one_point_is_no_line():
    with pytest.raises(ValueError, match=r"trends\.trend: points"):
        trend({0.0: {0: 1.0}})
    assert math.isnan(Cell(1.0, 0.0, 1).half_width)
