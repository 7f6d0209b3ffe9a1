"""How often mined items share the class, against what mining gains: hand-made records, then the ledger's own."""

import pytest

from sslrepro import papers
from sslrepro.report import mining_gain
from sslrepro.report.mining_gain import PAIRS, Pair, answer, gain

PAIR = Pair(("t", "mined"), ("t", "plain"), "X", "the same without", ("positive",))


def record(seed: int, top1: float, share: float | None = None, **settings) -> dict:
    """A ledger file with what the computation reads."""
    training = {"scores": {} if share is None else {"neighbour_match_without_self": share}}
    config = {
        "seed": seed,
        "method": "nnclr",
        "settings": {"temperature": 0.1} | settings,
        "data": {"name": "shapes"},
        "encoder": "conv",
        "views": {},
        "plan": {"epochs": 8},
    }
    return {"config": config, "results": {"training": training, "linear {}": {"scores": {"linear_top1": top1}}}}


def test_share_and_gain_are_paired_by_seed():
    mined = [record(0, 0.70, 0.2, positive="nearest"), record(1, 0.60, 0.4), record(7, 0.99, 0.9)]
    plain = [record(1, 0.50, positive="view"), record(0, 0.50), record(8, 0.10)]
    row = gain(PAIR, mined, plain, 1 / 16)
    assert row.gain.n == row.share.n == 2  # seeds 7 and 8 have no partner
    assert row.gain.mean == pytest.approx(15.0) and row.gain.sd == pytest.approx(7.0710678)
    assert row.share.mean == pytest.approx(30.0) and row.chance == 6.25
    assert row.direction == "undecided" and row.score == "neighbour_match_without_self"


@pytest.mark.parametrize(
    "values, word",
    [
        ((0.60, 0.61, 0.62), "gains"),
        ((0.40, 0.41, 0.42), "loses"),
        ((0.30, 0.50, 0.70), "undecided"),
        ((0.50, 0.50, 0.50), "undecided"),
    ],
)
def test_direction_follows_the_interval(values, word):
    mined = [record(seed, value, 0.1) for seed, value in enumerate(values)]
    assert gain(PAIR, mined, [record(seed, 0.5) for seed in range(3)], 0.1).direction == word


def test_one_seed_in_common_or_nothing_mined_is_no_point():
    assert gain(PAIR, [record(0, 0.7, 0.2), record(1, 0.7, 0.2)], [record(1, 0.5), record(2, 0.5)], 0.1) is None
    assert gain(PAIR, [record(0, 0.7), record(1, 0.7)], [record(0, 0.5), record(1, 0.5)], 0.1) is None


def test_labels_make_the_share_one():
    oracle = Pair(("t", "a"), ("t", "b"), "oracle", "SimCLR", labels=True)
    row = gain(oracle, [record(0, 0.9), record(1, 0.9)], [record(0, 0.5), record(1, 0.6)], 0.1)
    assert row.share.mean == 100 and row.share.half_width == 0 and row.score == ""


def test_a_baseline_that_differs_elsewhere_is_refused():
    plain = [record(0, 0.5), record(1, 0.5)]
    with pytest.raises(ValueError, match="settings.temperature must be the baseline's, 0.1, got 0.2"):
        gain(PAIR, [record(0, 0.7, 0.2, temperature=0.2), record(1, 0.7, 0.2)], plain, 0.1)
    longer = [record(0, 0.7, 0.2), record(1, 0.7, 0.2)]
    longer[1]["config"]["plan"] = {"epochs": 16}
    with pytest.raises(ValueError, match="plan must be the baseline's"):
        gain(PAIR, longer, plain, 0.1)


def test_an_older_record_lacks_younger_fields():
    mined, plain = ([record(seed, top1, 0.2) for seed in (0, 1)] for top1 in (0.7, 0.5))
    for own in mined:
        own["config"]["plan"] |= {"accumulate": 1}
    assert gain(PAIR, mined, plain, 0.1).gain.mean == pytest.approx(20)
    mined[1]["config"]["plan"]["accumulate"] = 2
    with pytest.raises(ValueError, match="plan must be the baseline's"):
        gain(PAIR, mined, plain, 0.1)


@pytest.fixture(scope="module")
def rows():
    return mining_gain.gains("cpu")


def test_every_pair_of_the_ledger_is_comparable_and_named_once(rows):
    assert len(rows) >= 40 and {row.direction for row in rows} <= {"gains", "loses", "undecided"}
    assert len({pair.name for pair in PAIRS}) == len(PAIRS) and all(pair.why for pair in PAIRS)
    assert len({row.pair.mined for row in rows}) == len(rows)
    assert all(0 <= row.share.mean <= 100 and row.gain.n >= 2 for row in rows)


def test_the_answer_counts_what_it_was_given(rows):
    text = " ".join(answer(rows, papers.text_value("nnclr", "nn_match_end"), "small"))
    mining = [row for row in rows if not row.pair.labels]
    lose = sum(row.direction == "loses" for row in mining)
    assert f"of {len(mining)} variants" in text and f"{lose} lose" in text and "about 57%" in text
    turned = [row for row in rows if row.direction != "loses"]
    assert "0 lose" in " ".join(answer(turned, 57, "small"))
