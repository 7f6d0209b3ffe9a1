"""What stands in for an anchor: shares, distances and the fallback, and NNCLR's oracle as the limit."""

import doctest

import pytest
import torch

from sslrepro.data import load
from sslrepro.parts import stand_in
from sslrepro.parts.memory import unit
from sslrepro.parts.stand_in import stand_in_positives
from sslrepro.training.loop import batches_of, initial_method
from tests.conftest import tiny

B, M = 400, 60


@pytest.fixture
def scene():
    """(query, rows, same, other): 5 classes, a fifth of the rows of no class."""
    g = torch.Generator().manual_seed(0)
    query, rows = unit(torch.randn(B, 4, generator=g)), unit(torch.randn(M, 4, generator=g))
    own, labels = torch.randint(5, (B,), generator=g), torch.randint(-1, 5, (M,), generator=g)
    same = own[:, None] == labels
    return query, rows, same, ~same & (labels >= 0)


def picked(scene, share, right="nearest", wrong="nearest", seed=0):
    query, rows, same, other = scene
    allowed = torch.ones_like(same)
    return stand_in_positives(
        query, rows, same, other, allowed, share, right, wrong, torch.Generator().manual_seed(seed)
    )


def entry(mask, slot):
    return mask.gather(1, slot[:, None])[:, 0]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.57, 1.0])
@pytest.mark.parametrize("distance", stand_in.DISTANCES)
def test_the_share_is_kept_and_the_rest_is_of_another_class(scene, share, distance):
    slot = picked(scene, share, distance, distance)
    right, wrong = entry(scene[2], slot), entry(scene[3], slot)
    assert (right | wrong).all() and not (right & wrong).any()
    assert right.float().mean().item() == pytest.approx(share, abs=3 * 0.5 / B**0.5 if 0 < share < 1 else 0)


@pytest.mark.parametrize(("side", "share"), [("right", 1.0), ("wrong", 0.0)])
def test_distances_are_of_the_kind_that_was_drawn(scene, side, share):
    query, rows, same, other = scene
    among = same if side == "right" else other
    similarity = query @ rows.T
    cosine = {d: similarity.gather(1, picked(scene, share, **{side: d})[:, None])[:, 0] for d in stand_in.DISTANCES}
    assert torch.equal(cosine["nearest"], similarity.masked_fill(~among, -9.0).max(1).values)
    assert torch.equal(cosine["farthest"], similarity.masked_fill(~among, 9.0).min(1).values)
    mean = (similarity * among).sum(1) / among.sum(1)
    assert (cosine["random"] - mean).mean().abs() < 0.05  # no bias towards near or far


def test_runs_that_differ_in_the_share_draw_alike(scene):
    few, many = picked(scene, 0.2), picked(scene, 0.6)
    right_few, right_many = entry(scene[2], few), entry(scene[2], many)
    assert (right_many | ~right_few).all(), "who is right at a small share is right at a larger one"
    both = right_few & right_many | ~right_few & ~right_many
    assert torch.equal(few[both], many[both])


def test_without_a_row_of_the_kind_the_nearest_allowed_one(scene):
    query, rows, same, other = scene
    nobody = torch.zeros_like(same)
    allowed = torch.ones_like(same)
    allowed[:, 0] = False
    for share, kinds in ((1.0, (nobody, other)), (0.0, (same, nobody))):
        slot = stand_in_positives(
            query, rows, *kinds, allowed, share, "farthest", "farthest", torch.Generator().manual_seed(0)
        )
        assert torch.equal(slot, (query @ rows.T).masked_fill(~allowed, -9.0).argmax(1))


def test_rows_that_are_not_allowed_are_never_taken(scene):
    query, rows, same, other = scene
    allowed = torch.rand(B, M, generator=torch.Generator().manual_seed(3)) < 0.5
    for distance in stand_in.DISTANCES:
        drawn = torch.Generator().manual_seed(0)
        slot = stand_in_positives(query, rows, same, other, allowed, 0.5, distance, distance, drawn)
        assert entry(allowed, slot).all()


@pytest.mark.parametrize("settings", [{"share": -0.1}, {"share": 1.1}, {"share": 0.5, "right": "middle"}])
def test_wrong_settings_are_refused(scene, settings):
    with pytest.raises(ValueError, match="stand_in"):
        picked(scene, **settings)


def test_the_example():
    assert doctest.testmod(stand_in).failed == 0


def test_always_right_and_nearest_is_the_oracle_of_nnclr():
    oracle = tiny("nnclr", positive="oracle", exclude_self=True)
    names = ("dim", "hidden", "hidden_predictor", "temperature", "queue_size", "exclude_self")
    own = tiny("nnclr_controlled", right_share=1.0, **{name: oracle.settings[name] for name in names})
    train, _ = load(oracle.data)
    first_method, second_method = initial_method(oracle), initial_method(own)
    source = batches_of(oracle, train, first_method)
    for number in range(6):
        batch = source.at(number)
        first, second = first_method.loss(batch, 0.0), second_method.loss(batch, 0.0)
        assert first.loss.item() == second.loss.item() and torch.equal(first.mined[1], second.mined[1])
        for method, out in ((first_method, first), (second_method, second)):
            method.after_step(out, 0.0)
    assert torch.equal(first_method.queue.label, second_method.queue.label) and (first_method.queue.label >= 0).any()
