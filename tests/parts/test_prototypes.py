"""Soft assignments against an exp-domain Sinkhorn in float64, and the prototypes they score."""

import math

import pytest
import torch

from sslrepro.parts.memory import unit
from sslrepro.parts.prototypes import Prototypes, codes, group_means, sinkhorn


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(1)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain_sinkhorn(scores: list[list[float]], epsilon: float, iterations: int) -> list[list[float]]:
    """METHODS 3.6: exponentials; each prototype is brought to 1/K, then each row to 1/B; rows x B at the end."""
    b, k = len(scores), len(scores[0])
    q = [[math.exp(s / epsilon) for s in row] for row in scores]
    total = sum(map(sum, q))
    q = [[x / total for x in row] for row in q]
    for _ in range(iterations):
        column = [sum(row[j] for row in q) for j in range(k)]
        q = [[x / column[j] / k for j, x in enumerate(row)] for row in q]
        q = [[x / sum(row) / b for x in row] for row in q]
    return [[x * b for x in row] for row in q]


@pytest.mark.parametrize("iterations", [1, 3, 7])
@pytest.mark.parametrize(("b", "k"), [(6, 4), (3, 8), (1, 3), (5, 1)])
def test_sinkhorn_against_the_exp_domain(b, k, iterations):
    scores = unit(drawn(b, 5)) @ unit(drawn(k, 5, seed=1)).T
    expected = torch.tensor(plain_sinkhorn(scores.tolist(), 0.05, iterations), dtype=torch.float64)
    assert sinkhorn(scores, 0.05, iterations).allclose(expected, rtol=1e-9, atol=1e-12)
    assert sinkhorn(scores.float(), 0.05, iterations).allclose(expected.float(), rtol=1e-4, atol=1e-6)


def test_rows_sum_to_one_and_columns_are_equal_in_the_end():
    scores = unit(drawn(20, 5)) @ unit(drawn(4, 5, seed=1)).T
    early, late = sinkhorn(scores, 0.05, 1), sinkhorn(scores, 0.05, 500)
    for assignment in (early, late):
        assert (assignment > 0).all() and assignment.sum(1).allclose(torch.ones(20, dtype=torch.float64), atol=1e-12)
    assert late.sum(0).allclose(torch.full((4,), 5.0, dtype=torch.float64), atol=1e-6)
    assert (early.sum(0) - 5).abs().max() > 0.01  # one iteration is not enough: the test above can fail


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_large_scores_do_not_overflow(kind):
    scores = (100 * drawn(16, 6)).to(kind)  # exp(100 / 0.05) is beyond every float type
    assignment = sinkhorn(scores, 0.05, 3)
    assert assignment.dtype == torch.float32 and assignment.isfinite().all()
    assert assignment.sum(1).allclose(torch.ones(16), atol=1e-5)
    assert assignment.allclose(sinkhorn(scores.double(), 0.05, 3).float(), atol=2e-3)


def test_codes_of_a_batch_are_assigned_together_with_the_queue():
    batch, queued = drawn(4, 3), drawn(9, 3, seed=1) + torch.tensor([2.0, 0.0, 0.0])
    alone = torch.tensor(plain_sinkhorn(batch.tolist(), 0.5, 3), dtype=torch.float64)
    together = torch.tensor(plain_sinkhorn([*batch.tolist(), *queued.tolist()], 0.5, 3), dtype=torch.float64)
    assert codes(batch, None, 0.5, 3).allclose(alone, atol=1e-12)
    assert codes(batch, queued, 0.5, 3).allclose(together[:4], atol=1e-12)
    assert (together[:4] - alone).abs().max() > 0.1


def test_codes_carry_no_gradient():
    batch = drawn(4, 3).requires_grad_(True)
    assert not codes(batch, None, 0.5, 3).requires_grad


def test_group_means_against_loops():
    x, label = unit(drawn(9, 4)), [5, -3, 5, 0, -7, 0, 5, 2, -3]
    expected = []
    for own in label:
        mine = [row for row, other in zip(x.tolist(), label, strict=True) if other == own]
        mean = [sum(column) / len(mine) for column in zip(*mine, strict=True)]
        expected.append([v / math.hypot(*mean) for v in mean])
    means = group_means(x, torch.tensor(label))
    assert means.allclose(torch.tensor(expected, dtype=torch.float64), atol=1e-12)
    assert means[[4, 7]].allclose(x[[4, 7]], atol=1e-12)  # alone in its group: itself


def test_scores_are_cosines():
    net, z = Prototypes(5, 3).double(), unit(drawn(4, 5))
    assert net.weight.norm(dim=1).allclose(torch.ones(3, dtype=torch.float64), atol=1e-6)
    expected = [[sum(a * b for a, b in zip(x, w, strict=True)) for w in net.weight.tolist()] for x in z.tolist()]
    assert net(z).allclose(torch.tensor(expected, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("weight_norm", [False, True])
def test_frozen_prototypes_have_a_gradient_of_zero(weight_norm):
    net, z = Prototypes(5, 3, weight_norm), unit(drawn(4, 5)).float().requires_grad_(True)
    scores = net(z, frozen=True)
    assert torch.equal(scores, net(z))
    scores.square().sum().backward()
    assert net.weight.grad is not None and (net.weight.grad == 0).all()
    assert z.grad.abs().max() > 0.1  # the embedding still learns
    net(z).square().sum().backward()
    assert net.weight.grad.abs().max() > 0.1


def test_weight_norm_ignores_the_length_of_rows():
    z = unit(drawn(4, 5)).float()
    for weight_norm in (False, True):
        net = Prototypes(5, 3, weight_norm)
        before = net(z)
        with torch.no_grad():
            net.weight.mul_(torch.tensor([[2.0], [0.5], [7.0]]))
        factor = torch.ones(3) if weight_norm else torch.tensor([2.0, 0.5, 7.0])
        assert net(z).allclose(before * factor, atol=1e-6)


def test_normalise_keeps_directions():
    net = Prototypes(5, 3)
    before = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.mul_(torch.tensor([[2.0], [0.5], [7.0]]))
    net.normalise()
    assert net.weight.allclose(before, atol=1e-6) and net.weight.requires_grad
