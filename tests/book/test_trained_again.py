"""Runs trained again elsewhere: how they are compared and read, and what the page says of them."""

import importlib
import math
import statistics
import sys
from pathlib import Path

import pytest

from benchmarks import trained_again
from sslrepro.base.paths import LEDGER
from sslrepro.base.store import read_json

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


def pairs(*gaps: float, seeds: tuple[int, ...] = (0, 1, 2)):
    """Runs whose two scores differ by so much, seed after seed."""
    published = {"linear_top1": 50.0, "knn_top1": 40.0}
    return [
        {
            "run": str(n),
            "seed": seeds[n % len(seeds)],
            "published": published,
            "here": {k: v + gap for k, v in published.items()},
        }
        for n, gap in enumerate(gaps)
    ]


@pytest.mark.parametrize(
    ("gaps", "reading"),
    [
        ((1.0, 1.1, 0.9, 1.0, 1.2, 0.8), "shown"),
        ((-1.0, -1.1, -0.9, -1.0, -1.2, -0.8), "shown"),
        ((1.0, -1.1, 0.9, -1.0, 1.2, -0.8), "none shown"),
        ((2.0, -0.1, 2.0, 2.1, -0.1, 2.2, 1.9, 0.0, 2.0), "open"),  # one seed has the other sign
    ],
)
def test_a_difference_is_shown_where_it_leaves_out_zero_and_all_seeds_agree(gaps, reading):
    found = trained_again.summary(pairs(*gaps), "linear_top1")
    assert found["reading"] == reading and found["runs"] == len(gaps)
    assert found["mean"] == pytest.approx(statistics.fmean(gaps))
    assert found["above"] == sum(gap > 0 for gap in gaps)


def test_the_second_look_has_no_run_of_the_first():
    first, second = trained_again.first_look(LEDGER / "cpu"), trained_again.second_look(LEDGER / "cpu")
    seen = {path for paths in first.values() for path in paths}
    assert len(first["nnclr"]) == 60 and len(first["others"]) == 3 * len(trained_again.OTHERS)
    assert not seen & {path for paths in second.values() for path in paths}
    stored = read_json(trained_again.RESULTS)
    for number, look in enumerate((first, second), 1):
        for group, of in stored[f"look {number}"]["pairs"].items():
            assert [pair["run"] for pair in of] == [path.stem for path in look[group]], "what was chosen was run"


def test_what_is_stored_follows_from_the_pairs():
    stored = read_json(trained_again.RESULTS)
    for name in ("look 1", "look 2"):
        for group, of in stored[name]["pairs"].items():
            for score in trained_again.SCORES.values():
                kept, made = stored[name]["summaries"][group][score], trained_again.summary(of, score)
                assert kept.keys() == made.keys() and kept["reading"] == made["reading"]
                assert all(kept[key] == pytest.approx(made[key]) for key in made.keys() - {"reading"})
            for pair in of:
                published = trained_again.scores(read_json(LEDGER / "cpu" / f"{pair['run']}.json")["results"])
                assert pair["published"] == published, "the ledger's numbers, and nothing else's"
    for method, of in trained_again.by_method(stored, LEDGER / "cpu").items():
        assert stored["methods"][method]["below_untrained"] == of["below_untrained"]
        assert all(
            stored["methods"][method][score] == pytest.approx(of[score]) for score in ("linear_top1", "knn_top1")
        )


def test_runs_below_the_floor_are_counted_on_both_sides():
    several = pairs(-20.0, 10.0, -20.0)  # published at 50
    several[0]["published"] = {"linear_top1": 20.0}
    several[1]["published"] = {"linear_top1": 20.0}
    assert trained_again.below(several, 35.0) == [2, 2, 1]


def test_spread_between_seeds_is_pooled_over_settings():
    def record(seed: int, epochs: int, score: float) -> dict:
        lines = {name: {"evaluation": name, "scores": {key: score / 100}} for name, key in trained_again.SCORES.items()}
        config = {"seed": seed, "data": {"seed": seed, "fingerprint": "x", "n": 1}, "plan": {"epochs": epochs}}
        return {"config": config, "results": lines}

    of_two = [record(0, 1, 10.0), record(1, 1, 14.0), record(0, 2, 50.0), record(1, 2, 52.0), record(0, 3, 90.0)]
    assert trained_again.spread_between_seeds(of_two, "linear_top1") == pytest.approx(math.sqrt((8 + 2) / 2))
    assert math.isnan(trained_again.spread_between_seeds(of_two[-1:], "linear_top1"))


def test_the_page_has_a_line_per_method_and_a_sentence_per_group(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(EXTENSIONS), *sys.path])
    extension = importlib.import_module("trained_again")
    stored = read_json(trained_again.RESULTS)
    body = extension.lines(stored["methods"])
    assert {line[0] for line in body} == {"nnclr", *trained_again.OTHERS, *trained_again.FAMILY}
    found = extension.sentences(stored)
    assert len(found) == sum(len(stored[name]["summaries"]) for name in ("look 1", "look 2"))
    assert all(any(word in sentence for word in ("shown", "open")) for sentence in found)
    page = extension.TrainedAgain.run(None)[0].astext()
    assert stored["look 1"]["environment"]["device"] in page and page.count("<li>") == len(found)
