"""`scenes`: boxes and multi-labels against a plain loop over pixels, and what a draw promises."""

import pytest
import torch

from sslrepro.data import scenes
from sslrepro.data.scenes import SEEN, SHARE, SceneConfig, make


@pytest.fixture(scope="module")
def train():
    return make(SceneConfig(n_train=300, n_test=4, most=4))[0]


def test_a_box_is_the_tight_box_of_its_visible_mask(train):
    for boxes, masks in zip(train.boxes[:60], train.masks[:60], strict=True):
        for box, mask in zip(boxes.tolist(), masks.tolist(), strict=True):
            places = [(x, y) for y, row in enumerate(mask) for x, seen in enumerate(row) if seen]
            across, down = [x for x, _ in places], [y for _, y in places]
            assert box == [min(across), min(down), max(across) + 1, max(down) + 1]


def test_every_image_has_an_object_and_no_object_is_empty_or_hidden(train):
    for boxes, labels, masks in zip(train.boxes, train.labels, train.masks, strict=True):
        assert len(boxes) == len(labels) == len(masks) >= 1
        assert masks.sum((1, 2)).min() >= SEEN
        assert masks.sum(0).max() <= 1, "a pixel shows one object"
        assert (boxes[:, :2] < boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= 32


def test_objects_are_brighter_than_what_lies_behind_them(train):
    shown = torch.stack([masks.any(0) for masks in train.masks])
    grey = train.images.float().mean(1)
    assert grey[shown].mean() > 2 * grey[~shown].mean()


def test_multilabels_are_the_labels_present(train):
    for row, labels in zip(train.multilabels.tolist(), train.labels, strict=True):
        assert {c for c, present in enumerate(row) if present} == set(labels.tolist())


def test_classes_are_about_equally_frequent_and_images_have_different_numbers_of_objects(train):
    counts = torch.bincount(torch.cat(train.labels), minlength=train.n_classes).float()
    assert len(counts) == 16 and counts.min() > 0.7 * counts.mean() and counts.max() < 1.3 * counts.mean()
    assert {len(boxes) for boxes in train.boxes} == {1, 2, 3, 4}


def test_a_seed_gives_the_same_bytes_and_another_seed_and_split_others():
    config = SceneConfig(n_train=6, n_test=6, seed=5)
    first = make(config)
    make.cache_clear()
    again, other = make(config), make(SceneConfig(n_train=6, n_test=6, seed=6))
    assert [split.fingerprint for split in first] == [split.fingerprint for split in again]
    assert len({split.fingerprint for split in (*first, *other)}) == 4


def test_an_object_that_would_hide_another_is_left_out():
    labels, count = torch.zeros(200, 6, dtype=torch.long), torch.full((200,), 6)
    _, visible = scenes.draw(labels, count, 24, torch.Generator().manual_seed(0))
    kept = visible.any(3).any(2)
    assert kept[:, 0].all() and not kept.all()
    alone = scenes.draw(labels, torch.ones_like(count), 24, torch.Generator().manual_seed(0))[1]
    assert (visible[:, 0].sum((1, 2)) >= SHARE * alone[:, 0].sum((1, 2))).all()
    assert not alone[:, 1:].any()


def test_wrong_values_are_named():
    with pytest.raises(ValueError, match="data.scenes: classes must be"):
        SceneConfig(classes=1)
