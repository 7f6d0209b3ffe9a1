"""Transfer: 11-point average precision, mean per class and the grid against plain loops; the sets against their labels."""

import inspect
import itertools
import math

import pytest
import torch

from sslrepro import evaluate
from sslrepro.data import downstream as sets
from sslrepro.data.downstream import EMBEDDED, NUISANCES, downstream
from sslrepro.evaluate import transfer
from sslrepro.evaluate.transfer import GRID, Protocol, average_precision, choose_penalty, classify, mean_per_class
from sslrepro.parts.encoders import encoder


def drawn(n: int, seed: int, ties: bool = False):
    generator = torch.Generator().manual_seed(seed)
    score = torch.randn(n, generator=generator)
    return (score * 2).round() / 2 if ties else score, torch.rand(n, generator=generator) < 0.3


def curve(score, present):
    """(recall, precision) at every threshold, by counting."""
    points = []
    for threshold in sorted(set(score.tolist()), reverse=True):
        taken = [bool(p) for s, p in zip(score.tolist(), present, strict=True) if s >= threshold]
        points.append((sum(taken) / int(present.sum()), sum(taken) / len(taken)))
    return points


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ties", [False, True])
def test_eleven_points_against_a_count_at_every_threshold(seed, ties):
    score, present = drawn(40, seed, ties)
    expected = sum(max(p for r, p in curve(score, present) if r >= level / 10 - 1e-12) for level in range(11)) / 11
    assert average_precision(score, present) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_area_against_a_count_at_every_threshold(seed):
    score, present = drawn(40, seed)
    area, before = 0.0, 0.0
    for recall, _ in curve(score, present):
        area += (recall - before) * max(p for r, p in curve(score, present) if r >= recall)
        before = recall
    assert average_precision(score, present, 0) == pytest.approx(area, abs=1e-12)


def test_limits_of_average_precision():
    present = torch.tensor([True, True, False, False])
    assert average_precision(torch.tensor([4.0, 3, 2, 1]), present) == 1
    assert average_precision(torch.tensor([1.0, 1, 1, 1]), present) == 0.5, "one score for all: the share of positives"
    assert average_precision(torch.tensor([1.0, 2, 3, 4]), present) == pytest.approx((6 * 0.5 + 5 * 0.5) / 11)
    assert math.isnan(average_precision(torch.zeros(4), torch.zeros(4, dtype=torch.bool)))


def test_mean_per_class_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 4, (30,), generator=generator).clamp(max=2)  # a class that does not occur
    score = torch.randn(30, 4, generator=generator)
    shares = []
    for c in sorted(set(y.tolist())):
        mine = [i for i in range(30) if y[i] == c]
        shares.append(sum(int(score[i].argmax()) == c for i in mine) / len(mine))
    assert mean_per_class(score, y) == pytest.approx(sum(shares) / len(shares))
    assert mean_per_class(score, y) != pytest.approx(transfer.top1(score, y))


def test_the_grid_has_45_values_a_quarter_decade_apart():
    assert len(GRID) == 45 and GRID[0] == pytest.approx(1e-6) and GRID[-1] == pytest.approx(1e5)
    assert all(b / a == pytest.approx(10**0.25) for a, b in itertools.pairwise(GRID))


def blobs(n: int, seed: int, classes: int = 3):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    centres = torch.randn(classes, 6, generator=torch.Generator().manual_seed(9))
    return centres[y] + torch.randn(n, 6, generator=generator), y


def test_the_penalty_is_the_best_on_the_validation_split(monkeypatch):
    x, y = blobs(60, 0)
    settings, real, asked = Protocol(iterations=5), transfer.fit, []

    def watched(rows, labels, n_classes, penalty, iterations, start=None):
        asked.append((rows, penalty))
        return real(rows, labels, n_classes, penalty, iterations, start)

    monkeypatch.setattr(transfer, "fit", watched)
    penalty, accuracy = choose_penalty(x, y, 3, settings, False, 0)
    assert [p for _, p in asked] == pytest.approx([value / 48 for value in GRID[::-1]]), "on the sum of 48 losses"
    kept = {tuple(row) for row in asked[0][0].tolist()}
    apart = [i for i in range(60) if tuple(x[i].tolist()) not in kept]
    assert len(apart) == 12 and torch.bincount(y[apart]).tolist() == [4, 4, 4]
    best, w = (-1.0, 0.0), None
    fits = [i for i in range(60) if i not in apart]
    for value in GRID[::-1]:
        w = real(x[fits], y[fits], 3, value / 48, 5, w)
        right = sum(int((w[:, :-1] @ x[i] + w[:, -1]).argmax()) == int(y[i]) for i in apart) / 12
        best = max(best, (right, value))
    assert (accuracy, penalty) == (pytest.approx(best[0]), best[1])


def test_the_test_split_chooses_nothing(monkeypatch):
    x, y = blobs(60, 0)
    x_test, y_test = blobs(30, 1)
    real, fitted = transfer.fit, []

    def watched(rows, *more):
        fitted.append(rows)
        return real(rows, *more)

    monkeypatch.setattr(transfer, "fit", watched)
    accuracy, penalty = classify(x, y, x_test, y_test, Protocol(iterations=3), False, 0)
    own = {tuple(row) for row in x.tolist()}
    assert all({tuple(row) for row in rows.tolist()} <= own for rows in fitted)
    assert [len(rows) for rows in fitted] == [48] * 45 + [60], "the last one is on all of train"
    assert penalty == choose_penalty(x, y, 3, Protocol(iterations=3), False, 0)[0]
    low, same = classify(x, y, x_test, (y_test + 1) % 3, Protocol(iterations=3), False, 0)
    assert same == penalty and low < 0.5 < accuracy


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_set(name):
    train, test = downstream(name, 96, 48, 16, 0)
    assert (len(train), len(test)) == (96, 48) and train.images.dtype == torch.uint8
    assert train.images.shape[1:] == ((3, 32, 32) if name == "scenes" else (3, 16, 16))
    assert train.several == (name == "scenes")
    if name == "scenes":
        assert train.y.shape == (96, 16) and bool(train.y.any(1).all())
    other, _ = downstream(name, 96, 48, 16, 1)
    assert not torch.equal(other.images, train.images), "every seed has its own"


def test_labels_of_the_levels():
    leaves, families, variants = (downstream(name, 96, 48, 16, 0)[0] for name in ("leaves", "families", "variants"))
    assert torch.equal(leaves.images, families.images) and torch.equal(leaves.images, variants.images)
    assert torch.equal(variants.y, leaves.y // 16) and torch.equal(families.y, leaves.y % 16 // 4)


def test_nuisances_change_the_same_images():
    images = {name: downstream(name, 32, 32, 16, 0)[0].images for name in NUISANCES}
    plain = 255 - images["inverted"]
    assert torch.equal(images["upside"].flip(2), plain)
    assert torch.equal(images["gray"][:, 0], images["gray"][:, 2]) and not torch.equal(plain[:, 0], plain[:, 2])
    assert torch.equal(images["blurred"][0, 0, 5, 5], plain[0, 0, 4:7, 4:7].float().mean().round().to(torch.uint8))
    assert 0.05 < ((images["noisy"].float() - plain.float()) / 255).std() < sets.NOISE


def test_a_set_of_torchvision_is_cut_to_the_middle(tmp_path, monkeypatch):
    from PIL import Image

    class Fake:
        def __init__(self, root, download, split):
            assert not download
            self.first = {"train": 0, "val": 1, "test": 2}[split]

        def __len__(self):
            return 3

        def __getitem__(self, i):
            image = Image.new("RGB", (40, 20), (0, 0, 0))
            image.paste((200, 50, 10 * self.first), (10, 0, 30, 20))
            return image, i

    import torchvision

    monkeypatch.setattr(torchvision.datasets, "DTD", Fake)
    train, test = downstream("dtd", 0, 2, 10, 0, tmp_path)
    assert (len(train), len(test)) == (6, 2) and train.images.shape == (6, 3, 10, 10)
    assert bool((train.images[:, 0, 2:8, 2:8] > 150).all()), "the middle"
    assert train.y.tolist() == [0, 1, 2, 0, 1, 2]


def test_torchvision_takes_the_arguments_of_every_set():
    """A split that its reader does not know would only show where somebody has the files."""
    import torchvision

    for kind, of_train, of_test in sets.TORCHVISION.values():
        reader = getattr(torchvision.datasets, kind)
        for words in (*of_train, *([of_test] if of_test else [])):
            inspect.signature(reader).bind("root", download=False, **words)
            assert words.get("split") in (*getattr(reader, "_SPLITS", ()), *("train", "trainval", "val", "test"), None)


def test_a_missing_set_says_how_to_get_it(tmp_path):
    with pytest.raises(ValueError, match=r"places365.*Get it by hand: torchvision.datasets.Places365"):
        downstream("places365", 10, 10, 16, 0, tmp_path)
    with pytest.raises(ValueError, match=r"flowers.*Get it by hand: torchvision.datasets.Flowers102"):
        downstream("flowers", 10, 10, 16, 0, tmp_path)
    with pytest.raises(ValueError, match="data.downstream: set must be one of digits"):
        downstream("nosuch", 10, 10, 16, 0)


def test_scores_of_a_few_sets():
    torch.manual_seed(0)
    net, normalise = encoder("conv-tiny"), ((0.5,) * 3, (0.25,) * 3)
    how = {"sets": ("leaves", "scenes"), "n_train": 96, "n_test": 48, "iterations": 1}
    scores = evaluate.tune("transfer", net, normalise, "cpu", how)
    assert set(scores) == {"transfer_leaves", "transfer_leaves_penalty", "transfer_scenes", "transfer_scenes_area"}
    assert scores["transfer_leaves_penalty"] in GRID and 0 < scores["transfer_scenes"] < 1
    assert evaluate.tune("transfer", net, normalise, "cpu", how) == scores


def test_svms_find_what_can_be_found():
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(80, 3, generator=generator) < 0.4
    x = torch.cat([y.float() * 4, torch.randn(80, 2, generator=generator)], 1)
    eleven, area = transfer.mean_average_precision(x[:40], y[:40], x[40:], y[40:], 0.5)
    assert eleven > 0.9 and area > 0.9
    shuffled = transfer.mean_average_precision(x[:40], y[torch.randperm(40, generator=generator)], x[40:], y[40:], 0.5)
    assert shuffled[0] < eleven
