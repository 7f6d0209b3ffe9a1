"""Fine-tuning on few labels: the lists, what is chosen on what, and that all layers train from the given weights."""

import copy
from dataclasses import replace

import pytest
import torch

from sslrepro import evaluate
from sslrepro.data.dataset import DataConfig
from sslrepro.data.datasets import load
from sslrepro.evaluate import finetune_simclr
from sslrepro.parts import finetuning
from sslrepro.parts.encoders import encoder
from sslrepro.parts.finetuning import choose_plan, fine_tune, label_list, least_change, plans

QUICK = {"rates": (0.1,), "batch_size": 16, "length": 0.05, "crop_min": 0.8}


@pytest.fixture(scope="module")
def images():
    return load(DataConfig("shapes", n_train=160, n_test=32, side=8, classes=4))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return encoder("conv-tiny")


@pytest.fixture(scope="module")
def normalise(images):
    return tuple(tuple(part) for part in images[0].mean_std())


def quick(epochs=1, rate=0.1):
    return replace(plans("simclr", 0.1, 16, (rate,), 1.0, 0.8)[0], epochs=epochs)


@pytest.mark.parametrize(("share", "each"), [(0.01, 1), (0.1, 4), (0.26, 10), (1.0, 40)])
def test_a_list_has_as_many_of_every_class(images, share, each):
    labels = images[0].labels
    rows = label_list(labels, share)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert [int((labels[rows] == c).sum()) for c in range(4)] == [each] * 4


def test_a_list_is_part_of_a_larger_one_and_another_draw_is_another_list(images):
    labels = images[0].labels
    small, large = label_list(labels, 0.05), label_list(labels, 0.2)
    assert set(small.tolist()) < set(large.tolist())
    assert label_list(labels, 0.05, 1).tolist() != small.tolist()


def test_a_small_class_brings_all_it_has():
    labels = torch.tensor([0] * 90 + [1] * 2)
    rows = label_list(labels, 0.25)
    assert int((labels[rows] == 1).sum()) == 2 and len(rows) == 24


def test_every_method_and_seed_has_the_same_list(images, net, normalise, monkeypatch):
    tuned = []

    def watched(encoder, data, n_classes, plan, normalise, seed):
        tuned.append(data.images.clone())
        return fine_tune(encoder, data, n_classes, plan, normalise, seed)

    monkeypatch.setattr(finetune_simclr, "fine_tune", watched)
    torch.manual_seed(7)
    for encoder_, seed in ((net, 0), (net, 5), (encoder("conv-tiny"), 0)):
        evaluate.tune("finetune_simclr", encoder_, normalise, "cpu", QUICK | {"shares": (0.1,)}, seed, None, images)
    assert len(tuned) == 3 and all(torch.equal(tuned[0], other) for other in tuned)


def test_all_layers_train_and_the_encoder_stays(images, net, normalise):
    before = copy.deepcopy(net.state_dict())
    tuned = fine_tune(net, images[0], 4, quick(), normalise, 0)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    moved = [not torch.equal(new, old) for new, old in zip(tuned[0].parameters(), net.parameters(), strict=True)]
    assert all(moved) and least_change(tuned[0], net) > 0


def test_it_starts_from_the_given_weights(images, net, normalise):
    tuned = fine_tune(net, images[0], 4, quick(rate=1e-12), normalise, 0)
    assert all(
        torch.allclose(new, old, atol=1e-6) for new, old in zip(tuned[0].parameters(), net.parameters(), strict=True)
    )
    assert float(tuned[1].weight.detach().abs().max()) < 1e-6


def test_frozen_weights_train_all_the_same(images, net, normalise):
    frozen = copy.deepcopy(net).requires_grad_(False)
    assert least_change(fine_tune(frozen, images[0], 4, quick(), normalise, 0)[0], frozen) > 0


def test_a_rate_is_chosen_on_the_list_alone(images, net, normalise, monkeypatch):
    train = images[0]
    rows = label_list(train.labels, 0.2)
    data, seen = train.rows(rows), []

    def watched(encoder, part, n_classes, plan, normalise, seed):
        seen.append((plan.rate, part))
        return fine_tune(encoder, part, n_classes, plan, normalise, seed)

    monkeypatch.setattr(finetuning, "fine_tune", watched)
    tried = plans("simclr", 0.1, 16, (1e-9, 0.1), 0.3, 0.8)
    plan, right = choose_plan(net, data, 4, tried, 0.25, normalise, 0, 0)
    assert [rate for rate, _ in seen] == [1e-9, 0.1] and 0 <= right <= 1 and plan in tried
    own = {image.numpy().tobytes() for image in data.images}
    for _, part in seen:
        kept = [image.numpy().tobytes() for image in part.images]
        assert set(kept) < own and torch.bincount(part.labels).tolist() == [6] * 4, "two of eight are kept apart"


def test_one_image_of_a_class_leaves_nothing_to_choose(images, net, normalise):
    tried = plans("simclr", 0.01, 16, (0.1, 0.2, 0.3), 1.0, 0.8)
    data = images[0].rows(label_list(images[0].labels, 0.01))
    plan, right = choose_plan(net, data, 4, tried, 0.2, normalise, 0, 0)
    assert plan.rate == 0.2 and right == -1


def test_recipes_are_those_of_the_papers():
    def shown(recipe, share):
        return [
            (p.epochs, p.batch_size, p.rate, p.head, p.weight_decay, p.nesterov)
            for p in plans(recipe, share, 0, (), 1.0, 0.08)
        ]

    assert shown("simclr", 0.01) == [(60, 4096, 0.8, 1, 0, True)] and shown("simclr", 0.1)[0][0] == 30
    assert shown("ifnd", 0.01) == [(20, 256, 0.01, 100, 5e-4, False)]
    assert shown("ifnd", 0.1) == [(20, 256, 0.01, 10, 5e-4, False)]
    assert {(epochs, rate) for epochs, _, rate, *_ in shown("byol", 0.1)} == {
        (epochs, rate) for epochs in (30, 50) for rate in (0.005, 0.01, 0.02, 0.05, 0.1)
    }
    assert plans("simclr", 0.01, 512, (), 1.0, 0.08)[0].rate == pytest.approx(0.1), "a smaller batch, a smaller rate"


def test_schedules():
    ifnd, simclr = plans("ifnd", 0.1, 0, (), 1.0, 0.08)[0], plans("simclr", 0.1, 0, (), 1.0, 0.08)[0]
    assert [ifnd.factor(p) for p in (0, 0.59, 0.6, 0.8)] == pytest.approx([1, 1, 0.2, 0.04])
    assert [simclr.factor(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])


def test_scores_of_both_shares_and_of_a_count(images, net, normalise):
    scores = evaluate.tune("finetune_ifnd", net, normalise, "cpu", QUICK | {"each": (2,)}, 0, None, images)
    assert {name: scores[f"ifnd_{name}_images"] for name in ("1pct", "10pct", "2each")} == {
        "1pct": 4,
        "10pct": 16,
        "2each": 8,
    }
    assert all(0 <= scores[f"ifnd_{name}_top1"] <= 1 for name in ("1pct", "10pct", "2each"))
    again = evaluate.tune("finetune_ifnd", net, normalise, "cpu", QUICK | {"each": (2,)}, 0, None, images)
    assert again == scores


def test_wrong_input_is_one_clear_error(images, net, normalise):
    with pytest.raises(ValueError, match="parts.finetuning: share must be in"):
        label_list(images[0].labels, 0.0)
    with pytest.raises(ValueError, match="recipe"):
        plans("simcrl", 0.1, 0, (), 1.0, 0.08)
    with pytest.raises(ValueError, match="evaluate.finetune_simclr: shares must be at least one"):
        evaluate.tune("finetune_simclr", net, normalise, "cpu", {"shares": ()}, 0, None, images)
