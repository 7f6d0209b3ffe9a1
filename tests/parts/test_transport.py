"""Labels of equal use: against plain loops in logs, and against the best assignment there is."""

import itertools
import math

import pytest
import torch

from sslrepro.parts.transport import equal_labels
from tests.equations.plain import log_sum_exp


def log_probabilities(n: int, k: int, seed: int, scale: float = 2.0) -> torch.Tensor:
    return (scale * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))).log_softmax(1)


def by_loops(log_p: list, strength: float, passes: int) -> tuple[list, list]:
    """Sinkhorn and Knopp on lists, all in logs: (log transport, label of each row)."""
    n, k = len(log_p), len(log_p[0])
    a, b = [0.0] * n, [0.0] * k
    for _ in range(passes):
        for j in range(k):
            b[j] = -math.log(k) - log_sum_exp([strength * log_p[i][j] + a[i] for i in range(n)])
        for i in range(n):
            a[i] = -math.log(n) - log_sum_exp([strength * log_p[i][j] + b[j] for j in range(k)])
    log_q = [[strength * log_p[i][j] + a[i] + b[j] for j in range(k)] for i in range(n)]
    return log_q, [row.index(max(row)) for row in log_q]


@pytest.mark.parametrize(("strength", "scale"), [(1.0, 2.0), (25.0, 0.5), (25.0, 2.0)])
def test_labels_are_those_of_plain_loops(strength, scale):
    log_p = log_probabilities(24, 4, seed=1, scale=scale)
    _, labels = by_loops(log_p.tolist(), strength, 100)
    assert equal_labels(log_p, strength, tolerance=0.01).tolist() == labels


@pytest.mark.parametrize("seed", range(4))
def test_a_strong_transport_is_the_best_equal_assignment(seed):
    log_p = log_probabilities(6, 3, seed)
    best = max(
        set(itertools.permutations([0, 0, 1, 1, 2, 2])),
        key=lambda labels: sum(log_p[i, label].item() for i, label in enumerate(labels)),
    )
    assert equal_labels(log_p, 40.0, tolerance=0.01).tolist() == list(best)


def test_clusters_are_equally_large_although_all_rows_favour_one():
    log_p = torch.zeros(60, 3)
    log_p[:, 0] = torch.linspace(1.0, 3.0, 60)
    labels = equal_labels(log_p.log_softmax(1), 25.0, tolerance=1e-3)
    sizes = torch.bincount(labels, minlength=3)
    assert sizes[0] in (20, 21) and set(labels[40:].tolist()) == {0}, "the rows that favour it most"
    plain = log_p.argmax(1)
    assert torch.bincount(plain, minlength=3).tolist() == [60, 0, 0]


def test_probabilities_that_underflow_lose_no_cluster():
    log_p = log_probabilities(40, 4, seed=2, scale=50.0)
    assert (25.0 * log_p).exp().count_nonzero() < 80, "little is left of P^strength"
    labels = equal_labels(log_p, 25.0, tolerance=5.0)
    sizes = torch.bincount(labels, minlength=4)
    assert sizes.min() >= 8 and sizes.max() <= 12
    assert torch.equal(labels, equal_labels(log_p + 5.0, 25.0, tolerance=5.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strength": 0.0}, "strength must be > 0, got 0.0"),
        ({"strength": 1.0, "tolerance": 0.0}, "tolerance must be > 0"),
    ],
)
def test_wrong_values_are_one_clear_error(values, message):
    with pytest.raises(ValueError, match=f"equal_labels: {message}"):
        equal_labels(torch.zeros(2, 2), **values)
