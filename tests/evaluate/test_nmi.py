"""NMI against the plain contingency table, its limits, and the clustering it is taken of."""

import itertools
import math
import statistics
from collections import Counter

import pytest
import torch

from sslrepro import evaluate
from sslrepro.base.types import Features
from sslrepro.evaluate import nmi
from sslrepro.evaluate.nmi import normalised_mutual_information
from sslrepro.parts.cluster import kmeans
from sslrepro.parts.memory import unit


def drawn(n: int, values: int, seed: int) -> torch.Tensor:
    return torch.randint(values, (n,), generator=torch.Generator().manual_seed(seed))


def blobs(n: int, classes: int, apart: float, seed: int = 0) -> Features:
    """Gaussian classes around fixed centres; the first class has as many images as all others together."""
    centres = torch.randn(classes, 8, generator=torch.Generator().manual_seed(99)) * apart
    y = (torch.arange(n) % (2 * classes - 2) - classes + 2).clamp_min(0)
    return Features(centres[y] + torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)), y)


def plain(label: list[int], group: list[int]) -> float:
    """From the table of counts: sum p log(p / (p_row p_column)), over the root of the product of both entropies."""
    n = len(label)
    rows, columns, both = Counter(label), Counter(group), Counter(zip(label, group, strict=True))

    def entropy(counts):
        return -sum(c / n * math.log(c / n) for c in counts.values())

    shared = sum(c / n * math.log(c * n / (rows[r] * columns[g])) for (r, g), c in both.items())
    return shared / math.sqrt(entropy(rows) * entropy(columns))


@pytest.mark.parametrize(("classes", "groups"), [(2, 2), (3, 7), (9, 4)])
@pytest.mark.parametrize("n", [30, 400])
def test_against_the_contingency_table(classes, groups, n):
    label = drawn(n, classes, 0)
    for group in (drawn(n, groups, 1), (label + (drawn(n, 5, 2) == 0) * drawn(n, classes, 3)) % groups):
        expected = plain(label.tolist(), group.tolist())
        assert normalised_mutual_information(label, group) == pytest.approx(expected, abs=1e-9)


def test_the_entropies_are_joined_by_their_geometric_mean():
    label, group = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 3])  # entropies 1 and 2 bits, 1 bit shared
    assert normalised_mutual_information(label, group) == pytest.approx(1 / math.sqrt(2))  # arithmetic: 2 / 3


def test_limits():
    label, constant = drawn(60, 4, 0), torch.zeros(60, dtype=torch.int64)
    assert normalised_mutual_information(label, label) == pytest.approx(1)
    assert normalised_mutual_information(label, constant) == 0 == normalised_mutual_information(constant, label)
    assert normalised_mutual_information(constant, constant) == 0
    grid = torch.tensor(list(itertools.product(range(3), range(5)))).T
    assert normalised_mutual_information(*grid) == pytest.approx(0, abs=1e-12), "independent"


def test_names_of_classes_and_clusters_do_not_matter():
    label, group = drawn(80, 5, 0), drawn(80, 6, 1)
    value = normalised_mutual_information(label, group)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(4))
    assert normalised_mutual_information(4 - label, (group * 5 + 2) % 6 + 100) == pytest.approx(value)
    assert normalised_mutual_information(group, label) == pytest.approx(value)
    assert normalised_mutual_information(label[order], group[order]) == pytest.approx(value)


def test_classes_far_apart_are_found_and_labels_dealt_anew_are_not():
    far = blobs(240, 3, apart=30)
    assert max(nmi.scores(far, far, nmi.Protocol(runs=1), seed)["nmi"] for seed in range(4)) == pytest.approx(1)
    dealt = Features(far.x, far.y[torch.randperm(240, generator=torch.Generator().manual_seed(0))])
    assert evaluate.run("nmi", dealt, far)["nmi"] < 0.1


def test_images_that_all_look_alike_tell_nothing():
    y = drawn(50, 4, 0)
    assert evaluate.run("nmi", Features(torch.ones(50, 6), y), Features(torch.ones(5, 6), y[:5])) == {
        "nmi": 0.0,
        "nmi_std": 0.0,
    }


def test_as_many_clusters_as_classes_on_unit_features_of_the_training_images(monkeypatch):
    asked = []

    def watched(x, k, *arguments):
        asked.append((x, k, *arguments))
        return kmeans(x, k, *arguments)

    monkeypatch.setattr(nmi, "kmeans", watched)
    train, test = blobs(90, 5, 0.5), blobs(40, 7, 0.5, seed=1)
    scores = evaluate.run("nmi", train, test, {"runs": 4, "iterations": 7}, seed=3)
    assert len({seed for _, _, seed, _ in asked}) == len(asked) == 4, "other rows to start from in every run"
    assert all(torch.equal(x, unit(train.x)) and (k, n) == (5, 7) for x, k, _, n in asked)
    values = [plain(train.y.tolist(), kmeans(*call)[0].tolist()) for call in asked]
    assert scores["nmi"] == pytest.approx(sum(values) / 4) and scores["nmi_std"] == pytest.approx(
        statistics.stdev(values)
    )
    assert scores["nmi_std"] > 0


def test_lengths_of_features_do_not_matter_and_one_run_has_no_spread():
    train = blobs(90, 4, 1.0)
    longer = Features(train.x * torch.rand(90, 1, generator=torch.Generator().manual_seed(0)).add(0.5), train.y)
    scores = evaluate.run("nmi", train, train, {"runs": 1})
    assert evaluate.run("nmi", longer, train, {"runs": 1})["nmi"] == pytest.approx(scores["nmi"], abs=1e-6)
    assert scores["nmi_std"] == 0


def test_what_cannot_be_measured_is_one_clear_error():
    train = blobs(40, 4, 1.0)
    with pytest.raises(ValueError, match="evaluate.nmi: runs must be >= 1, got 0"):
        evaluate.run("nmi", train, train, {"runs": 0})
    with pytest.raises(ValueError, match="evaluate.nmi: iterations must be >= 1, got 0"):
        evaluate.run("nmi", train, train, {"iterations": 0})
    with pytest.raises(ValueError, match="evaluate.nmi: classes must be at least 2"):
        evaluate.run("nmi", Features(train.x, torch.zeros_like(train.y)), train)
