"""The map in other frameworks: what its page says where the answer is known."""

import functools

import pytest

from sslrepro.report import roles
from sslrepro.study.plans import TablePlan, control_key, plan_table
from sslrepro.study.results import Results
from sslrepro.tables.neighbour_map_frameworks import PRECISIONS, RECALLS, SHARES


@functools.cache
def planned() -> TablePlan:
    return plan_table("neighbour_map_frameworks", "cpu", 3)


def results(gain: dict[str, float], bare: float = 0.5, noise: float = 0.0002) -> Results:
    """Runs whose accuracy is the bare framework's and what is gained, in points, with noise that no two rows share."""
    plan, records = planned(), {}
    for place, ((row, _), runs) in enumerate(plan.cells.items()):
        for seed, run in enumerate(runs):
            jitter = noise * ((7 * place + 3 * seed * (place + 1)) % 5 - 2)
            top1 = bare + gain.get("untrained" if row == control_key("random") else row, 0.0) / 100 + jitter
            scores = {"linear": {"scores": {"linear_top1": top1}}, "knn": {"scores": {"knn_top1": top1}}}
            records[run.name] = {"config": {}, "results": scores}
    return Results(plan, records)


def rising(role: str, at_none: float, at_all: float) -> dict[str, float]:
    """Gains on a straight line over the share that is right."""
    return {row: at_none + share * (at_all - at_none) for share, row in roles.ROLES[role].items()}


def test_a_rising_gain_breaks_even_where_its_line_is_zero():
    first, second = roles.ROLES
    known = results(rising(first, -6.0, 18.0) | rising(second, 4.0, -4.0))
    assert roles.rise(known, first).zero == pytest.approx(0.25, abs=0.02)
    assert (roles.rise(known, first).verdict, roles.rise(known, second).verdict) == ("rises", "falls")
    said = roles.finding(known)
    assert "breaks even at 25%" in said and "as one more positive: the gain falls" in said.replace("As ", "as ")
    assert said.count("no break-even is stated") == 1
    lines = str(roles.break_evens(known)).splitlines()
    assert sum("rises" in line for line in lines) == sum("falls" in line for line in lines) == 2


def test_errors_of_removal_cost_what_the_precisions_differ_by():
    gain = {row: 10 * precision * recall for recall, rows in roles.REMOVED.items() for precision, row in rows.items()}
    cost = roles.cost_of_errors(results(gain))
    assert cost.mean == pytest.approx(0.75 * 10 * sum(RECALLS) / len(RECALLS), abs=0.1) and cost.n == 3
    said = roles.finding(results(gain))
    assert "changes accuracy by +10.0" in said and "(pays, n = 3)" in said and "errors cost" in said
    assert "errors help" in roles.finding(results({row: -points for row, points in gain.items()}))
    assert "(open, n = 3)" in roles.finding(results({}, noise=0.02))


def test_every_row_has_a_line_and_gains_are_over_the_own_framework():
    known = results({"NNSiam": 3.0, "MoCo v2": 5.0})
    lines = {line[0]: line for line in roles.body(known)}
    assert list(lines) == list(known.definition.rows) and len(lines) == 3 + 2 * len(SHARES) + len(RECALLS) * len(
        PRECISIONS
    )
    assert lines["NNSiam"][3].startswith("+3.0") and lines["one more positive, 0% right"][3].startswith("−5.0")
    assert lines["SimSiam"][3] == "" and lines["MoCo v2"][5] == "3"
    alt = roles.figure(known).alt
    assert "negatives removed, 50% of the class: 25% −5.0" in alt and "one more positive: 0% −5.0" in alt


def test_targets_that_end_on_the_floor_are_counted():
    low = results({"target, 70% right": -30.0, "target, 0% right": -30.0, "untrained": -10.0})
    assert roles.on_the_floor(low) == (6, 15)
    assert "Of 15 runs with a target without negatives 6 end no better than an untrained encoder." in roles.finding(low)
    assert "untrained encoder" not in roles.finding(results({"untrained": -10.0}))


def test_nothing_run_is_said():
    empty = Results(planned(), {})
    assert roles.finding(empty) == "Not run yet."
    assert "63 runs of 63 are missing" in str(roles.headline(empty))
