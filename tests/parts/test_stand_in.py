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


def picked(scene, share, right="nearest", wrong="nearest", seed=0, anchors="drawn", fixed=None):
    query, rows, same, other = scene
    allowed = torch.ones_like(same)
    drawn = torch.Generator().manual_seed(seed)
    return stand_in_positives(query, rows, same, other, allowed, share, right, wrong, drawn, anchors, fixed)


def ahead(scene):
    """By how much each anchor's nearest right row is nearer than its nearest wrong one."""
    query, rows, same, other = scene
    return torch.stack(
        [
            similarity[right].max() - similarity[wrong].max()
            for similarity, right, wrong in zip(query @ rows.T, same, other, strict=True)
        ]
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


@pytest.mark.parametrize(("side", "share"), [("right", 1.0), ("wrong", 0.0)])
def test_a_row_as_near_as_the_nearest_of_the_other_kind_is_the_closest_match(scene, side, share):
    """By brute force; and no draw is taken from the runs that it is compared with."""
    query, rows, same, other = scene
    slot = picked(scene, share, **{side: "as_near"})
    for i, similarity in enumerate(query @ rows.T):
        among, beside = (same[i], other[i]) if side == "right" else (other[i], same[i])
        wanted = max(similarity[r].item() for r in range(M) if beside[r])
        gaps = {r: abs(similarity[r].item() - wanted) for r in range(M) if among[r]}
        assert gaps[slot[i].item()] == pytest.approx(min(gaps.values()), abs=1e-6)
    took = [entry(same, picked(scene, 0.5, "nearest", kind)) for kind in ("nearest", "as_near")]
    assert torch.equal(*took), "who is right is drawn alike"


def test_where_the_other_kind_has_no_row_as_near_means_the_nearest(scene):
    query, rows, same, other = scene
    none = torch.zeros_like(same)
    assert torch.equal(picked((query, rows, none, other), 0.0, wrong="as_near"), picked(scene, 0.0))
    assert torch.equal(picked((query, rows, same, none), 1.0, right="as_near"), picked(scene, 1.0))


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


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0, None])
def test_as_many_easy_and_hard_anchors_are_right_as_drawn_ones(scene, share):
    right = {kind: entry(scene[2], picked(scene, share, anchors=kind)) for kind in ("drawn", "easy", "hard")}
    n = right["drawn"].sum().item()
    assert right["easy"].sum() == right["hard"].sum() == n
    if share is None:
        assert n == (ahead(scene) > 0).sum() and 0 < n < B
    if 0 < n < B:
        margin = ahead(scene)
        assert margin[right["easy"]].min() >= margin[~right["easy"]].max()
        assert margin[right["hard"]].max() <= margin[~right["hard"]].min()
        assert margin[right["hard"]].mean() < margin[right["drawn"]].mean() < margin[right["easy"]].mean()


def test_easy_anchors_without_a_set_share_find_their_nearest_row(scene):
    query, rows, same, other = scene
    nearest = (query @ rows.T).masked_fill(~(same | other), -9.0).argmax(1)
    assert torch.equal(picked(scene, None, anchors="easy"), nearest)


def test_fixed_anchors_are_right_at_every_call(scene):
    number = torch.rand(B, generator=torch.Generator().manual_seed(5))
    first, second = (entry(scene[2], picked(scene, 0.4, anchors="fixed", fixed=number, seed=s)) for s in (0, 1))
    assert torch.equal(first, number < 0.4) and torch.equal(first, second)


def test_an_anchor_keeps_its_view_where_that_is_asked(scene):
    whole = picked(scene, 0.4)
    right = entry(scene[2], whole)
    for side, kept in (("right", right), ("wrong", ~right)):
        slot = picked(scene, 0.4, **{side: "view"})
        assert torch.equal(slot < 0, kept) and torch.equal(slot[~kept], whole[~kept])


def test_anchors_without_a_right_row_come_last(scene):
    query, rows, same, other = scene
    same, other = same.clone(), other.clone()
    same[:100] = False
    for kind in ("easy", "hard"):
        number = torch.rand(B, generator=torch.Generator().manual_seed(0))
        right = stand_in.right_anchors(query @ rows.T, same, other, 0.5, number, kind)
        assert not right[:100].any() and right[100:].sum() == (number < 0.5).sum()


@pytest.mark.parametrize(
    "settings",
    [{"share": -0.1}, {"share": 1.1}, {"share": 0.5, "right": "middle"}, {"share": 0.5, "anchors": "tall"}],
)
def test_wrong_settings_are_refused(scene, settings):
    with pytest.raises(ValueError, match="stand_in"):
        picked(scene, **settings)


def test_the_example():
    assert doctest.testmod(stand_in).failed == 0


@pytest.mark.parametrize(
    ("positive", "settings"),
    [
        ("oracle", {"right_share": 1.0}),
        ("nearest", {"right_share": None, "anchors": "easy"}),
        ("detached", {"right_share": 0.0, "wrong": "view"}),
    ],
)
def test_at_its_limits_it_is_nnclr(positive, settings):
    oracle = tiny("nnclr", positive=positive, exclude_self=True)
    names = ("dim", "hidden", "hidden_predictor", "temperature", "queue_size", "exclude_self")
    own = tiny("nnclr_controlled", **settings, **{name: oracle.settings[name] for name in names})
    train, _ = load(oracle.data)
    first_method, second_method = initial_method(oracle), initial_method(own)
    source = batches_of(own, train, second_method)
    same = 0
    for number in range(12):
        batch = source.at(number)
        first, second = first_method.loss(batch, 0.0), second_method.loss(batch, 0.0)
        if positive != "nearest" or (second_method.queue.label >= 0).all():  # rows of no class are NNCLR's, not ours
            assert first.loss.item() == second.loss.item()
            first.loss.backward()
            second.loss.backward()
            gradients = [method.projector[0].weight.grad for method in (first_method, second_method)]
            assert torch.equal(*gradients) and gradients[0].abs().sum() > 0
            if positive == "detached":
                assert (second.mined[1] == -1).all()
            else:
                assert torch.equal(first.mined[1], second.mined[1])
            same += 1
        for method, out in ((first_method, first), (second_method, second)):
            method.after_step(out, 0.0)
    assert same >= 6 and torch.equal(first_method.queue.entries, second_method.queue.entries)


def test_another_view_changes_nothing_for_anchors_that_do_not_get_it():
    kept, drawn = (
        tiny("nnclr_controlled", right_share=0.0, right=right, wrong="view") for right in ("view", "another")
    )
    train, _ = load(kept.data)
    methods = [initial_method(config) for config in (kept, drawn)]
    sources = [batches_of(config, train, method) for config, method in zip((kept, drawn), methods, strict=True)]
    for number in range(4):
        two, three = (source.at(number) for source in sources)
        assert (len(two.views), len(three.views)) == (2, 3) and not torch.equal(three.views[0], three.views[2])
        assert all(torch.equal(mine, other) for mine, other in zip(two.views, three.views, strict=False))
        first, second = (method.loss(batch, 0.0) for method, batch in zip(methods, (two, three), strict=True))
        assert first.loss.item() == second.loss.item()
        for method, out in zip(methods, (first, second), strict=True):
            method.after_step(out, 0.0)
    assert torch.equal(methods[0].queue.entries, methods[1].queue.entries)


def test_another_view_comes_from_no_other_image(scene):
    slot = picked(scene, 0.4, "another", "nearest")
    assert set(slot[slot < 0].tolist()) == {-2} and (slot == -2).float().mean().item() == pytest.approx(0.4, abs=0.1)
    config = tiny("nnclr_controlled", right_share=1.0, right="another")
    train, _ = load(config.data)
    method = initial_method(config)
    out = method.loss(batches_of(config, train, method).at(0), 0.0)
    assert (out.mined[1] == -1).all() and torch.isfinite(out.loss)


def test_without_further_positives_it_is_moco_v2():
    plain = tiny("mocov2", symmetric=False)
    names = ("dim", "hidden", "temperature", "queue_size", "teacher_momentum")
    settings = {name: plain.settings[name] for name in names}
    own = tiny("mocov2_controlled", right_share=0.0, wrong="view", **settings)
    train, _ = load(plain.data)
    first_method, second_method = initial_method(plain), initial_method(own)
    source = batches_of(own, train, second_method)
    for number in range(4):
        first, second = (method.loss(source.at(number), 0.0) for method in (first_method, second_method))
        assert first.loss.item() == second.loss.item() and (second.mined[1] == -1).all()
        first_method.after_step(first, 0.0)
        second_method.after_step(second, 0.0)


@pytest.mark.parametrize("settings", [{"right_share": None}, {"right": "view"}, {"wrong": "view"}, {"anchors": "easy"}])
def test_rows_that_are_removed_have_no_anchors_of_a_kind(settings):
    with pytest.raises(ValueError, match=f"MoCoV2Controlled: {next(iter(settings))} must be"):
        initial_method(tiny("mocov2_controlled", role="remove", **settings))
