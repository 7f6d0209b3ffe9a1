"""The budget sweep and the neighbour map on made-up results whose answers are known."""

import math
from collections.abc import Callable
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from sslrepro.parts.stand_in import DISTANCES
from sslrepro.report import budget_sweep, map_curve, neighbour_map, sweep_effects, sweep_figure, unfinished, when
from sslrepro.study import plans
from sslrepro.study.results import Results
from sslrepro.study.run import Run
from sslrepro.tables import neighbour_map as the_map

WOBBLE = (-0.3, 0.1, 0.2)  # of the seeds, in points


def results(table: str, profile: str, scores: Callable[[Run], dict[str, float]]) -> Results:
    """Results in which every run has the scores that a function gives; {} leaves the run out."""
    plan = plans.plan_table(table, profile)
    records = {}
    for run in plan.runs:
        line = scores(run)
        if line:
            config = asdict(run.config) if run.config else {"pixels": asdict(run.data)}
            cost = {"seconds": 60.0, "steps": 100, "embedding_std": 1.0}
            records[run.name] = {
                "config": config,
                "environment": {},
                "results": {
                    "training": {"evaluation": "training", "scores": cost | line},
                    "linear": {"evaluation": "linear", "scores": line, "seconds": 1.0},
                },
            }
    return Results(plan, records)


def learner(run: Run) -> str:
    if run.config is None or run.config.plan.epochs == 0:
        return "control"
    return run.config.settings.get("positive", run.config.method)


def swept(gain: Callable[[int, int], float], match: float = 0.3, keep=lambda run: True, std: float = 1.0) -> Results:
    """A sweep in which the neighbour is `gain(epochs, seed)` points better than no lookup, which has 70%."""

    def scores(run: Run) -> dict[str, float]:
        if not keep(run):
            return {}
        who = learner(run)
        above = {"simclr": 5.0, "oracle": 15.0, "control": -40.0, "detached": -1.0}.get(who, 0.0)
        if who == "nearest":
            above = gain(run.config.plan.epochs, run.seed)
        top1 = (70 + above + (WOBBLE[run.seed] if who != "view" else 0)) / 100
        out = {"linear_top1": top1, "knn_top1": top1 - 0.2}
        return out | ({"neighbour_match_without_self": match, "embedding_std": std} if who == "nearest" else {})

    return results("budget_sweep", "night", scores)


def mapped(
    slope=30.0,
    start=-6.0,
    far=-2.0,
    miner=lambda row, on_curve: on_curve,
    keep=lambda run: True,
    table="neighbour_map",
) -> Results:
    """A map whose gain is start + slope * share (+ far for farthest, far / 2 for random right neighbours)."""

    def scores(run: Run) -> dict[str, float]:
        if not keep(run):
            return {}
        settings = {} if run.config is None else run.config.settings
        if learner(run) in ("control", "detached"):
            return {"linear_top1": 0.3, "knn_top1": 0.3}
        if learner(run) == "view":
            return {"linear_top1": 0.7, "knn_top1": 0.5}
        if "right_share" in settings:
            share = settings["right_share"]
            gain = start + slope * share + {"nearest": 0, "random": far / 2, "farthest": far}[settings["right"]]
            gain += 4.0 * (1 - share) if settings["wrong"] == "random" else 0.0
        else:
            share = 0.2
            gain = miner(settings, start + slope * share)
        gain += WOBBLE[run.seed]
        return {"linear_top1": 0.7 + gain / 100, "knn_top1": 0.5 + gain / 100, "neighbour_match_without_self": share}

    return results(table, "cpu", scores)


# --- budget sweep -----------------------------------------------------------------------------------------------


def test_lengths_are_those_of_the_runs():
    assert list(sweep_effects.lengths(swept(lambda n, s: 0.0)).values()) == [8, 16, 32, 64]


def test_an_effect_that_grows_is_said_to_and_its_crossing_found():
    results = swept(lambda n, s: 3 * (math.log2(n) - 5))  # zero at 32 epochs
    line = sweep_effects.growth(results)
    assert line.verdict == "rises" and line.slope.mean == pytest.approx(3) and 2**line.zero == pytest.approx(32)
    text = budget_sweep.finding(results)
    assert (
        "After 8 epochs the neighbour changes the linear probe by −6.0 ± 0.7 points against no lookup (it costs;"
        in text
    )
    assert "by +3.0 ± 0.7 points against no lookup (it pays; n = 3) and is right in 30.0 ± 0.0% of lookups" in text
    assert "grows with length" in text and "crosses zero at 32 epochs, 95% set" in text and "extrapolation" not in text


def test_a_crossing_outside_the_lengths_is_called_an_extrapolation():
    assert "(an extrapolation)" in budget_sweep.finding(swept(lambda n, s: math.log2(n) - 8))


@pytest.mark.parametrize("gain", [lambda n, s: 3.0, lambda n, s: (s - 1) * math.log2(n)])
def test_without_growth_no_crossing_is_stated(gain):
    text = budget_sweep.finding(swept(gain))
    assert "no crossing is stated" in text and "crosses" not in text


def test_lengths_at_which_neighbours_are_hardly_right_test_nothing():
    assert "nothing about neighbours is tested" in budget_sweep.finding(swept(lambda n, s: 1.0, match=0.18))
    assert "nothing about neighbours is tested" not in budget_sweep.finding(swept(lambda n, s: 1.0, match=0.19))


def test_collapsed_runs_are_marked_and_counted():
    results = swept(lambda n, s: 1.0, std=0.01)
    column = next(iter(sweep_effects.lengths(results)))
    assert "Collapsed at the end and counted: nearest neighbour, 8 epochs, seed 0" in budget_sweep.finding(results)
    assert len(sweep_effects.difference(results, sweep_effects.PRIMARY, column)) == 3


def test_the_steps_from_simclr_to_nnclr_add_up():
    results = swept(lambda n, s: 2.5)
    for column in sweep_effects.lengths(results):
        whole = sweep_effects.difference(results, sweep_effects.EFFECTS["neighbour minus SimCLR"], column)
        parts = [sweep_effects.difference(results, pair, column) for pair in sweep_effects.STEPS.values()]
        assert {seed: sum(part[seed] for part in parts) for seed in whole} == pytest.approx(whole)


def test_an_unfinished_sweep_says_so_by_itself():
    results = swept(lambda n, s: 1.0, keep=lambda t: t.config is None or t.config.plan.epochs < 64 or t.seed == 0)
    text = budget_sweep.headline(results).text
    assert "10 runs of 66 are missing (5 of seed 1, 5 of seed 2)" in text and "MISSING=1" in text
    assert (
        "After 64 epochs the neighbour changes the linear probe by +0.7 points against no lookup (one seed; n = 1)"
        in text
    )
    assert "Whether it grows cannot be said: 1 seed with every length" in text
    assert "Over 8 to 32 epochs, which is not the question that was fixed, it changes by +0.0 ± 0.0 points" in text
    assert "Unfinished." in budget_sweep.headline(results).html and "1-3" in budget_sweep.table(results).text
    whole = swept(lambda n, s: 1.0)
    assert unfinished.note(whole) == "" and unfinished.block(whole).html == ""


def test_nothing_run_is_said():
    assert budget_sweep.finding(swept(lambda n, s: 1.0, keep=lambda t: False)) == "Not run yet."
    assert neighbour_map.finding(mapped(keep=lambda t: False)) == "Not run yet."


def test_public_numbers_have_their_sources():
    rows = sweep_effects.public_numbers()
    assert len(rows) >= 10 and all(row["source"] and row["images"] > 1000 for row in rows)
    assert when.public().text.count("lightly") == 6


# --- neighbour map ----------------------------------------------------------------------------------------------


def test_every_distance_has_every_share_and_they_meet_at_none():
    results = mapped()
    curves = [map_curve.points(results, right) for right in DISTANCES]
    assert [list(curve) for curve in curves] == [list(the_map.SHARES)] * 3
    assert len({curve[0.0] for curve in curves}) == 1 and len({curve[0.57] for curve in curves}) == 3
    random_errors = map_curve.points(results, wrong="random")
    assert list(random_errors) == [*the_map.FEWER, 1.0] and random_errors[1.0] == curves[0][1.0]


def test_the_break_even_is_where_the_gain_is_zero():
    results = mapped()
    line = map_curve.rise(results)
    assert line.verdict == "rises" and line.zero == pytest.approx(0.2, abs=1e-3)
    low, high = line.zero_set
    assert low < 0.2 < high
    assert map_curve.bent_crossing(results) == pytest.approx(0.2, abs=1e-3)
    assert "breaks even at 20% (95% set" in neighbour_map.finding(results)
    later = map_curve.rise(results).zero + 0.05
    assert map_curve.rise(results, "farthest").zero == pytest.approx(later, abs=0.02)


def test_break_evens_are_of_both_baselines_and_scores():
    head, body = neighbour_map.break_even_rows(mapped())
    assert len(body) == 12 and head.index("break-even") == 5
    by = {tuple(line[:3]): line[5] for line in body}
    assert by["nearest", "no lookup", "linear probe"] == "20%"
    assert by["nearest", "no lookup, no gradient", "linear probe"] == "below 0%"  # which has 40 points less
    assert neighbour_map.break_evens(mapped(keep=lambda task: False)).text == "No seed has a whole curve yet."


def test_distances_are_compared_over_the_shares_above_none():
    results = mapped()
    assert map_curve.distance_effect(results, "random", "nearest").mean == pytest.approx(-1.0)
    assert map_curve.distance_effect(results, "farthest", "random").mean == pytest.approx(-1.0)
    assert map_curve.error_effect(results).mean == pytest.approx(sum(4 * (1 - s) for s in the_map.FEWER) / 4)


def test_miners_on_the_curve_are_predicted():
    results = mapped(miner=lambda settings, on_curve: on_curve)
    placed = map_curve.miners(results)
    assert {miner.row for miner in placed} == set(the_map.MINERS)
    assert all(miner.share == pytest.approx(0.2) for miner in placed)
    assert all(miner.error == pytest.approx(0) for miner in placed)
    assert map_curve.prediction(results).error == pytest.approx(0)


def test_miners_off_the_curve_are_not():
    """All have the share of the curve's zero, and gains that differ: their own mean predicts them better."""
    results = mapped(miner=lambda settings, on_curve: on_curve - 5 - settings["top_k"] / 16)
    errors = map_curve.prediction(results)
    assert errors.n == len(the_map.MINERS) and not errors.explains and errors.bias < -5
    assert "does not explain" in neighbour_map.finding(results)
    assert neighbour_map.placement(results).text.count("\n") == len(the_map.MINERS) + 1


def test_a_flat_map_has_no_break_even():
    text = neighbour_map.finding(mapped(slope=0.0))
    assert "no break-even is stated" in text and "breaks even" not in text


def test_an_unfinished_map_says_so_and_uses_whole_seeds():
    def keep(run):
        return run.config is None or run.config.settings.get("right_share") != 0.57 or run.seed == 0

    results = mapped(keep=keep)
    assert map_curve.rise(results).n == 1 and map_curve.rise(results).zero_set is None
    assert "has one seed" in neighbour_map.finding(results) and "8 runs of" in neighbour_map.headline(results).text
    assert map_curve.miners(results), "the curve of the whole seed places them"


def test_figures_tell_their_numbers():
    for module, results in ((budget_sweep, swept(lambda n, s: 1.0)), (neighbour_map, mapped())):
        image = module.figure(results)
        assert image.png.startswith(b"\x89PNG") and "95% intervals" in image.alt and "nan" not in image.alt


# --- together ---------------------------------------------------------------------------------------------------


def test_the_lengths_that_reach_the_break_even_are_named():
    reached = when.together(swept(lambda n, s: 1.0, match=0.3), mapped()).text
    assert "break even at 20%" in reached and "at the end of runs of 8 epochs or more" in reached
    short = when.together(swept(lambda n, s: 1.0, match=0.1), mapped()).text
    assert "do not get there" in short and "they are right in 10.0 ± 0.0% of lookups" in short
    assert "the map's line says −3.0 points there and the neighbour did +1.0 ± 0.7 (outside its 95% interval" in short
    assert "(inside its 95% interval, n = 3)" in when.together(swept(lambda n, s: 3.1, match=0.3), mapped()).text
    assert "No break-even is stated" in when.together(swept(lambda n, s: 1.0), mapped(slope=0.0)).text


# --- two strengths of views -----------------------------------------------------------------------------------------


def test_neighbours_are_worth_more_or_less_by_the_interval_of_the_difference():
    full = mapped()
    crops = mapped(start=-1.0, slope=40.0, table="neighbour_map_crops")
    assert len(map_curve.curve(crops)) == 6, "the shares of the table"
    shares = list(map_curve.curve(crops))
    expected = 5 + 10 * sum(shares) / len(shares)
    assert when.worth(crops, full).mean == pytest.approx(expected)
    text = when.strengths(crops, full).text
    assert "set by labels are worth more with crops alone" in text and f"by {expected:+.1f} ± 0.0 points" in text
    late = [share for share in shares if share >= 0.4]
    assert f"from 40% right on by {5 + 10 * sum(late) / len(late):+.1f}" in text
    assert "worth less" in when.strengths(mapped(start=-9.0, table="neighbour_map_crops"), full).text
    assert "stays open" in when.strengths(mapped(table="neighbour_map_crops"), full).text
    nothing = mapped(keep=lambda run: False, table="neighbour_map_crops")
    assert "not run yet" in when.strengths(nothing, full).text


def test_a_baseline_on_the_floor_is_said():
    """Seeds whose baseline learned nothing, a tie with the untrained encoder among them."""

    def results(*alone: float) -> SimpleNamespace:
        cells = {True: dict(enumerate((0.36, 0.30, 0.40, 0.10))), False: dict(enumerate(alone))}
        return SimpleNamespace(by_seed=lambda row, score, control=False: cells[control])

    assert "In 2 of 3 seeds" in when.on_the_floor(results(0.35, 0.45, 0.40))
    assert when.on_the_floor(results(0.37, 0.31, 0.41)) == "" and when.on_the_floor(results()) == ""


@pytest.mark.parametrize("shown", [1, 4])
def test_marks_stand_within_the_frame_however_few_lengths_were_run(shown):
    """They are moved sideways so that bars do not hide each other."""
    empty = results("budget_sweep", "night", lambda run: {})
    there = sorted(sweep_effects.lengths(empty), key=sweep_effects.lengths(empty).get)[:shown]
    names = {run.name for (_, column), runs in empty.plan.cells.items() if column in there for run in runs}
    partial = results("budget_sweep", "night", lambda run: {"linear_top1": 0.5} if run.name in names else {})
    for axis in sweep_figure.figure(partial).plot.axes[:2]:
        low, high = axis.get_xlim()
        marks = [x for line in axis.lines if line.get_marker() in "^oDsv" for x in line.get_xdata()]
        assert len(marks) >= 3 * shown and low * 1.05 < min(marks) and max(marks) < high / 1.05
