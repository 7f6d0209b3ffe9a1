"""Contrasts against scipy and hand computations, k-of-n against brute force, and sentences as trees."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from sslrepro.claims import Cell, Missing
from sslrepro.claims.sentences import linear, slope, statistic_of
from sslrepro.claims.statistics import AtLeast, Contrast, at_least, contrasts, estimate, every, fewest_seeds, p_values

AT = {"at": "t/*/x"}


def key(row: str) -> tuple[str, str, str]:
    return ("t", row, "x")


def table(**rows):
    """Row -> values by seed, or a Cell."""
    cells = {key(row): v if isinstance(v, Cell) else Cell.of(dict(enumerate(v))) for row, v in rows.items()}

    def look(name):
        if name not in cells:
            raise Missing(f"not run: {'.'.join(name)}")
        return cells[name]

    return look


def runs(seed: int, means, n: int = 5, sd: float = 1.0):
    rng = np.random.default_rng(seed)
    shared = 3 * rng.normal(size=n)
    return {row: list(mean + shared + sd * rng.normal(size=n)) for row, mean in zip("abcdef", means, strict=False)}


# --- contrasts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_cells_that_share_seeds_are_compared_by_the_paired_t_test(seed):
    values = runs(seed, (0.5, 0.0))
    both_sides = p_values(statistic_of({"kind": "order", "more": "a", "less": "b"} | AT).tree, table(**values))
    expected = stats.ttest_rel(values["a"], values["b"], alternative="greater").pvalue
    assert both_sides == (pytest.approx(expected), pytest.approx(1 - expected))


def test_pairs_are_seeds_whatever_their_order_and_others_are_left_out():
    first = Cell.of({0: 1.0, 1: 2.0, 2: 4.0, 7: 99.0})
    second = Cell.of({2: 3.5, 0: 0.0, 1: 1.8})
    gap = estimate(linear("a - b", AT["at"]), table(a=first, b=second))
    expected = stats.ttest_1samp([1.0, 0.2, 0.5], 0)
    assert gap.n == 3 and gap.mean / gap.error == pytest.approx(expected.statistic)


@pytest.mark.parametrize("other", [{10: 1.0, 11: 0.4, 12: 0.1, 13: 0.9}, {0: 1.0, 1: 0.4, 12: 0.1, 13: 0.9}])
def test_cells_that_do_not_share_three_seeds_are_compared_by_welch(other):
    first = {0: 2.0, 1: 2.5, 2: 1.0}
    gap = estimate(linear("a - b", AT["at"]), table(a=Cell.of(first), b=Cell.of(other)))
    expected = stats.ttest_ind(list(first.values()), list(other.values()), equal_var=False)
    assert gap.mean / gap.error == pytest.approx(expected.statistic)
    assert gap.freedom == math.floor(expected.df), "rounded down: unrounded it errs in 5.6% at three seeds"


def test_summaries_of_one_source_are_one_measurement():
    cell = Cell(70.0, 5.0, 3, "run 1")
    look = {key("a"): cell, key("b"): cell}.__getitem__
    assert estimate(linear("a - b", AT["at"]), look).error == 0
    apart = {key("a"): cell, key("b"): Cell(70.0, 5.0, 3, "run 2")}.__getitem__
    assert estimate(linear("a - b", AT["at"]), apart).error == pytest.approx(math.sqrt(2 * 25 / 3))


def test_the_interval_is_scipys():
    values = [1.0, 2.0, 4.0, 3.0]
    mean, low, high = estimate(linear("a", AT["at"]), table(a=values)).interval
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, low, high) == (pytest.approx(2.5), pytest.approx(expected[0]), pytest.approx(expected[1]))


@pytest.mark.parametrize("gap, expected", [(1.0, (0.0, 1.0)), (-1.0, (1.0, 0.0)), (0.0, (0.5, 0.5))])
def test_without_spread_the_sign_decides_and_equality_decides_nothing(gap, expected):
    tree = statistic_of({"kind": "order", "more": "a", "less": "b"} | AT).tree
    assert p_values(tree, table(a=[70 + gap] * 3, b=[70.0] * 3)) == expected


def test_more_seeds_with_the_same_spread():
    values = runs(1, (0.4, 0.0), n=4)
    difference = np.subtract(values["a"], values["b"])
    gap = estimate(linear("a - b", AT["at"]), table(**values), seeds=20)
    assert (gap.n, gap.freedom) == (20, 19)
    assert gap.error == pytest.approx(difference.std(ddof=1) / math.sqrt(20))


def test_a_missing_cell_and_a_single_seed_raise():
    with pytest.raises(Missing, match="not run: t.b.x"):
        estimate(linear("a - b", AT["at"]), table(a=[1.0, 2.0, 3.0]))
    with pytest.raises(Missing, match="1 seed"):
        estimate(linear("a - b", AT["at"]), table(a=Cell(1.0), b=Cell(1.0, 0.1, 3)))


# --- at least k of n -------------------------------------------------------------------------------------------------


def partial(p: list[float], count: int) -> float:
    """At least `count` of n: the worst Bonferroni test over all ways of being one short, by brute force."""
    n = len(p)
    worst = 0.0
    for true in itertools.combinations(range(n), count - 1):  # at most these are true; the others' null must fall
        rest = [p[i] for i in range(n) if i not in true]
        worst = max(worst, min(1.0, len(rest) * min(rest)))
    return worst


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [1, 2, 4, 5])
def test_at_least_k_is_the_worst_way_of_being_one_short(n, seed):
    p = np.random.default_rng(seed).uniform(size=(n, 2)) ** 3
    for count in range(1, n + 1):
        against_claim, for_opposite = at_least(p, count)
        assert against_claim == pytest.approx(partial(list(p[:, 0]), count))
        assert for_opposite == pytest.approx(partial(list(p[:, 1]), n - count + 1)), "n - k + 1 of the opposites"


def test_all_of_n_by_hand():
    assert at_least([[0.01, 0.99], [0.04, 0.96], [0.02, 0.98]], 3) == (0.04, 1.0)
    assert at_least([[0.99, 0.01], [0.5, 0.5], [0.5, 0.5]], 3) == (0.99, pytest.approx(0.03))


def test_the_count_must_be_possible():
    for count in (0, 3):
        with pytest.raises(ValueError, match=r"count must be 1..2"):
            at_least([[0.1, 0.9], [0.1, 0.9]], count)


# --- sentences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [None, [1, 10, 100, 1000], [8192, 16384, 32768, 98304]])
def test_a_trend_is_the_least_squares_slope(over):
    values = runs(3, (0.0, 0.3, 0.5, 1.1))
    x = np.arange(4) if over is None else np.log(over)
    slopes = [np.polyfit(x, [values[row][seed] for row in "abcd"], 1)[0] for seed in range(5)]
    statement = {"kind": "trend", "rows": list("abcd")} | AT | ({} if over is None else {"over": over})
    tree = statistic_of(statement).tree
    assert estimate(tree, table(**values)).mean == pytest.approx(np.mean(slopes))
    assert p_values(tree, table(**values))[0] == pytest.approx(
        stats.ttest_1samp(slopes, 0, alternative="greater").pvalue
    )
    fallen = statistic_of(statement | {"falls": True}).tree
    assert p_values(fallen, table(**values)) == pytest.approx(p_values(tree, table(**values))[::-1])


def test_a_trend_without_a_row_that_is_not_run():
    statement = {"kind": "trend", "rows": ["a", "b", "c"], "over": [1, 2, 8], "not_run": ["b"]} | AT
    measured = {key("a"), key("c")}
    statistic = statistic_of(statement, is_measured=measured.__contains__)
    assert set(statistic.tree.keys()) == measured and statistic.absent == ("b",)
    assert set(statistic_of(statement, is_measured=lambda name: True).tree.keys()) == {key("a"), key("b"), key("c")}
    assert set(statistic_of(statement | {"not_run": []}, is_measured=measured.__contains__).tree.keys()) >= {key("b")}


def test_a_trend_needs_its_middle_row_though_it_weighs_nothing():
    tree = statistic_of({"kind": "trend", "rows": ["a", "b", "c"], "falls": True} | AT).tree
    with pytest.raises(Missing, match="not run: t.b.x"):
        p_values(tree, table(a=[1.0, 2.0, 3.0], c=[0.0, 1.0, 2.1]))


def test_best_holds_by_the_nearest_rival_and_is_contradicted_by_holm():
    values = runs(5, (1.0, 0.0, 0.2, -0.5))
    tree = statistic_of({"kind": "best", "cell": "a", "rivals": ["b", "c", "d"]} | AT).tree
    each = [stats.ttest_rel(values["a"], values[r], alternative="greater").pvalue for r in "bcd"]
    assert p_values(tree, table(**values)) == (
        pytest.approx(max(each)),
        pytest.approx(min(1.0, 3 * min(1 - p for p in each))),
    )


def test_no_difference_is_two_one_sided_tests():
    values = runs(6, (0.2, 0.0), sd=0.3)
    tree = statistic_of({"kind": "equivalence", "cells": ["a", "b"], "within": 0.9} | AT).tree
    difference = np.subtract(values["b"], values["a"])
    low = stats.ttest_1samp(difference, -0.9, alternative="greater").pvalue
    high = stats.ttest_1samp(difference, 0.9, alternative="less").pvalue
    assert p_values(tree, table(**values)) == (
        pytest.approx(max(low, high)),
        pytest.approx(min(1.0, 2 * min(1 - low, 1 - high))),
    )


def test_rise_only_lets_it_fall():
    values = {"a": [70.0, 70.1, 69.9], "b": [60.0, 60.2, 59.9]}
    both = {"kind": "equivalence", "cells": ["a", "b"], "within": 0.5} | AT
    assert p_values(statistic_of(both).tree, table(**values))[0] > 0.99
    assert p_values(statistic_of(both | {"rise_only": True}).tree, table(**values))[0] < 0.01


def test_equivalence_of_several_is_of_every_pair_or_of_the_first_against_the_others():
    statement = {"kind": "equivalence", "cells": ["a", "b", "c"], "within": 1} | AT
    assert len(list(contrasts(statistic_of(statement).tree))) == 6
    first = list(contrasts(statistic_of(statement | {"first": True}).tree))
    assert len(first) == 4 and all(key("a") in part.weights for part in first)


def test_a_gap_is_its_sign_below_paper_scale_and_its_size_there():
    statement = {"kind": "gap", "more": "a", "less": "b", "by": 2} | AT
    look = table(a=[71.0, 71.1, 70.9], b=[70.0, 70.0, 70.0])
    assert p_values(statistic_of(statement).tree, look)[0] < 0.01
    assert p_values(statistic_of(statement, sizes=True).tree, look)[1] < 0.01


def test_a_count_joins_its_parts():
    of = [{"kind": "order", "more": "a", "less": r} for r in "bcd"]
    tree = statistic_of({"kind": "count", "count": 2, "of": of} | AT).tree
    assert isinstance(tree, AtLeast) and (tree.count, len(tree.parts)) == (2, 3)


def test_a_part_that_is_not_run_is_left_out_of_a_conjunction():
    of = [{"kind": "order", "more": "a", "less": "b"}, {"kind": "order", "more": "c", "less": "d"}]
    statement = {"kind": "conjunction", "of": of, "not_run": ["c"]} | AT
    statistic = statistic_of(statement, is_measured={key("a"), key("b")}.__contains__)
    assert isinstance(statistic.tree, Contrast) and statistic.absent == ("c",)
    assert len(statistic_of(statement).tree.parts) == 2


def test_a_trend_of_which_nothing_is_run_is_left_out_of_a_conjunction():
    of = [{"kind": "trend", "rows": ["a", "b"]}, {"kind": "trend", "rows": ["c", "d"], "words": "c to d"}]
    statement = {"kind": "conjunction", "of": of, "not_run": ["a", "c", "d"]} | AT
    whole = statistic_of(statement, is_measured={key("a"), key("b")}.__contains__)
    assert set(whole.tree.keys()) == {key("a"), key("b")} and whole.absent == ("c to d",), "by the part's own words"
    with pytest.raises(ValueError, match="at least two"):  # half a trend is none
        statistic_of(statement, is_measured={key("b")}.__contains__)


@pytest.mark.parametrize(
    "text, weights, constant",
    [
        ("a - b", {"a": 1, "b": -1}, 0),
        ("a - a", {}, 0),
        ("2 * a - 0.5 * b + 3", {"a": 2, "b": -0.5}, 3),
        ("a, with words - b", {"a, with words": 1, "b": -1}, 0),
        ("-1.5", {}, -1.5),
        ("a - b - c + d", {"a": 1, "b": -1, "c": -1, "d": 1}, 0),
    ],
)
def test_sums_of_cells_by_hand(text, weights, constant):
    contrast = linear(text, "t/*/x")
    assert contrast.weights == {key(row): weight for row, weight in weights.items()} and contrast.constant == constant


def test_operands_may_name_their_own_table_or_a_value_of_the_text():
    assert linear("t/a/y - nnclr/z", "t/*/x").weights == {("t", "a", "y"): 1, ("nnclr", "z"): -1}


@pytest.mark.parametrize(
    "statement, message",
    [
        ({"kind": "ordre"}, "Did you mean 'order'"),
        ({"kind": "order", "mroe": "a"}, "Did you mean 'more'"),
        ({"kind": "order", "more": "a"}, "table/row/column"),
        ({"kind": "none"}, "why must be given"),
        ({"kind": "equivalence", "cells": ["a", "b"], "within": 0} | AT, "within must be > 0"),
        ({"kind": "equivalence", "cells": ["a"], "within": 1} | AT, "at least two"),
        ({"kind": "trend", "rows": ["a", "b"], "over": [1]} | AT, "as long as rows"),
        ({"kind": "trend", "rows": ["a"]} | AT, "at least two"),
    ],
)
def test_what_cannot_be_read_is_refused(statement, message):
    with pytest.raises(ValueError, match=message):
        statistic_of(statement)


def test_fewest_seeds_is_of_any_part():
    look = table(a=[1.0, 2.0, 3.0], b=[1.0, 2.0, 3.5, 4.0], c=[0.0, 0.1, 0.2, 0.3])
    tree = every([linear("b - c", AT["at"]), linear("a - b", AT["at"])])
    assert fewest_seeds(tree, look) == 3 and fewest_seeds(tree.parts[0], look) == 4


def test_the_slope_of_a_line_is_its_slope():
    cells = [Contrast({}, 5.0 + 2.0 * place) for place in range(6)]
    assert slope(cells).constant == pytest.approx(2.0)
