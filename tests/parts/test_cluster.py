"""k-means against a plain Lloyd, pseudo-labels and their scores against loops over images."""

import itertools
import math
import random

import numpy as np
import pytest
import torch

from sslrepro.parts.cluster import PseudoLabels, accept_labels, acceptance, confidence, density, kmeans
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import group_rates, relation_match

ENGINES = ["faiss", "torch"]


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(1)


def drawn(n: int, d: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def square(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def assigned(x: list[list[float]], centroids: list[list[float]]) -> list[int]:
    return [min(range(len(centroids)), key=lambda c: square(row, centroids[c])) for row in x]


def lloyd(x: list[list[float]], centroids: list[list[float]], iterations: int, spherical: bool):
    """Mean of the rows of each centroid; one without rows takes the row farthest from its own centroid."""
    for _ in range(iterations):
        labels = assigned(x, centroids)
        far = sorted(range(len(x)), key=lambda i: -square(x[i], centroids[labels[i]]))
        new = []
        for c in range(len(centroids)):
            mine = [row for row, label in zip(x, labels, strict=True) if label == c]
            row = [sum(column) / len(mine) for column in zip(*mine, strict=True)] if mine else x[far.pop(0)]
            new.append([v / math.hypot(*row) for v in row] if spherical else row)
        centroids = new
    return assigned(x, centroids), centroids


def inertia(x: torch.Tensor, labels: torch.Tensor, centroids: torch.Tensor) -> float:
    return float((x - centroids[labels]).square().sum())


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("k", "seed"), [(2, 0), (5, 1), (13, 2)])
def test_kmeans_against_a_plain_lloyd(k, seed, engine, spherical):
    x = unit(drawn(70, seed=seed)) if spherical else drawn(70, seed=seed)
    _, start = kmeans(x, k, seed, 0, spherical, engine)
    for iterations in (1, 3, 20):
        labels, centroids = kmeans(x, k, seed, iterations, spherical, engine)
        expected = lloyd(x.tolist(), start.tolist(), iterations, spherical)
        assert labels.tolist() == expected[0]
        assert centroids.allclose(torch.tensor(expected[1], dtype=torch.float64), atol=1e-9)


def test_engines_agree():
    x = drawn(3000, 16, seed=4).float()
    results = [kmeans(x, 20, 7, 5, engine=engine) for engine in ENGINES]
    assert torch.equal(results[0][0], results[1][0]) and results[0][1].allclose(results[1][1], atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_start_is_distinct_rows_drawn_by_the_seed_alone(engine):
    x, before = drawn(30), torch.get_rng_state()
    starts = [kmeans(x, 8, seed, 0, engine=engine)[1] for seed in (5, 5, 6)]
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])
    for start in starts:
        places = [[row == other for other in x.tolist()].index(True) for row in start.tolist()]
        assert len(set(places)) == 8
    first, second = (kmeans(x, 8, 5, engine=engine) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("engine", ENGINES)
def test_empty_centroids_move_to_the_farthest_rows(engine):
    x = torch.tensor([0.0] * 7 + [5.0, 9.0, 20.0])[:, None]
    seed = next(s for s in range(99) if not kmeans(x, 3, s, 0, engine=engine)[1].any())  # starts with three equal rows
    labels, centroids = kmeans(x, 3, seed, 1, engine=engine)
    assert sorted(centroids[:, 0].tolist()) == pytest.approx([3.4, 9, 20])  # the mean of all, the two farthest
    assert len(set(labels.tolist())) == 3


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_inertia_never_grows(seed, spherical):
    x = drawn(60, seed=seed)
    x[20:40] = x[0]  # equal rows empty some clusters
    x = unit(x) if spherical else x
    steps = [inertia(x, *kmeans(x, 12, seed, iterations, spherical, "torch")) for iterations in range(8)]
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(steps)) and steps[-1] < 0.9 * steps[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_as_many_clusters_as_rows(engine):
    x = drawn(9)
    labels, centroids = kmeans(x, 9, 0, engine=engine)
    assert sorted(labels.tolist()) == list(range(9)) and torch.equal(centroids[labels], x)


def test_one_cluster_is_the_mean():
    labels, centroids = kmeans(drawn(9), 1, 0)
    assert not labels.any() and centroids[0].allclose(drawn(9).mean(0), atol=1e-12)


@pytest.mark.parametrize("k", [0, 10])
def test_impossible_cluster_numbers_say_so(k):
    with pytest.raises(ValueError, match=rf"kmeans: k must be 1\.\.9, the rows, got {k}\. Use fewer clusters"):
        kmeans(drawn(9), k, 0)


def test_an_unknown_engine_says_so():
    with pytest.raises(
        ValueError, match="kmeans: engine must be one of faiss, torch, got 'fais'. Did you mean 'faiss'"
    ):
        kmeans(drawn(9), 2, 0, engine="fais")


def test_confidence_against_a_loop():
    x, centroids, labels = drawn(11), 3 * drawn(4, seed=1), torch.arange(11) % 4
    values = confidence(x, labels, centroids, 0.3).tolist()
    for value, row, own in zip(values, unit(x).tolist(), labels.tolist(), strict=True):
        e = [math.exp(sum(a * b for a, b in zip(row, c, strict=True)) / 0.3) for c in unit(centroids).tolist()]
        assert value == pytest.approx(e[own] / sum(e), rel=1e-10)


def test_confidence_is_the_same_in_blocks():
    x, labels = drawn(40_000, 2), torch.arange(40_000) % 3
    some = torch.tensor([0, 16_383, 16_384, 39_999])
    centroids = drawn(3, 2, seed=1)
    assert torch.equal(confidence(x, labels, centroids, 0.3)[some], confidence(x[some], labels[some], centroids, 0.3))


def plain_density(x: list[list[float]], labels: list[int], centroids: list[list[float]], smoothing: float):
    """Lines of the released code of PCL: dmax is the largest density of the clusters of more than one row."""
    values = [0.0] * len(centroids)
    sizes = [labels.count(c) for c in range(len(centroids))]
    for c, size in enumerate(sizes):
        if size > 1:
            far = [math.sqrt(square(row, centroids[c])) for row, own in zip(x, labels, strict=True) if own == c]
            values[c] = sum(far) / size / math.log(size + smoothing)
    values = [max(values) if size <= 1 else value for size, value in zip(sizes, values, strict=True)]
    clipped = np.clip(values, np.percentile(values, 10), np.percentile(values, 90))
    return torch.from_numpy(clipped / clipped.mean())


@pytest.mark.parametrize("smoothing", [2.0, 10.0])
def test_density_against_loops(smoothing):
    x, centroids = drawn(40), drawn(8, seed=1)
    labels = torch.tensor([0] * 20 + [1] * 9 + [2] * 2 + [3] * 4 + [4] + [5] * 4)  # 6 and 7 are empty
    centroids[4] = x[35]  # alone, and where its row is
    expected = plain_density(x.tolist(), labels.tolist(), centroids.tolist(), smoothing)
    values = density(x, labels, centroids, smoothing)
    assert values.allclose(expected, atol=1e-12) and values.mean().item() == pytest.approx(1)


def test_a_single_row_far_from_its_centroid_does_not_set_the_largest_density():
    x, centroids, labels = drawn(12), drawn(3, seed=1), torch.tensor([0] * 6 + [1] * 5 + [2])
    x[11] += 100
    expected = plain_density(x.tolist(), labels.tolist(), centroids.tolist(), 10.0)
    assert density(x, labels, centroids).allclose(expected, atol=1e-12)


@pytest.mark.parametrize("rate", [0, 0.1, 0.29, 0.5, 0.999, 1])
def test_accepted_against_sorting(rate):
    labels, score = torch.arange(100) % 7, drawn(100, 1)[:, 0]
    best = sorted(range(100), key=lambda i: -float(score[i]))[: round(rate * 100 - 0.49)]
    expected = [int(labels[i]) if i in best else -1 - i for i in range(100)]
    assert accept_labels(labels, score, rate).tolist() == expected
    assert sum(x >= 0 for x in expected) == {0: 0, 0.1: 10, 0.29: 29, 0.5: 50, 0.999: 99, 1: 100}[rate]


def test_accepted_sets_are_nested_and_own_labels_are_shared_with_nobody():
    labels, score = torch.arange(50) % 3, (drawn(50, 1)[:, 0] * 2).round()  # many equal scores
    smaller: set[int] = set()
    for step in range(26):
        accepted = accept_labels(labels, score, step / 25).tolist()
        inside = {i for i, label in enumerate(accepted) if label >= 0}
        own = [label for label in accepted if label < 0]
        assert smaller <= inside and len(inside) == 2 * step and len(set(own)) == len(own)
        smaller = inside


def test_a_rate_above_one_says_so():
    with pytest.raises(ValueError, match=r"cluster\.accepted: rate must be in \[0, 1\], got 1\.5"):
        accept_labels(torch.zeros(3, dtype=torch.int64), torch.zeros(3), 1.5)


def test_acceptance_schedules():
    steps = [0.0, 0.05, 0.1, 0.5, 1.0]
    assert [acceptance(p, "linear", 0.5, 0.1) for p in steps] == [0, 0.025, 0.05, 0.25, 0.5]
    assert [acceptance(p, "step", 0.75, 0.1) for p in steps] == [0, 0, 0.75, 0.75, 0.75]
    assert [acceptance(p, "constant", 0.75, 0.1) for p in steps] == [0.75] * 5
    with pytest.raises(ValueError, match="IFND: acceptance must be one of linear, step, constant, got 'liner'"):
        acceptance(0.5, "liner", 1, 0.1)


def by_parity_and_by_half() -> tuple[torch.Tensor, torch.Tensor]:
    """Two embeddings of 12 images in two far groups each: even and odd, first and second half."""
    noise, place = 0.01 * drawn(12, 2), torch.arange(12)
    corners = torch.eye(2, dtype=torch.float64)
    return unit(corners[place % 2] + noise), unit(corners[place // 6] + noise)


def test_new_pseudo_labels_are_shared_with_nobody():
    pseudo = PseudoLabels(
        12,
        (
            1,
            1,
        ),
    )
    assert pseudo.label.tolist() == [[-1 - i for i in range(12)]] * 2


def test_renewal_when_due():
    pseudo = PseudoLabels(12, (1,))
    assert [pseudo.due(p, 0.1) for p in (0.0, 0.05, 0.1, 0.3)] == [False, False, True, True]
    pseudo.renew(by_parity_and_by_half()[0], (2,), 1.0, 0.2, progress=0.3)
    assert [pseudo.due(p, 0.1) for p in (0.3, 0.39, 0.1 + 0.2 + 0.1, 0.5)] == [False, False, True, True]
    assert pseudo.renewals == 1


def test_labels_of_stored_images_are_those_of_the_last_clustering():
    parity, half = by_parity_and_by_half()
    pseudo, queue = PseudoLabels(12, (1,)), Queue(7, 2)
    queue.push(torch.ones(7, 2), torch.tensor([3, 0, 11, 4, 7, 8, 1]))  # indices stay; labels are looked up
    for x, group in ((parity, queue.index % 2), (half, queue.index // 6), (parity, queue.index % 2)):
        pseudo.renew(x, (2,), 1.0, 0.2)
        label = pseudo.label[0][queue.index]
        assert torch.equal(label[:, None] == label, group[:, None] == group)


def test_every_granularity_has_its_clusters_and_its_share():
    pseudo = PseudoLabels(
        40,
        (
            1,
            1,
            1,
        ),
    )
    pseudo.renew(unit(drawn(40)), (2, 5, 40), 0.5, 0.2)
    for label, k in zip(pseudo.label, (2, 5, 40), strict=True):
        assert int((label >= 0).sum()) == 20 and int(label.max()) < k
        assert torch.equal(label[label < 0], (-1 - torch.arange(40))[label < 0])
    pseudo.renew(unit(drawn(40)), (2, 5, 40), 1.0, 0.2)
    assert [len(label.unique()) for label in pseudo.label] == [2, 5, 40]


def test_rows_between_the_clusters_are_accepted_last():
    parity, _ = by_parity_and_by_half()
    parity[[2, 9]] = unit(torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64))
    pseudo = PseudoLabels(12, (1,))
    pseudo.renew(parity, (2,), 10 / 12, 0.2)
    assert (pseudo.label[0] < 0).nonzero()[:, 0].tolist() == [2, 9]


def test_by_density_whole_clusters_are_accepted_the_dense_ones_first():
    size = torch.tensor([0.001, 0.05, 0.2], dtype=torch.float64).repeat_interleave(10)[:, None]
    x = unit(torch.eye(3, dtype=torch.float64).repeat_interleave(10, 0) + size * drawn(30))
    for rate, inside in ((1 / 3, 10), (2 / 3, 20)):
        pseudo = PseudoLabels(30, (1,))
        pseudo.seed.fill_(next(s for s in range(99) if len(set(kmeans(x, 3, s, 0)[0][::10].tolist())) == 3))
        pseudo.renew(x, (3,), rate, 0.2, "density")
        assert (pseudo.label[0] >= 0).tolist() == [True] * inside + [False] * (30 - inside)


def test_the_state_of_pseudo_labels_is_saved():
    x = unit(drawn(30))
    pseudo, other = (
        PseudoLabels(
            30,
            (
                1,
                1,
            ),
        ),
        PseudoLabels(
            30,
            (
                1,
                1,
            ),
        ),
    )
    pseudo.renew(x, (3, 6), 0.7, 0.2, progress=0.25)
    other.load_state_dict(pseudo.state_dict())
    assert torch.equal(other.label, pseudo.label) and not other.due(0.3, 0.1) and other.due(0.35, 0.1)
    for memory in (pseudo, other):
        memory.renew(x, (3, 6), 0.7, 0.2, progress=0.5)
    assert torch.equal(other.label, pseudo.label)


def test_every_clustering_starts_elsewhere():
    x, pseudo, groups = (
        unit(drawn(60)),
        PseudoLabels(
            60,
            (
                1,
                1,
            ),
        ),
        [],
    )
    for _ in range(2):
        pseudo.renew(x, (9, 9), 1.0, 0.2)
        groups += [label.clone() for label in pseudo.label]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(groups, 2))


def plain_rates(label: list[int], group: list[int]) -> dict[str, float]:
    """METHODS 13.8, image by image."""
    mtpr, mtnr, hits, shared, strangers, n = [], [], 0, 0, 0, len(label)
    for i in range(n):
        same = [j for j in range(n) if j != i and label[j] == label[i]]
        other = [j for j in range(n) if label[j] != label[i]]
        if same:
            mtpr.append(sum(group[j] == group[i] for j in same) / len(same))
        if other:
            mtnr.append(sum(group[j] != group[i] for j in other) / len(other))
        hits += sum(group[j] == group[i] for j in same)
        shared += sum(group[j] == group[i] for j in range(n) if j != i)
        strangers += sum(group[j] == group[i] for j in other)
    mean = {"mtpr": sum(mtpr) / len(mtpr), "mtnr": sum(mtnr) / len(mtnr), "precision": hits / shared}
    return mean | {"accepted": sum(g >= 0 for g in group) / n, "strangers": strangers / n}


@pytest.mark.parametrize("own", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_group_rates_against_all_pairs(own, seed):
    draw = random.Random(seed)
    label = [draw.choice([0, 0, 0, 2, 3, 3]) for _ in range(40)] + [9]  # 9: a class of one image
    group = [-1 - i if draw.random() < own else draw.choice([0, 1, 1, 5]) for i in range(41)]
    assert group_rates(torch.tensor(label), torch.tensor(group)) == pytest.approx(plain_rates(label, group))


def test_trivial_group_rates():
    label = torch.tensor([0, 0, 1, 1, 1, 2, 2])
    nobody, oracle, everyone = -1 - torch.arange(7), label + 4, torch.zeros_like(label)
    rates = [group_rates(label, group) for group in (nobody, oracle, everyone)]
    assert [(r["mtpr"], r["mtnr"]) for r in rates] == [(0, 1), (1, 1), (1, 0)]
    assert math.isnan(rates[0]["precision"]) and rates[1]["precision"] == 1
    assert rates[2]["precision"] == pytest.approx(10 / 42)  # ordered pairs of a class among all
    assert [r["accepted"] for r in rates] == [0, 1, 1]


def test_rates_over_no_image_are_nan():
    assert math.isnan(group_rates(torch.arange(4), torch.zeros(4, dtype=torch.int64))["mtpr"])
    assert math.isnan(group_rates(torch.zeros(4, dtype=torch.int64), torch.arange(4))["mtnr"])


def test_relation_match_against_a_loop():
    label, members = [0, 1, 0, 2, 1], [[2, 1, -1], [-1, -1, -1], [0, -1, -1], [4, 1, 0], [1, 3, -1]]
    pairs = [label[i] == label[j] for i, row in enumerate(members) for j in row if j >= 0]
    match = relation_match(torch.tensor(label), torch.tensor(members))
    assert match == {"match": sum(pairs) / len(pairs), "degree": len(pairs) / 5} and 0 < match["match"] < 1
    nobody = relation_match(torch.tensor(label), torch.full((5, 2), -1))
    assert math.isnan(nobody["match"]) and nobody["degree"] == 0
