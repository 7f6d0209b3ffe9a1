"""Evaluations against brute force and scikit-learn, and what they must leave as they found it."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from sslrepro import evaluate
from sslrepro.base.types import Features
from sslrepro.data.dataset import Dataset
from sslrepro.evaluate import few, knn, linear, linear_sgd

OF_ENCODER = ["faster_rcnn", "finetune_byol", "finetune_ifnd", "finetune_simclr", "mask_rcnn", "transfer"]
OF_FEATURES = [name for name in evaluate.names() if evaluate.of_features(name)]  # the others have tests of their own


def blobs(n: int, classes: int = 4, width: int = 8, apart: float = 1.0, seed: int = 0) -> Features:
    """Gaussian classes around fixed centres; every class has n // classes images or one more."""
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(99)) * apart
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return Features(centres[y] + torch.randn(n, width, generator=g), y)


def permuted(features: Features, seed: int = 5) -> Features:
    """The same images with their labels dealt out again."""
    order = torch.randperm(len(features.y), generator=torch.Generator().manual_seed(seed))
    return Features(features.x, features.y[order])


# --- nearest neighbours -----------------------------------------------------------------------------------------


def plain_votes(train: Features, query, k: int, temperature: float, classes: int) -> list[list[float]]:
    """InstDisc's rule in plain Python: the k largest cosines vote with exp(cosine / temperature)."""
    rows, asked, y = train.x.double().tolist(), query.double().tolist(), train.y.tolist()

    def cosine(p, q):
        return sum(i * j for i, j in zip(p, q, strict=True)) / math.sqrt(sum(i * i for i in p) * sum(j * j for j in q))

    out = []
    for point in asked:
        near = sorted(((cosine(point, row), label) for row, label in zip(rows, y, strict=True)), reverse=True)[:k]
        total = [0.0] * classes
        for value, label in near:
            total[label] += math.exp(value / temperature)
        out.append(total)
    return out


@pytest.mark.parametrize("k", [1, 3, 20, 60])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_votes_against_plain_python(k, temperature):
    train, query = blobs(60, apart=0.3), blobs(25, apart=0.3, seed=1).x
    votes = knn.votes(train, query, k, temperature, 4).double()
    plain = torch.tensor(plain_votes(train, query, k, temperature, 4), dtype=torch.float64)
    assert (votes / votes.sum(1, keepdim=True)).allclose(plain / plain.sum(1, keepdim=True), atol=1e-5)
    assert torch.equal(votes.argmax(1), plain.argmax(1))


def test_votes_do_not_depend_on_how_the_queries_are_cut():
    train, query = blobs(40), blobs(23, seed=1).x
    assert knn.votes(train, query, 5, 0.07, 4).allclose(knn.votes(train, query, 5, 0.07, 4, chunk=4), atol=1e-6)


def test_votes_do_not_depend_on_the_lengths_of_features():
    train, query = blobs(40), blobs(23, seed=1).x
    g = torch.Generator().manual_seed(2)
    longer = Features(train.x * torch.rand(40, 1, generator=g).add(0.1), train.y)
    votes = knn.votes(longer, query * 7, 5, 0.07, 4)
    assert votes.allclose(knn.votes(train, query, 5, 0.07, 4), rtol=1e-4)


@pytest.mark.parametrize("k", [1, 5, 50])
def test_knn_against_scikit_learn(k):
    train, test = blobs(300, classes=7, apart=0.6), blobs(120, classes=7, apart=0.6, seed=1)

    def weights(distance):  # scikit-learn's cosine distance is 1 - cosine
        return np.exp((1 - distance) / 0.07)

    other = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=weights)
    other.fit(train.x.double().numpy(), train.y.numpy())
    chance = torch.from_numpy(other.predict_proba(test.x.double().numpy()))
    votes = knn.votes(train, test.x, k, 0.07, 7)
    assert (votes / votes.sum(1, keepdim=True)).double().allclose(chance, atol=1e-5)
    score = evaluate.run("knn", train, test, {"k": k})["knn_top1"]
    assert score == pytest.approx(other.score(test.x.double().numpy(), test.y.numpy()), abs=1e-6)
    assert 0.3 < score < 0.95, "neither trivial nor chance"


def test_k_beyond_the_set_is_the_whole_set():
    train, test = blobs(30), blobs(20, seed=1)
    whole = evaluate.run("knn", train, test, {"k": 30})
    assert evaluate.run("knn", train, test, {"k": 31}) == whole == evaluate.run("knn", train, test, {"k": 10_000})


def test_seven_samples():
    train, test = blobs(7, classes=3, apart=5), blobs(7, classes=3, apart=5, seed=1)
    plain = torch.tensor(plain_votes(train, test.x, 7, 0.07, 3)).argmax(1)
    scores = evaluate.run("knn", train, test)
    assert scores["knn_top1"] == pytest.approx((plain == test.y).double().mean().item())
    assert set(scores) == {"knn_top1", "neighbour_match"}


@pytest.mark.parametrize("classes, top5", [(2, False), (5, False), (6, True), (12, True)])
def test_top_5_only_where_there_are_more_than_five_classes(classes, top5):
    train, test = blobs(10 * classes, classes, apart=0.5), blobs(10 * classes, classes, apart=0.5, seed=1)
    settings = {"knn": {}, "linear": {"iterations": 5}, "linear_sgd": {"epochs": 2}, "few": {"draws": 2}}
    for name, sets in settings.items():
        scores = evaluate.run(name, train, test, sets)
        five = [key for key in scores if key.endswith("_top5")]
        assert len(five) == top5, name
        assert all(scores[key.replace("top5", "top1")] < scores[key] <= 1 for key in five)


def test_top_k_by_hand():
    score = torch.tensor([[6.0, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]])
    accuracy = knn.topk_accuracy(score, torch.tensor([0, 4, 5, 1]))
    assert accuracy == {"top1": 0.25, "top5": 0.75}
    assert knn.topk_accuracy(score[:, :5], torch.tensor([0, 4, 3, 1])) == {"top1": 0.25}


def test_a_class_that_only_the_test_split_has_is_never_right():
    train, test = blobs(40), blobs(20, seed=1)
    shifted = Features(test.x, torch.full((20,), 9))
    assert evaluate.run("knn", train, shifted)["knn_top1"] == 0


def test_a_high_temperature_is_a_plain_majority():
    train, query = blobs(60, apart=0.3), blobs(40, apart=0.3, seed=1).x
    near = (nn.functional.normalize(query) @ nn.functional.normalize(train.x).T).topk(7, dim=1).indices
    counts = torch.stack([torch.bincount(labels, minlength=4) for labels in train.y[near]])
    assert knn.votes(train, query, 7, 1e6, 4).allclose(counts.float(), atol=1e-4)


@pytest.mark.parametrize("temperature", [0.02, 0.01, 1e-3])
def test_a_low_temperature_is_the_nearest_neighbour(temperature):
    """exp(cosine / temperature) leaves single precision; the vote must not (all zero would be class 0 for all)."""
    g = torch.Generator().manual_seed(0)
    train = Features(torch.randn(200, 16, generator=g), torch.arange(200) % 4)
    query = torch.randn(100, 16, generator=g)
    top2 = (nn.functional.normalize(query) @ nn.functional.normalize(train.x).T).topk(2, dim=1)
    clear = top2.values[:, 0] - top2.values[:, 1] > 5 * temperature  # the second cannot outvote the first
    clear |= train.y[top2.indices[:, 0]] == train.y[top2.indices[:, 1]]
    label = knn.votes(train, query, 2, temperature, 4).argmax(1)
    assert clear.sum() > 20
    assert torch.equal(label[clear], train.y[top2.indices[clear, 0]])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"k": 0}, "evaluate.knn: k must be >= 1, got 0"),
        ({"temperature": 0.0}, "evaluate.knn: temperature must be > 0"),
        ({"temperature": -1.0}, "evaluate.knn: temperature must be > 0"),
    ],
)
def test_knn_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        evaluate.run("knn", blobs(20), blobs(20), settings)


@pytest.mark.parametrize("n, classes", [(2, 2), (7, 3), (200, 4)])
def test_neighbour_match_against_plain_python(n, classes):
    train = blobs(n, classes, apart=0.6)
    rows = train.x.double().tolist()
    hits = 0
    for i, anchor in enumerate(rows):
        best, place = -2.0, None
        for j, other in enumerate(rows):
            if j != i:
                value = np.dot(anchor, other) / (np.linalg.norm(anchor) * np.linalg.norm(other))
                best, place = (value, j) if value > best else (best, place)
        hits += int(train.y[place] == train.y[i])
    assert knn.neighbour_match(train) == pytest.approx(hits / n)
    assert n < 200 or 0.3 < hits / n < 0.95


def test_neighbour_match_of_the_first_n():
    x = torch.eye(4)[torch.tensor([0, 0, 1, 1, 2, 3])] + 0.01 * torch.arange(6)[:, None]
    train = Features(x, torch.tensor([0, 0, 1, 1, 2, 3]))
    assert knn.neighbour_match(train, n=4) == 1.0 and knn.neighbour_match(train) == pytest.approx(4 / 6)


def test_neighbour_match_of_duplicates_is_the_other_one():
    train = Features(torch.ones(2, 3), torch.tensor([0, 1]))
    assert knn.neighbour_match(train) == 0


def test_an_image_without_others_matches_nobody():
    assert knn.neighbour_match(Features(torch.ones(1, 3), torch.tensor([0]))) != 1.0


# --- linear probe -----------------------------------------------------------------------------------------------


def objective(x, y, w, penalty: float) -> float:
    """Mean cross-entropy + penalty / 2 |W|^2, biases free, in numpy's double precision."""
    x, y, w = x.double().numpy(), y.numpy(), np.asarray(w, dtype=np.float64)
    logits = x @ w[:, :-1].T + w[:, -1]
    top = logits.max(1, keepdims=True)
    log_chance = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    return float(-log_chance[np.arange(len(y)), y].mean() + penalty / 2 * (w[:, :-1] ** 2).sum())


@pytest.mark.parametrize("penalty", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("apart", [0.3, 1.0])
def test_the_probe_minimises_what_scikit_learn_minimises(penalty, apart):
    train, test = blobs(240, classes=5, apart=apart), blobs(200, classes=5, apart=apart, seed=1)
    w = linear.fit(train.x, train.y, 5, penalty, 200)
    assert w.shape == (5, 9) and not w.requires_grad
    other = LogisticRegression(C=1 / (len(train.x) * penalty), tol=1e-8, max_iter=5000)
    other.fit(train.x.double().numpy(), train.y.numpy())
    best = objective(train.x, train.y, np.concatenate([other.coef_, other.intercept_[:, None]], 1), penalty)
    assert objective(train.x, train.y, w, penalty) == pytest.approx(best, rel=1e-4)
    assert np.allclose(w[:, :-1].numpy(), other.coef_, atol=0.02)
    ours = (linear.predict(test.x, w).argmax(1) == test.y).double().mean().item()
    assert ours == pytest.approx(other.score(test.x.double().numpy(), test.y.numpy()), abs=0.0051)


def test_a_warm_start_ends_in_the_same_minimum():
    train = blobs(240, classes=5, apart=0.5)
    start = linear.fit(train.x, train.y, 5, 1e-1, 200)
    copy_of_start = start.clone()
    warm = linear.fit(train.x, train.y, 5, 1e-3, 200, start)
    cold = linear.fit(train.x, train.y, 5, 1e-3, 200)
    assert torch.equal(start, copy_of_start), "the start is left as it was"
    assert objective(train.x, train.y, warm, 1e-3) == pytest.approx(objective(train.x, train.y, cold, 1e-3), rel=1e-4)


def test_the_whole_probe_against_scikit_learn():
    """Standardised by train, penalty chosen on the seeded fifth of train, refitted on all of it."""
    train, test = blobs(300, classes=4, width=40, apart=0.25), blobs(400, classes=4, width=40, apart=0.25, seed=1)
    train, test = (Features(split.x * 3 + 10, split.y) for split in (train, test))
    mean, std = train.x.double().mean(0), train.x.double().std(0)
    x, x_test = (((split.x.double() - mean) / std).numpy() for split in (train, test))
    y = train.y.numpy()
    order = torch.randperm(300, generator=torch.Generator().manual_seed(3)).numpy()
    held, rest = order[:60], order[60:]

    def other(rows, penalty):
        fitted = LogisticRegression(C=1 / (len(rows) * penalty), tol=1e-7, max_iter=5000)
        return fitted.fit(x[rows], y[rows])

    penalties = (1.0, 1e-1, 1e-2, 1e-3)
    by_penalty = {p: other(rest, p).score(x[held], y[held]) for p in penalties}
    best = max(by_penalty.items(), key=lambda pair: (pair[1], pair[0]))
    scores = evaluate.run("linear", train, test, {"penalties": penalties, "iterations": 300}, seed=3)
    assert len(set(by_penalty.values())) > 1, "the penalty matters here"
    assert (scores["linear_penalty"], scores["linear_held_out"]) == (best[0], pytest.approx(best[1]))
    assert scores["linear_top1"] == pytest.approx(other(order, best[0]).score(x_test, test.y.numpy()), abs=0.0051)


@pytest.mark.parametrize(
    "name, chosen", [("linear", ("linear_penalty", "linear_held_out")), ("linear_sgd", ("linear_rate",))]
)
def test_the_test_split_chooses_nothing(name, chosen):
    train, test = blobs(200, apart=0.4), blobs(200, apart=0.4, seed=1)
    settings = {"linear_sgd": {"epochs": 10}}.get(name)
    honest = evaluate.run(name, train, test, settings)
    for other in (permuted(test), Features(test.x.flip(0) * 100, test.y)):
        scores = evaluate.run(name, train, other, settings)
        assert {key: scores[key] for key in chosen} == {key: honest[key] for key in chosen}
        score = next(key for key in scores if key.endswith("top1"))
        assert scores[score] != honest[score], "the score alone follows the test split"


def test_the_held_out_rows_choose_and_do_not_train(monkeypatch):
    train, test = blobs(100), blobs(40, seed=1)
    sizes = []
    fit = linear.fit

    def watched(x, y, *arguments):
        sizes.append(len(x))
        return fit(x, y, *arguments)

    monkeypatch.setattr(linear, "fit", watched)
    evaluate.run("linear", train, test, {"held_out": 0.3})
    assert sizes == [70, 70, 70, 70, 100]


def test_ties_go_to_the_stronger_penalty():
    train, test = blobs(100, apart=20), blobs(40, apart=20, seed=1)
    scores = evaluate.run("linear", train, test, {"penalties": (1e-4, 1e-2, 1e-3)})
    assert (scores["linear_held_out"], scores["linear_penalty"]) == (1.0, 1e-2)


def test_standardised_by_train_alone():
    train, test = blobs(50, seed=0), Features(blobs(50, seed=1).x * 9 + 4, blobs(50).y)
    x, x_test = linear.standardise(train, test)
    assert x.mean(0).abs().max() < 1e-5 and x.std(0).allclose(torch.ones(8), atol=1e-4)
    assert x_test.allclose((test.x - train.x.mean(0)) / train.x.std(0), atol=1e-4)


@pytest.mark.parametrize("name", ["linear", "linear_sgd", "few"])
def test_constant_features_change_nothing(name):
    train, test = blobs(120), blobs(80, seed=1)
    settings = {"linear_sgd": {"epochs": 5}, "few": {"draws": 3}}.get(name)
    wide = [
        Features(torch.cat([split.x, torch.full((len(split.x), 2), value)], 1), split.y)
        for split, value in ((train, 3.7), (test, 8.1))
    ]
    x, x_test = linear.standardise(*wide)
    assert (x[:, 8:] == 0).all() and (x_test[:, 8:] == 0).all()
    plain, scores = evaluate.run(name, train, test, settings), evaluate.run(name, *wide, settings)
    assert scores == pytest.approx(plain, abs=0.026)


@pytest.mark.parametrize("name", OF_FEATURES)
def test_all_features_constant_is_chance_and_finite(name):
    train, test = blobs(60), blobs(60, seed=1)
    settings = {"linear_sgd": {"epochs": 3}, "few": {"draws": 2}}.get(name)
    scores = evaluate.run(name, *(Features(torch.ones(60, 8), split.y) for split in (train, test)), settings)
    assert all(math.isfinite(value) for value in scores.values())
    assert all(value == pytest.approx(0.25, abs=0.02) for key, value in scores.items() if key.endswith("top1"))


@pytest.mark.parametrize("name", OF_FEATURES)
def test_few_samples(name):
    train, test = blobs(7, classes=3, apart=6), blobs(21, classes=3, apart=6, seed=1)
    settings = {"few": {"per_class": 2}, "knn": {"k": 1}}.get(name)
    scores = evaluate.run(name, train, test, settings)
    assert all(math.isfinite(value) for value in scores.values())
    assert all(value > 0.8 for key, value in scores.items() if key.endswith("_top1"))


@pytest.mark.parametrize("name", ["linear", "linear_sgd"])
@pytest.mark.parametrize("held_out, n", [(0.0, 40), (1.0, 40), (0.2, 4)])
def test_both_sides_of_the_train_split_have_rows(name, held_out, n):
    with pytest.raises(ValueError, match=f"evaluate.{name}: held_out must be a share that leaves rows on both sides"):
        evaluate.run(name, blobs(n), blobs(8, seed=1), {"held_out": held_out})


# --- linear probe by SGD ----------------------------------------------------------------------------------------


def test_sgd_reaches_the_minimum_where_the_task_is_easy():
    train, test = blobs(400, classes=6, width=16, apart=1.5), blobs(400, classes=6, width=16, apart=1.5, seed=1)
    by_sgd = evaluate.run("linear_sgd", train, test, {"epochs": 30, "batch_size": 64})
    by_newton = evaluate.run("linear", train, test)
    assert by_newton["linear_top1"] > 0.97
    assert by_sgd["linear_top1"] == pytest.approx(by_newton["linear_top1"], abs=0.02)
    assert by_sgd["linear_rate"] in linear_sgd.Protocol().rates


def test_sgd_chooses_the_rate_that_held_out_rows_like_best():
    train, test = blobs(300, apart=1.5), blobs(200, apart=1.5, seed=1)
    scores = evaluate.run("linear_sgd", train, test, {"rates": (1e-9, 0.3, 1e-8), "epochs": 10})
    assert scores["linear_rate"] == 0.3


def test_sgd_fit_against_a_plain_loop():
    train = blobs(50, classes=3)
    settings = linear_sgd.Protocol(epochs=4, batch_size=16, momentum=0.9)
    weights = linear_sgd.fit(train.x, train.y, 3, 0.5, settings, seed=7)
    x, y = torch.cat([train.x, torch.ones(50, 1)], 1).double().numpy(), np.eye(3)[train.y.numpy()]
    g = torch.Generator().manual_seed(7)
    w, speed, step = np.zeros((3, 9)), np.zeros((3, 9)), 0
    for _ in range(4):
        order = torch.randperm(50, generator=g).numpy()
        for place in range(3):  # the last two rows of an epoch wait for the next
            rows = order[16 * place : 16 * (place + 1)]
            logits = x[rows] @ w.T
            chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            speed = 0.9 * speed + (chance - y[rows]).T @ x[rows] / 16
            w = w - 0.5 * 0.5 * (1 + math.cos(math.pi * step / 12)) * speed
            step += 1
    assert np.allclose(weights.numpy(), w, atol=1e-4)


# --- few labels -------------------------------------------------------------------------------------------------


@pytest.fixture
def fits(monkeypatch):
    """Every (features, labels) that the few-label probe is trained on."""
    seen = []
    fit = few.fit

    def watched(x, y, *arguments):
        seen.append((x, y))
        return fit(x, y, *arguments)

    monkeypatch.setattr(few, "fit", watched)
    return seen


@pytest.mark.parametrize("per_class, draws", [(1, 1), (2, 7), (10, 3), (15, 2)])
def test_few_uses_exactly_the_labels_it_says(fits, per_class, draws):
    train, test = blobs(60), blobs(40, seed=1)
    evaluate.run("few", train, test, {"per_class": per_class, "draws": draws})
    standard, _ = linear.standardise(train, test)
    rows = [tuple(row) for row in standard.tolist()]
    assert len(fits) == draws
    chosen = []
    for x, y in fits:
        assert torch.bincount(y).tolist() == [per_class] * 4
        places = [rows.index(tuple(row)) for row in x.tolist()]
        assert len(set(places)) == 4 * per_class, "no image twice in a draw"
        assert torch.equal(train.y[places], y), "each image with its own label"
        chosen.append(frozenset(places))
    assert per_class == 15 or len(set(chosen)) == draws, "draws differ"


def test_few_draws_reach_every_image(fits):
    train = blobs(24)
    evaluate.run("few", train, blobs(8, seed=1), {"per_class": 1, "draws": 60, "iterations": 1})
    assert len({tuple(row) for x, _ in fits for row in x.tolist()}) == 24


def test_few_means_and_deviation_over_draws(fits):
    train, test = blobs(80, apart=0.5), blobs(100, apart=0.5, seed=1)
    scores = evaluate.run("few", train, test, {"per_class": 2, "draws": 5})
    _, x_test = linear.standardise(train, test)
    each = []
    for x, y in list(fits):
        w = linear.fit(x, y, 4, few.Protocol().penalty, few.Protocol().iterations)
        each.append((linear.predict(x_test, w).argmax(1) == test.y).double().mean().item())
    assert scores["few_top1"] == pytest.approx(np.mean(each), abs=1e-6)
    assert scores["few_std"] == pytest.approx(np.std(each, ddof=1), abs=1e-6) and scores["few_std"] > 0
    assert evaluate.run("few", train, test, {"draws": 1})["few_std"] == 0


def test_a_class_with_few_images_brings_all_it_has(fits):
    """A long tail ends no run without scores: not a short class, and not one of which only tests exist."""
    train, test = blobs(42), blobs(20, seed=1)  # 11, 11, 10 and 10 images
    evaluate.run("few", train, test, {"per_class": 11, "draws": 1})
    assert torch.bincount(fits[-1][1]).tolist() == [11, 11, 10, 10]
    scores = evaluate.run("few", train, Features(test.x, test.y + 1), {"per_class": 1})  # class 4 has no training image
    assert torch.bincount(fits[-1][1]).tolist() == [1] * 4 and 0 <= scores["few_top1"] <= 1


def test_few_refuses_counts_below_one():
    train, test = blobs(42), blobs(20, seed=1)
    with pytest.raises(ValueError, match="evaluate.few: per_class must be >= 1, got 0"):
        evaluate.run("few", train, test, {"per_class": 0})
    with pytest.raises(ValueError, match="evaluate.few: draws must be >= 1, got 0"):
        evaluate.run("few", train, test, {"draws": 0})


# --- all evaluations --------------------------------------------------------------------------------------------

SHORT = {
    "knn": {},
    "linear": {},
    "linear_sgd": {"epochs": 5, "batch_size": 16, "rates": (0.3,)},
    "few": {"draws": 3, "per_class": 2},
    "nmi": {"runs": 2},
}


def test_names():
    assert evaluate.names() == sorted([*OF_ENCODER, *OF_FEATURES, "course", "overhead", "passes"])
    assert [name for name in evaluate.names() if evaluate.of_encoder(name)] == OF_ENCODER
    assert OF_FEATURES == ["few", "knn", "linear", "linear_sgd", "nmi"] == sorted(SHORT)


@pytest.mark.parametrize("name", OF_FEATURES)
def test_every_evaluation_repeats_and_leaves_the_global_random_numbers_alone(name):
    train, test = blobs(100, apart=0.4), blobs(100, apart=0.4, seed=1)
    copies = [train.x.clone(), train.y.clone(), test.x.clone(), test.y.clone()]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = evaluate.run(name, train, test, SHORT[name], seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert evaluate.run(name, train, test, SHORT[name], seed=4) == first
    assert all(torch.equal(a, b) for a, b in zip(copies, (train.x, train.y, test.x, test.y), strict=True))
    assert all(isinstance(value, float) for value in first.values())
    assert all(0 <= value <= 1 for value in first.values())


@pytest.mark.parametrize("name", ["few", "linear_sgd", "linear"])
def test_the_seed_is_that_of_the_evaluations_own_draws(name):
    train, test = blobs(100, apart=0.4), blobs(200, apart=0.4, seed=1)
    assert len({tuple(evaluate.run(name, train, test, SHORT[name], seed).values()) for seed in range(4)}) > 1


def test_an_evaluation_that_draws_global_random_numbers_leaves_none_drawn(monkeypatch):
    monkeypatch.setattr(knn, "scores", lambda *arguments: {"drawn": torch.rand(3).sum().item()})
    before = torch.get_rng_state()
    evaluate.run("knn", blobs(8), blobs(8))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", OF_FEATURES)
def test_a_protocol_is_its_defaults_with_what_is_given_on_top(name):
    defaults = evaluate.protocol(name)
    assert defaults and evaluate.protocol(name, {}) == defaults
    key = next(iter(defaults))
    other = defaults[key] * 2  # of the same kind: a number doubled, or a tuple repeated
    assert evaluate.protocol(name, {key: other}) == defaults | {key: other}
    assert evaluate.protocol(name) == defaults


def test_unknown_settings_and_names_name_the_nearest():
    with pytest.raises(
        ValueError,
        match=r"evaluate.knn: setting must be one of k, temperature, got 'temprature'. Did you mean 'temperature'",
    ):
        evaluate.protocol("knn", {"temprature": 1})
    with pytest.raises(ValueError, match="Did you mean 'per_class'"):
        evaluate.run("few", blobs(8), blobs(8), {"perclass": 1})
    with pytest.raises(ValueError, match=r"evaluate: name must be one of .*Did you mean 'linear'"):
        evaluate.run("liner", blobs(8), blobs(8))


# --- features of a frozen encoder -------------------------------------------------------------------------------

NORMALISE = ((0.5, 0.4, 0.3), (0.25, 0.2, 0.3))


def images(n: int, side: int = 6) -> Dataset:
    g = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 3, side, side), generator=g, dtype=torch.uint8)
    return Dataset("noise", pixels, torch.arange(n) % 3, ("a", "b", "c"))


def encoder() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())


class Counting(nn.Module):
    """Flattens its images and counts its calls in a buffer, in eval mode as well."""

    def __init__(self, persistent: bool = True):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64), persistent=persistent)

    def forward(self, x):
        self.calls += 1
        return x.flatten(1)


class Drifting(nn.Module):
    """A parameter that moves a little with every call."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        with torch.no_grad():
            self.scale += 1e-6
        return x.flatten(1) * self.scale


def test_features_are_the_encoders_outputs_in_order():
    net, data = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), images(1030, side=2)  # more than one batch
    features = evaluate.features(net, data, NORMALISE)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in NORMALISE)
    with torch.no_grad():
        expected = torch.stack([net(((image.float() / 255 - mean) / std)[None])[0] for image in data.images])
    assert features.x.allclose(expected, atol=1e-5) and torch.equal(features.y, data.labels)
    assert features.x.dtype == torch.float32 and not features.x.requires_grad


def test_batch_norm_runs_on_its_stored_statistics_and_dropout_is_off():
    net, data = encoder(), images(40)
    with torch.no_grad():
        net[1].running_mean += 0.3
        net[1].running_var *= 4
    before = evaluate.digest(net)
    features = evaluate.features(net, data, NORMALISE)
    part = evaluate.features(net, Dataset("two", data.images[:2], data.labels[:2], data.class_names), NORMALISE)
    assert features.x[:2].allclose(part.x, atol=1e-5), "an image's features do not depend on the others"
    assert evaluate.digest(net) == before and int(net[1].num_batches_tracked) == 0


def test_every_module_is_back_in_its_own_mode():
    net = encoder().train()
    net[1].eval()  # a frozen normalisation inside a training network
    evaluate.features(net, images(10), NORMALISE)
    assert [module.training for module in net] == [True, False, True, True, True] and net.training
    net.eval()
    evaluate.features(net, images(10), NORMALISE)
    assert not any(module.training for module in net.modules())


def test_modes_come_back_after_an_error():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(7, 2))  # the wrong width
    net[0].eval()
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        evaluate.features(net, images(4), NORMALISE)
    assert net.training and net[2].training and not net[0].training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("changing", [Counting, Drifting])
def test_an_encoder_that_changes_while_it_is_evaluated_is_refused(changing):
    with pytest.raises(RuntimeError, match="evaluate.features: the encoder changed while it was evaluated"):
        evaluate.features(nn.Sequential(changing()), images(4), NORMALISE)


def test_a_change_in_a_buffer_that_is_not_saved_is_seen_too():
    with pytest.raises(RuntimeError, match="the encoder changed"):
        evaluate.features(Counting(persistent=False), images(4), NORMALISE)


def test_the_digest_sees_every_value_and_its_name():
    net = encoder()
    first = evaluate.digest(net)
    assert evaluate.digest(encoder()) == first and len(first) == 64
    for name, tensor in net.state_dict().items():
        copy_of_tensor = tensor.clone()
        tensor.view(-1)[-1] += 1
        assert evaluate.digest(net) != first, name
        tensor.copy_(copy_of_tensor)
    assert evaluate.digest(net) == first
    assert evaluate.digest(nn.ModuleDict({"other": net})) != evaluate.digest(nn.ModuleDict({"net": net}))


def test_pixels_are_the_images_themselves():
    data = images(5)
    features = evaluate.pixels(data)
    assert features.x.shape == (5, 108) and features.x.min() >= -0.5 and features.x.max() <= 0.5
    assert features.x[3, 40].item() == pytest.approx(int(data.images[3].flatten()[40]) / 255 - 0.5, abs=1e-6)
    assert torch.equal(features.y, data.labels)


def test_no_evaluation_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in OF_FEATURES:
            evaluate.run(name, blobs(60), blobs(40, seed=1), SHORT[name])


def test_a_class_without_a_vote_is_no_hit():
    """Ten classes, votes for two of them: the other eight are nobody's answer, at whatever rank topk lists them."""
    train = Features(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([7, 9]))
    test = Features(torch.tensor([[1.0, 0.1], [1.0, 0.1]]), torch.tensor([0, 3]))
    assert evaluate.run("knn", train, test, {"k": 1})["knn_top1"] == 0
    assert evaluate.run("knn", train, test, {"k": 1})["knn_top5"] == 0
    assert evaluate.run("knn", train, test, {"k": 2})["knn_top5"] == 0
    every = Features(torch.tensor([[1.0, 0.1]]).repeat(10, 1), torch.arange(10))
    assert evaluate.run("knn", train, every, {"k": 2})["knn_top5"] == pytest.approx(0.2), "whichever topk lists"
    voted = Features(test.x, torch.tensor([7, 9]))
    assert evaluate.run("knn", train, voted, {"k": 2})["knn_top5"] == 1


@pytest.mark.parametrize("k", [1, 3, 10])
def test_top5_is_brute_force_over_voted_classes(k):
    rng = torch.Generator().manual_seed(k)
    train = Features(torch.randn(40, 4, generator=rng), torch.arange(40) % 12)
    test = Features(torch.randn(60, 4, generator=rng), torch.randint(12, (60,), generator=rng))
    hits = 0
    for x, y in zip(test.x, test.y, strict=True):
        cosine = torch.nn.functional.cosine_similarity(train.x, x[None])
        weight: dict[int, float] = {}
        for place in cosine.argsort(descending=True)[:k].tolist():
            label = int(train.y[place])
            weight[label] = weight.get(label, 0.0) + float((cosine[place] / 0.07).exp())
        hits += int(y) in sorted(weight, key=weight.get, reverse=True)[:5]
    assert evaluate.run("knn", train, test, {"k": k})["knn_top5"] == pytest.approx(hits / 60)
