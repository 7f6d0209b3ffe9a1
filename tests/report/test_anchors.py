"""Which anchors find right neighbours: what the page says where the answer is known."""

import functools

import pytest

from sslrepro.report import anchors, row_effects
from sslrepro.report.figures import MINED
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.results import Results
from sslrepro.tables.neighbour_anchors import AS_OFTEN, ITSELF, RANDOM, SET, SHARES, VIEW
from sslrepro.tables.neighbour_confidence import SOME


@functools.cache
def planned() -> TablePlan:
    return plan_table("neighbour_anchors", "cpu", 3)


def results(gain: dict[str, float], noise: float = 0.0002, own_share: float = 0.19) -> Results:
    """Runs at 50% and what is gained, in points, with noise that no two rows share."""
    plan, records = planned(), {}
    for place, ((row, _), runs) in enumerate(plan.cells.items()):
        for seed, run in enumerate(runs):
            jitter = noise * ((7 * place + 3 * seed * (place + 1)) % 5 - 2)
            top1 = 0.5 + gain.get(row, 0.0) / 100 + jitter
            scores = {"linear": {"scores": {"linear_top1": top1}}, "knn": {"scores": {"knn_top1": top1}}}
            scores["training"] = {"scores": {MINED: own_share}}
            records[run.name] = {"config": {}, "results": scores}
    return Results(plan, records)


def test_the_two_steps_add_up_to_the_way_from_nnclr_to_the_map():
    known = results({ITSELF: -6.0, AS_OFTEN["drawn"]: -2.0, SET[0.2, "drawn"]: -1.0, SET[0.4, "drawn"]: 5.0})
    who, when, both = anchors.way_to_map(known).values()
    assert (who.mean, when.mean, both.mean) == (
        pytest.approx(4, abs=0.1),
        pytest.approx(1, abs=0.1),
        who.mean + when.mean,
    )
    assert "it matters" in anchors.finding(known) and "by +4.0" in anchors.finding(known)


def test_the_map_s_row_is_the_one_nearer_to_nnclr_s_own_share():
    assert anchors.row_of_map(results({}, own_share=0.19)) == SET[0.2, "drawn"]
    assert anchors.row_of_map(results({}, own_share=0.41)) == SET[0.4, "drawn"]
    assert anchors.row_of_map(Results(planned(), {})) is None


def test_without_a_difference_it_is_open():
    said = anchors.finding(results({}, noise=0.02))
    assert "Who is right in NNCLR itself: open." in said and "it matters" not in said


def test_anchors_of_a_kind_are_averaged_over_the_shares():
    gain = {SET[0.2, "easy"]: -4.0, SET[0.4, "easy"]: -8.0, SET[0.2, "hard"]: 3.0, SET[0.4, "hard"]: 1.0}
    gain |= {SET[share, "drawn"]: 2.0 for share in SHARES}
    easy, hard, fixed = (anchors.of_anchors(results(gain), kind) for kind in ("easy", "hard", "fixed"))
    assert [cell.mean for cell in (easy, hard, fixed)] == pytest.approx([-8, 0, -2], abs=0.1)
    assert anchors.hard_over_easy(results(gain)).mean == pytest.approx(8, abs=0.1)
    said = anchors.finding(results(gain))
    assert "than to easy ones" not in said, "in this table it is described, not tested"
    assert "easy anchors −8.0" in said and "(costs, n = 3)" in said and "the same images −2.0" in said
    gain = {RANDOM[0.2, "easy"]: 1.0, RANDOM[0.4, "easy"]: 3.0}
    easy, hard = (anchors.of_anchors(results(gain), kind, random_rows=True) for kind in ("easy", "hard"))
    assert [easy.mean, hard.mean] == pytest.approx([2, 0], abs=0.1)
    assert "from anywhere in the class: easy anchors +2.0" in anchors.finding(results(gain))


def test_every_row_has_a_line_and_a_point():
    known = results({ITSELF: -6.0})
    lines = {line[0]: line for line in row_effects.body(known, VIEW)}
    assert list(lines)[:-2] == list(known.definition.rows)
    assert lines[ITSELF][4].startswith("−6.0") and lines[VIEW][4] == "" and lines[ITSELF][1].startswith("19.0")
    alt = anchors.figure(known).alt
    assert (
        all(row in alt for row in [ITSELF, *AS_OFTEN.values(), *SET.values(), *RANDOM.values()])
        and f"{ITSELF} −6.0" in alt
    )
    text = str(anchors.effects(known))
    assert text.count("20-NN") == text.count("linear probe") == 12


def new_seeds(gain_of) -> Results:
    """Runs of the table of new seeds at 50% and what `gain_of` a row and a seed is, in points, with noise of rows."""
    plan, records = plan_table("neighbour_anchors_again", "cpu"), {}
    for (row, _), runs in plan.cells.items():
        for run in runs:
            top1 = 0.5 + gain_of(row, run.seed) / 100 + 0.001 * (run.seed * (3 if row == ITSELF else 7) % 5 - 2)
            scores = {"linear": {"linear_top1": top1}, "knn": {"knn_top1": top1}, "training": {MINED: 0.2}}
            records[run.name] = {"config": {}, "results": {name: {"scores": of} for name, of in scores.items()}}
    return Results(plan, records)


def test_new_seeds_alone_are_judged():
    def gain_of(row: str, seed: int) -> float:
        gain = {ITSELF: -6.0, AS_OFTEN["drawn"]: 9.0 if seed < 5 else -6.0}.get(row, 0.0)
        return gain + (-4.0 if seed < 5 else 4.0) * (row == SET[0.2, "hard"])

    known = new_seeds(gain_of)
    assert "Who is right in NNCLR itself: open." in anchors.finding(known) and "n = 5" in anchors.finding(known)
    assert "worth more to hard anchors than to easy ones: +2.0" in anchors.finding(known)
    assert "missing" not in str(anchors.headline(known))
    assert AS_OFTEN["hard"] in anchors.figure(known).alt and SET[0.4, "hard"] in anchors.figure(known).alt
    assert (
        str(anchors.effects(known)).count("linear probe") == 7
    )  # no random rows, not the same images, no way to the map


def test_hard_against_easy_anchors_is_answered_by_the_rule():
    less = new_seeds(lambda row, _: -3.0 * (row == SET[0.4, "hard"]))
    assert "are worth less to hard anchors than to easy ones: −1.5" in anchors.finding(less)
    moot = new_seeds(lambda row, seed: (-1.0) ** seed * (row == SET[0.4, "hard"]))
    assert "are not shown to be worth more to hard anchors" in anchors.finding(moot)


@pytest.mark.parametrize(("hard", "words"), [(3.0, "worth more"), (-3.0, "worth less")])
def test_where_no_neighbour_is_wrong_hard_anchors_are_held_against_easy_ones_too(hard, words):
    known = new_seeds(lambda row, seed: hard * (row in (SOME[0.2, "hard"], SOME[0.4, "hard"])) * (seed >= 5))
    assert anchors.right_alone(anchors.judged(known)).n == 5
    said = anchors.finding(known).partition("Where all other anchors keep their view, right neighbours are ")[2]
    assert said.startswith(f"{words} to hard anchors than to easy ones: ") and "3.0" in said[:60]
    assert anchors.right_alone(results({})) is None


def test_nothing_run_is_said():
    empty = Results(planned(), {})
    assert anchors.finding(empty) == "Not run yet." and str(anchors.effects(empty)) == "Not run yet."
    assert "runs of 66 are missing" in str(anchors.headline(empty))
