"""Recipes by name, and batches that are a pure function of (seed, step)."""

import dataclasses
import math

import pytest
import torch

from sslrepro.base.types import Batch, LabelledBatch
from sslrepro.data import load
from sslrepro.data import views as room
from sslrepro.data.dataset import DataConfig, Dataset
from sslrepro.data.recipes import RECIPES, View, ViewConfig, recipe
from sslrepro.data.views import Batches, augment_images, plain_batches, prepare_views
from tests.processors import OtherOrder

N, SIDE, SIZE = 50, 16, 16
UNCHANGED = View(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)
BYOL = recipe(ViewConfig("byol"))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load(DataConfig("shapes", n_train=N, n_test=48, side=SIDE))[0]


def batches(data: Dataset, seed: int = 0, views: tuple[View, ...] = BYOL, **options) -> Batches:
    return Batches(data, views, options.pop("size", SIZE), seed, **options)


def tensors(batch: Batch) -> list[torch.Tensor]:
    every = [*batch.views, batch.index, torch.tensor(batch.seed)]
    optional = batch.support, batch.support_index, batch.partner, batch.weight
    every += [value for value in optional if value is not None]
    return every + ([batch.label] if isinstance(batch, LabelledBatch) else [])


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


# ---- a pure function of (seed, step) -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"n_support": 6}, {"labelled": True}], ids=str)
def test_a_step_is_the_same_again_in_any_order_and_from_a_fresh_object(data, options):
    steps = list(range(8))  # more than two epochs
    source = batches(data, **options)
    first = [source.at(step) for step in steps]
    for step in reversed(steps):
        assert same(source.at(step), first[step]), step
    for step in (5, 0, 7, 3):
        assert same(batches(data, **options).at(step), first[step]), step


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_support": 4},
        {"size": N},
        {"views": recipe(ViewConfig("dino"))},
        {"labelled": True},
        {"pairs": torch.tensor([[0, 3], [2, 5], [1, 4]]), "pair_weight": 0.5},
        {"rank": 1, "world": 2},
    ],
)
@pytest.mark.parametrize("cached", [1, 3 * 16 * 16 * 10, 10**9])
def test_batches_rendered_together_are_those_of_their_steps(data, options, cached, monkeypatch):
    """`between` renders one step, or several, or all at a time: what it yields is `at(step)`, to the bit."""
    source = batches(data, **options)
    alone = [source.at(step) for step in range(2, 9)]
    monkeypatch.setattr(room, "CACHED", cached)
    together = list(source.between(2, 9))
    assert len(together) == 7
    for step, (a, b) in enumerate(zip(alone, together, strict=True), 2):
        assert same(a, b), step
        assert [view.stride() for view in a.views] == [view.stride() for view in b.views]


def test_other_batches_in_between_change_nothing(data):
    source = batches(data)
    first = source.at(4)
    other = load(DataConfig("shapes", n_train=60, n_test=48, side=8))[0]
    for seed in range(3):
        for step in range(5):
            batches(other, seed).at(step)
    assert same(source.at(4), first)


def test_what_a_caller_writes_into_a_batch_stays_there(data):
    source = batches(data, labelled=True, n_support=4)
    before = [tensor.clone() for tensor in tensors(source.at(1))]
    try:
        for tensor in tensors(source.at(1)):
            tensor.zero_()
        after = tensors(source.at(1))
    finally:
        room._permutation.cache_clear()  # what was written must not reach the other tests
    for number, (a, b) in enumerate(zip(after, before, strict=True)):
        assert torch.equal(a, b), number


def test_steps_differ(data):
    source = batches(data)
    steps = [source.at(step) for step in range(6)]
    for a in range(6):
        for b in range(a):
            assert not torch.equal(steps[a].index, steps[b].index)
            assert not torch.equal(steps[a].views[0], steps[b].views[0])
            assert steps[a].seed != steps[b].seed


def test_seeds_give_other_orders(data):
    orders = {tuple(batches(data, seed).order(0).tolist()) for seed in range(5)}
    assert len(orders) == 5


def test_seeds_give_other_views_and_draws(data):
    """One batch size of all images, sorted by index, so that the order of the epoch plays no part."""
    drawn, numbers = set(), set()
    for seed in range(5):
        batch = batches(data, seed, size=N).at(0)
        drawn.add(batch.views[0][batch.index.argsort()][0].numpy().tobytes())
        numbers.add(batch.seed)
    assert len(drawn) == 5 and len(numbers) == 5


def test_seed_and_step_are_not_exchangeable(data):
    """The draws of (seed, stream, number) are all different: 3 seeds, 4 streams, 40 steps."""
    first = {
        tuple(torch.rand(2, generator=room._generator(seed, stream, number)).tolist())
        for seed in range(3)
        for stream in range(4)
        for number in range(40)
    }
    assert len(first) == 3 * 4 * 40


def test_order_and_views_do_not_share_random_numbers(data):
    """Otherwise the permutation of epoch e and the crops of step e would be one draw used twice."""
    order, views = (torch.rand(8, generator=room._generator(0, stream, 0)) for stream in (1, 2))
    assert not torch.equal(order, views)


def test_the_two_views_of_a_batch_differ(data):
    a, b = batches(data).at(0).views
    assert ((a - b).abs().amax((1, 2, 3)) > 0.01).all()


def test_torchs_own_random_state_is_neither_read_nor_written(data):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = batches(data, n_support=4).at(3)
        room._permutation.cache_clear()
        torch.manual_seed(2)
        before = torch.random.get_rng_state()
        again = batches(data, n_support=4).at(3)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert same(first, again)
        first.generator()
        assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_brings_its_own_generator(data):
    batch, other = (batches(data).at(step) for step in (0, 1))
    draws = [torch.rand(5, generator=batch.generator()) for _ in range(2)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], torch.rand(5, generator=other.generator()))


# ---- epochs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 7, 16, 25, 50])
def test_an_epoch_has_no_repeats_and_drops_only_the_incomplete_batch(data, size):
    source = batches(data, size=size)
    assert source.per_epoch == N // size
    for epoch in range(3):
        steps = range(epoch * source.per_epoch, (epoch + 1) * source.per_epoch)
        index = torch.cat([source.at(step).index for step in steps])
        assert len(index) == N - N % size
        assert len(index.unique()) == len(index) and index.min() >= 0 and index.max() < N
        assert torch.equal(index, source.order(epoch)[: len(index)])


def test_epochs_are_different_permutations_of_the_whole_set(data):
    source = batches(data)
    orders = [source.order(epoch) for epoch in range(6)]
    assert all(torch.equal(order.sort().values, torch.arange(N)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 6
    dropped = set().union(*(order[N - N % SIZE :].tolist() for order in orders))
    assert len(dropped) > N % SIZE, "always the same images are left out"


def test_rows_are_the_images_of_their_index(data):
    source = batches(data, views=(UNCHANGED, UNCHANGED), labelled=True, n_support=5)
    batch = source.at(2)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in source.normalise)
    for views, index in (
        (batch.views[0], batch.index),
        (batch.views[1], batch.index),
        (batch.support, batch.support_index),
    ):
        expected = (data.images[index].float() / 255 - mean) / std
        assert (views - expected).abs().max() < 1e-5
    assert torch.equal(batch.label, data.labels[batch.index])


# ---- what a batch holds --------------------------------------------------------------------------------------------


def test_a_batch_has_no_label(data):
    batch = batches(data).at(0)
    assert type(batch) is Batch
    assert not hasattr(batch, "label")
    assert {field.name for field in dataclasses.fields(Batch)} == {
        "views",
        "index",
        "seed",
        "support",
        "support_index",
        "partner",
        "weight",
        "partners_repel",
    }
    assert batch.support is None and batch.support_index is None


def test_a_declared_oracle_gets_labels_and_the_same_views(data):
    plain, labelled = (batches(data, labelled=labelled).at(1) for labelled in (False, True))
    assert type(labelled) is LabelledBatch
    assert torch.equal(labelled.label, data.labels[labelled.index])
    assert all(torch.equal(a, b) for a, b in zip(plain.views, labelled.views, strict=True))


def test_a_batch_cannot_be_reassigned(data):
    with pytest.raises(dataclasses.FrozenInstanceError):
        batches(data).at(0).seed = 1


def test_support_images(data):
    source = batches(data, views=recipe(ViewConfig("byol-multicrop")), n_support=20)
    drawn = set()
    for step in range(4):
        batch = source.at(step)
        assert batch.support.shape == (20, 3, SIDE, SIDE), "support is a large view"
        assert len(batch.support_index.unique()) == 20
        drawn.add(tuple(batch.support_index.tolist()))
    assert len(drawn) == 4, "support is drawn afresh at every step"
    assert batches(data, n_support=N).at(0).support.shape[0] == N


def test_support_is_a_view_of_the_first_recipe(data):
    dark = dataclasses.replace(UNCHANGED, jitter=(2.0, 0, 0, 0), jitter_chance=1.0)
    source = batches(data, views=(UNCHANGED, dark), n_support=N, normalise=((0.0,) * 3, (1.0,) * 3))
    batch = source.at(0)
    assert (batch.support - data.images[batch.support_index].float() / 255).abs().max() < 1e-5


@pytest.mark.parametrize(
    "name, views, large, small",
    [
        ("byol", 2, 28, None),
        ("byol-multicrop", 8, 28, 12),
        ("swav", 8, 28, 12),
        ("dino", 10, 28, 12),
    ],
)
def test_crops_of_several_sizes(name, views, large, small):
    data = load(DataConfig("shapes", n_train=48, n_test=48, side=28))[0]
    views_of_step = batches(data, views=recipe(ViewConfig(name)), size=4).at(0).views
    assert len(views_of_step) == views
    sides = [large] * 2 + [small] * (views - 2)
    assert [tuple(view.shape) for view in views_of_step] == [(4, 3, side, side) for side in sides]


@pytest.mark.parametrize("side", [8, 13, 16, 32])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_gives_finite_views_at_any_side(name, side):
    images = torch.rand(6, 3, side, side, generator=torch.Generator().manual_seed(0))
    for view in RECIPES[name]:
        out = augment_images(images, view, torch.Generator().manual_seed(0))
        assert out.isfinite().all() and out.min() >= -1e-6 and out.max() <= 1 + 1e-6


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format(data, channels_last):
    batch = batches(data, channels_last=channels_last, n_support=4).at(0)
    for view in (*batch.views, batch.support):
        assert view.is_contiguous(memory_format=torch.channels_last) is channels_last
        assert view.is_contiguous() is not channels_last


def test_the_memory_format_changes_no_value(data):
    a, b = (batches(data, channels_last=choice).at(0).views[0] for choice in (True, False))
    assert torch.equal(a, b)


def test_prepared_normalises_each_channel(data):
    images = data.images[:5].float() / 255
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.4, 0.2)
    out = prepare_views(images, (mean, std))
    for channel in range(3):
        assert torch.equal(out[:, channel], (images[:, channel] - mean[channel]) / std[channel])


def test_batches_are_normalised_as_told(data):
    mean, std = data.mean_std()
    batch = batches(data, views=(UNCHANGED,), size=N, normalise=(tuple(mean), tuple(std))).at(0)
    assert batch.views[0].mean((0, 2, 3)).abs().max() < 1e-4
    assert (batch.views[0].std((0, 2, 3)) - 1).abs().max() < 1e-3


def test_plain_batches_are_the_images_in_order(data):
    batches_in_order = list(plain_batches(data, 16))
    assert [len(batch) for batch in batches_in_order] == [16, 16, 16, 2]
    assert torch.equal((torch.cat(batches_in_order) * 255).round().to(torch.uint8), data.images)


@pytest.mark.parametrize("size", [-1, 0, 1, N + 1])
def test_a_wrong_batch_size_is_refused(data, size):
    with pytest.raises(ValueError, match=rf"Batches: batch_size must be 2\.\.{N}, the images of shapes, got {size}"):
        batches(data, size=size)


@pytest.mark.parametrize("n", [-1, N + 1])
def test_a_wrong_number_of_support_images_is_refused(data, n):
    with pytest.raises(ValueError, match=rf"Batches: n_support must be 0\.\.{N}, got {n}"):
        batches(data, n_support=n)


# ---- recipes -------------------------------------------------------------------------------------------------------

# The field's tags, as the papers' code has them: views, crop area, flip, jitter, its chance, gray, blur and solarise of
# each view (None: all views after the second are small).
BASIC = {
    "inst": ((0.2, 1.0), 0.5, (0.4, 0.4, 0.4, 0.4), 1.0, 0.2, (0.0, 0.0), (0.0, 0.0)),
    "inst-cifar": ((0.2, 1.0), 0.0, (0.4, 0.4, 0.4, 0.4), 1.0, 0.2, (0.0, 0.0), (0.0, 0.0)),
    "moco2": ((0.2, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, (0.5, 0.5), (0.0, 0.0)),
    "simclr": ((0.08, 1.0), 0.5, (0.8, 0.8, 0.8, 0.2), 0.8, 0.2, (0.5, 0.5), (0.0, 0.0)),
    "simclr-cifar": ((0.08, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, (0.0, 0.0), (0.0, 0.0)),
    "byol": ((0.08, 1.0), 0.5, (0.4, 0.4, 0.2, 0.1), 0.8, 0.2, (1.0, 0.1), (0.0, 0.2)),
    "byol-multicrop": ((0.08, 1.0), 0.5, (0.4, 0.4, 0.2, 0.1), 0.8, 0.2, (1.0, 0.1), (0.0, 0.2)),
    "swav": ((0.14, 1.0), 0.5, (0.8, 0.8, 0.8, 0.2), 0.8, 0.2, (0.5, 0.5), (0.0, 0.0)),
    "dino": ((0.4, 1.0), 0.5, (0.4, 0.4, 0.2, 0.1), 0.8, 0.2, (1.0, 0.1), (0.0, 0.2)),
    "supcon": ((0.2, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, (0.0, 0.0), (0.0, 0.0)),
    "gray10-cifar": ((0.2, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8, 0.1, (0.0, 0.0), (0.0, 0.0)),
    "moco-cifar": ((0.08, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, (0.0, 0.0), (0.0, 0.0)),
    "crop": ((0.08, 1.0), 0.5, (0.0, 0.0, 0.0, 0.0), 0.0, 0.0, (0.0, 0.0), (0.0, 0.0)),
}
SMALL = {"byol-multicrop": (6, (0.05, 0.14), 0.5), "swav": (6, (0.05, 0.14), 0.5), "dino": (8, (0.05, 0.4), 0.5)}


@pytest.mark.parametrize("name", BASIC)
def test_recipes_are_those_of_the_papers(name):
    crop, flip, jitter, chance, gray, blurs, solarise = BASIC[name]
    views = recipe(ViewConfig(name))
    for view, blur, sun in zip(views[:2], blurs, solarise, strict=True):
        assert (view.crop, view.flip, view.jitter, view.jitter_chance, view.gray) == (crop, flip, jitter, chance, gray)
        assert (view.blur, view.solarise, view.size) == (blur, sun, 1.0)
        assert view.ratio == (3 / 4, 4 / 3) and view.blur_sigma == (0.1, 2.0)
        assert view.cubic == (name in ("byol", "byol-multicrop", "dino", "crop"))
    count, crop, blur = SMALL.get(name, (0, None, None))
    assert len(views) == 2 + count
    for view in views[2:]:
        assert (view.crop, view.blur, view.solarise, view.size) == (crop, blur, 0.0, 3 / 7)
        assert (view.jitter, view.jitter_chance, view.gray, view.flip) == (jitter, chance, gray, flip)


def test_no_recipe_is_left_out():
    assert set(RECIPES) == set(BASIC)


@pytest.mark.parametrize("name, near", [("byoll", "byol"), ("simcrl", "simclr"), ("Moco2", "moco2"), ("dno", "dino")])
def test_an_unknown_recipe_names_the_nearest(name, near):
    wording = rf"data\.views: recipe must be one of .*got '{name}'.*Did you mean '{near}'\?"
    with pytest.raises(ValueError, match=wording):
        recipe(ViewConfig(name))


def test_crop_min_holds_for_the_large_crops():
    for name in ("byol", "swav", "dino"):
        own, changed = (recipe(ViewConfig(name, least)) for least in (0.0, 0.6))
        for a, b in zip(own, changed, strict=True):
            expected = dataclasses.replace(a, crop=(0.6, 1.0)) if a.size == 1 else a
            assert b == expected
    assert recipe(ViewConfig("byol", 1.0))[0].crop == (1.0, 1.0)


def test_crop_min_reaches_the_boxes():
    images = torch.zeros(400, 3, 32, 32)
    images[:, :, :, :] = (torch.arange(32) / 31)[None, None, None]
    for least in (0.1, 0.5, 0.9):
        view = dataclasses.replace(UNCHANGED, crop=recipe(ViewConfig("byol", least))[0].crop)
        out = augment_images(images, view, torch.Generator().manual_seed(0))
        share = (out[:, 0, 0, -1] - out[:, 0, 0, 0]) ** 2  # of the area: square boxes, a ramp along the rows
        assert abs(share.min().item() - least) < 0.12


@pytest.mark.parametrize("least", [-0.1, 1.1, math.inf, math.nan])
def test_crop_min_outside_0_to_1_is_refused(least):
    with pytest.raises(ValueError, match=r"data\.views: crop_min must be (in \[0, 1\]|a finite number), got"):
        recipe(ViewConfig("byol", least))


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("name", ["moco2", "byol", "swav"])
def test_blocks_leave_no_trace(name, size, monkeypatch):
    """Views rendered a few images at a time are those rendered at once, to the bit, in the same layout."""
    train, _ = load(DataConfig("shapes", n_train=64, n_test=48, side=16))
    source = Batches(train, recipe(ViewConfig(name)), 24, seed=3, rank=1, world=2)
    whole = source.at(1).views
    monkeypatch.setattr(room, "CACHED", size * 3 * 16 * 16 + 1)
    expected = {1: [1] * 12, 5: [5, 5, 2]}[size]
    assert [len(range(*rows.indices(12))) for rows in room.blocks(12, 16, torch.device("cpu"))] == expected
    for a, b in zip(whole, source.at(1).views, strict=True):
        assert torch.equal(a, b) and a.stride() == b.stride() and a.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [8, 13, 16, 32])
@pytest.mark.parametrize("name", RECIPES)
def test_no_order_of_summation_shows_in_a_view(name, side):
    """On a processor whose products add up in an order that depends on the call, halves of a batch are still its halves;
    and that processor's views are this one's."""
    train, _ = load(DataConfig("shapes", n_train=48, n_test=48, side=side))
    arguments = train, RECIPES[name], 24, 3
    here = Batches(*arguments).at(1)
    with OtherOrder():
        whole, *halves = (Batches(*arguments, **part).at(1) for part in ({}, *(dict(rank=r, world=2) for r in (0, 1))))
    for view, there, first, second in zip(here.views, whole.views, *(half.views for half in halves), strict=True):
        assert torch.equal(torch.cat([first, second]), there) and torch.equal(there, view)
