"""The rule's own promise: neither wrong verdict passes 5%, whatever the kind of claim."""

import dataclasses

import numpy as np
import pytest

from sslrepro.claims import Cell, error_rates
from sslrepro.claims.error_rates import (
    KINDS,
    SEEDS,
    Rates,
    chance,
    expected_wrong,
    load_rates,
    p_values_of,
    rates,
    verdict_shares,
)
from sslrepro.claims.sentences import KINDS as NAMES
from sslrepro.claims.sentences import statistic_of
from sslrepro.claims.statistics import p_values

EXPERIMENTS = 4_000
SLACK = 0.05 + 4 * (0.05 * 0.95 / EXPERIMENTS) ** 0.5  # four standard errors above, for the worst of several truths


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name}-{kind.design.replace(' ', '_')}")
def test_neither_wrong_verdict_passes_five_percent(kind, n):
    line = rates(kind, n, np.random.default_rng(7), EXPERIMENTS)
    assert line.wrong_holds <= SLACK and line.wrong_contradicted <= SLACK


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name}-{kind.design.replace(' ', '_')}")
def test_many_experiments_at_once_are_judged_as_one_is(kind):
    tree = statistic_of(kind.statistic).tree
    rows = len(kind.nulls[0].truth)
    runs = np.random.default_rng(1).normal(size=(6, 4, rows)) + np.arange(rows) / 3
    at_once = p_values_of(tree, runs, kind.shared)
    for place, scores in enumerate(runs):
        seeds = {row: range(4) if kind.shared else range(10 * row, 10 * row + 4) for row in range(rows)}
        cells = {
            ("t", f"r{row}", "x"): Cell.of(dict(zip(seeds[row], scores[:, row], strict=True))) for row in range(rows)
        }
        assert tuple(at_once[place]) == pytest.approx(p_values(tree, cells.__getitem__))


def test_power_grows_with_the_effect_and_with_seeds():
    lines = {(line.told, line.n): line for line in load_rates()}
    for line in lines.values():
        assert list(line.power_contradicted) == sorted(line.power_contradicted)
        assert line.power_holds[-1] > line.power_holds[0]
    for design in {design for design, _ in lines}:
        assert lines[design, 5].power_holds[-1] > lines[design, 3].power_holds[-1]


def test_the_stored_rates_are_those_of_the_simulation():
    """Every kind of claim has a line, and a fresh, smaller simulation agrees with the committed one."""
    lines = load_rates()
    assert {line.kind for line in lines} | {"gap", "none"} == set(NAMES)
    assert [(line.kind, line.told, line.n) for line in lines] == [(k.name, k.design, n) for k in KINDS for n in SEEDS]
    assert max(line.wrong for line in lines) < 0.053
    fresh = rates(KINDS[0], 3, np.random.default_rng(3), EXPERIMENTS)
    assert fresh.power_holds == pytest.approx(lines[0].power_holds, abs=0.03)


def test_the_first_rules_faults_are_gone():
    """Five equal cells said to rise were contradicted in 97% of experiments, no difference at a narrow tolerance too."""
    rng = np.random.default_rng(0)
    trend = {"kind": "trend", "rows": [f"r{i}" for i in range(5)], "at": "t/*/x"}
    narrow = {"kind": "equivalence", "cells": ["r0", "r1"], "within": 0.01, "at": "t/*/x"}
    assert verdict_shares(trend, [0] * 5, 3, rng, experiments=EXPERIMENTS)[1] < 0.07
    assert verdict_shares(narrow, [0, 0], 3, rng, experiments=EXPERIMENTS)[1] < 0.07


def test_a_slope_with_pooled_residuals_would_err():
    """Why slopes are taken per seed: with noisy end rows the textbook t of a line errs in more than 8%."""
    from scipy.stats import t

    rng = np.random.default_rng(0)
    x = np.arange(5) - 2.0
    runs = rng.normal(size=(EXPERIMENTS, 3, 5)) * [1, 1, 1, 1, 4]
    centred = runs - runs.mean(2, keepdims=True)
    slopes = (centred @ x).mean(1) / (x**2).sum()
    residual = ((centred - slopes[:, None, None] * x) ** 2).sum((1, 2)) / 11
    pooled = slopes / np.sqrt(residual / (3 * (x**2).sum()))
    assert (pooled > t.ppf(0.95, 11)).mean() > 0.08
    per_seed = verdict_shares(
        {"kind": "trend", "rows": [f"r{i}" for i in range(5)], "at": "t/*/x"},
        [0] * 5,
        3,
        rng,
        sd=[1, 1, 1, 1, 4],
        experiments=EXPERIMENTS,
    )
    assert max(per_seed) < SLACK


# --- how many wrong verdicts to expect -------------------------------------------------------------------------------


def lines(**wrong: float) -> list[Rates]:
    return [Rates(kind, "", 3, rate, 0.0, (), ()) for kind, rate in wrong.items()]


def test_expected_wrong_by_hand(monkeypatch):
    monkeypatch.setattr(error_rates, "load_rates", lambda: lines(order=0.05, trend=0.1))
    number = expected_wrong([("order", 3)] * 10 + [("gap", 3)] * 2 + [("trend", 4)] * 4, decided=9)
    assert number.mean == pytest.approx(12 * 0.05 + 4 * 0.1) and (number.judged, number.decided) == (16, 9)
    rng = np.random.default_rng(0)
    draws = rng.binomial(12, 0.05, 100_000) + rng.binomial(4, 0.1, 100_000)
    assert number.most == int(np.quantile(draws, 0.95))


def test_no_more_are_wrong_than_are_decided(monkeypatch):
    monkeypatch.setattr(error_rates, "load_rates", lambda: lines(order=0.5))
    assert dataclasses.astuple(expected_wrong([("order", 3)] * 10, decided=1)) == (1, 10, 1.0, 1)
    assert expected_wrong([], 0).most == 0


def test_the_nearest_number_of_seeds_tells_the_rate():
    table = [Rates("order", "", n, rate, 0.0, (), ()) for n, rate in ((3, 0.02), (5, 0.04))]
    assert [chance(table, "order", n) for n in (3, 4, 5, 30)] == [0.02, 0.02, 0.04, 0.04]
    with pytest.raises(ValueError, match="kind must be one of order"):
        chance(table, "trend", 3)
