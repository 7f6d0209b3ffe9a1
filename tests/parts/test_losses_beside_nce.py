"""Losses beside `nce`, its weights and limits, and the gradients of incremental false negative detection."""

import math

import pytest
import torch

from sslrepro.parts.losses import cosine, nce, soft_cross_entropy, spread_penalties, weighted_mean
from sslrepro.parts.masks import same_image
from sslrepro.parts.memory import unit

HALF = [torch.float16, torch.bfloat16]


def drawn(*shape: int, seed: int = 0, kind: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(kind)


def test_averaged():
    rows = torch.tensor([1.0, 2.0, 6.0])
    assert weighted_mean(rows).item() == 3
    assert weighted_mean(rows, torch.tensor([1.0, 0.0, 0.5])).item() == pytest.approx(
        4 / 3
    )  # over rows, not over weights


def test_cosine_against_a_loop():
    a, b = drawn(6, 5), 4 * drawn(6, 5, seed=1)
    for value, x, y in zip(cosine(a, b).tolist(), a.tolist(), b.tolist(), strict=True):
        product = sum(p * q for p, q in zip(x, y, strict=True))
        assert value == pytest.approx(product / math.hypot(*x) / math.hypot(*y), rel=1e-12)


@pytest.mark.parametrize("kind", HALF)
def test_cosine_of_long_half_precision_rows_does_not_overflow(kind):
    a = torch.full((2, 64), 300.0, dtype=kind)  # 64 x 300^2 is beyond fp16
    assert cosine(a, a).tolist() == pytest.approx([1, 1], abs=1e-6) and cosine(a, a).dtype == torch.float32


def test_soft_cross_entropy_against_a_loop():
    target, logits = drawn(4, 6, seed=2).softmax(1), 5 * drawn(4, 6)
    for value, t, s in zip(soft_cross_entropy(target, logits).tolist(), target.tolist(), logits.tolist(), strict=True):
        total = math.log(sum(map(math.exp, s)))
        assert value == pytest.approx(-sum(p * (x - total) for p, x in zip(t, s, strict=True)), rel=1e-12)


def test_soft_cross_entropy_of_one_hot_targets_is_cross_entropy():
    logits, label = drawn(5, 4), torch.tensor([3, 0, 1, 1, 2])
    target = torch.nn.functional.one_hot(label, 4).double()
    expected = torch.nn.functional.cross_entropy(logits, label, reduction="none")
    assert soft_cross_entropy(target, logits).allclose(expected, atol=1e-12)


@pytest.mark.parametrize("kind", HALF)
def test_soft_cross_entropy_of_large_half_precision_logits_is_finite(kind):
    value = soft_cross_entropy(torch.tensor([[0.5, 0.5]]), torch.tensor([[1000.0, -1000.0]], dtype=kind))
    assert value.item() == pytest.approx(1000)


def test_spread_penalties_against_loops():
    z = (drawn(7, 4) * torch.tensor([0.1, 0.5, 1.0, 3.0])).tolist()
    n, d = 7, 4
    mean = [sum(row[j] for row in z) / n for j in range(d)]

    def covariance(j: int, k: int) -> float:
        return sum((row[j] - mean[j]) * (row[k] - mean[k]) for row in z) / (n - 1)

    variance = sum(max(0.0, 1 - math.sqrt(covariance(j, j) + 1e-4)) for j in range(d)) / d
    off_diagonal = sum(covariance(j, k) ** 2 for j in range(d) for k in range(d) if j != k) / d
    penalties = spread_penalties(torch.tensor(z, dtype=torch.float64))
    assert [x.item() for x in penalties] == pytest.approx([variance, off_diagonal], rel=1e-10)


def test_spread_penalties_of_collapsed_and_of_uncorrelated_embeddings():
    flat = spread_penalties(torch.ones(8, 3))
    assert [x.item() for x in flat] == pytest.approx([0.99, 0])  # 1 - sqrt(1e-4)
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert [x.item() for x in spread_penalties(2 * signs)] == pytest.approx([0, 0])


def test_spread_penalties_have_a_finite_gradient_at_collapse():
    z = torch.ones(8, 3, requires_grad=True)
    sum(spread_penalties(z)).backward()
    assert z.grad.isfinite().all()


def test_spread_penalties_are_computed_in_full_under_autocast():
    z = (0.3 * drawn(64, 16)).float()
    exact = [x.item() for x in spread_penalties(z)]
    with torch.autocast("cpu", torch.bfloat16):
        assert [x.item() for x in spread_penalties(z)] == pytest.approx(exact, rel=1e-5)


def example(kind: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    anchor, keys = unit(drawn(5, 4)).to(kind), unit(drawn(7, 4, seed=1)).to(kind)
    positive = drawn(5, 7, seed=2) > 0.5
    positive[:, 0] = True
    return anchor, keys, positive, positive | (drawn(5, 7, seed=3) > 0)


@pytest.mark.parametrize("mode", ["out", "in"])
def test_weights_of_anchors(mode):
    anchor, keys, positive, candidate = example()
    weight = torch.tensor([0.0, 1.0, 2.5, 0.5, 0.0], dtype=torch.float64)
    one_by_one = [
        weight[i] * nce(anchor[i : i + 1], keys, positive[i : i + 1], candidate[i : i + 1], 0.3, mode) for i in range(5)
    ]
    value = nce(anchor, keys, positive, candidate, 0.3, mode, weight)
    assert value.item() == pytest.approx(sum(one_by_one).item() / 5, rel=1e-12)


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.0, 2.0, 1.0, 3.0])])
def test_positives_that_are_all_candidates_give_nothing_in_mode_in(weight):
    anchor, keys, positive, _ = example(torch.float32)
    anchor, keys = anchor.requires_grad_(True), keys.requires_grad_(True)
    loss = nce(anchor, keys, positive, positive, 0.05, "in", weight)
    loss.backward()
    assert loss.item() == 0 and anchor.grad.abs().max() < 1e-6 and keys.grad.abs().max() < 1e-6


@pytest.mark.parametrize("mode", ["out", "in"])
@pytest.mark.parametrize("kind", [*HALF, torch.float32])
def test_the_positive_as_only_candidate_is_finite(mode, kind):
    anchor, keys, *_ = example(kind)
    anchor = anchor.requires_grad_(True)
    positive = torch.zeros(5, 7, dtype=torch.bool)
    positive[range(5), range(5)] = True
    loss = nce(anchor, keys, positive, positive, 0.01, mode)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(0, abs=1e-5)
    assert anchor.grad.isfinite().all() and anchor.grad.abs().max() < 1e-4


@pytest.mark.parametrize("mode", ["out", "in"])
@pytest.mark.parametrize("kind", HALF)
def test_half_precision_inputs_give_the_full_precision_loss(mode, kind):
    anchor, keys, positive, candidate = example(kind)
    exact = nce(anchor.double(), keys.double(), positive, candidate, 0.01, mode)
    with torch.autocast("cpu", torch.bfloat16):
        loss = nce(anchor.requires_grad_(True), keys, positive, candidate, 0.01, mode)
    loss.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5) and anchor.grad.isfinite().all()


def test_positives_outside_the_candidates_may_make_the_loss_negative():
    anchor = torch.tensor([[1.0, 0.0]])
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = nce(anchor, keys, torch.tensor([[True, False]]), torch.tensor([[False, True]]), 0.5, "in")
    assert loss.item() == pytest.approx(-2)


def ifnd_masks(label: list[int], mode: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Positives and candidates of 2n views, row i and i + n one image, by the sets of METHODS 9."""
    n = len(label)
    positive, candidate = (torch.zeros(2 * n, 2 * n, dtype=torch.bool) for _ in range(2))
    for i in range(2 * n):
        for s in range(2 * n):
            twin, alike = s % n == i % n, label[s % n] == label[i % n]
            positive[i, s] = s != i and (twin or (mode == "attract" and alike))
            candidate[i, s] = s != i and (twin or mode == "attract" or not alike)
    return positive, candidate


@pytest.mark.parametrize("mode", ["eliminate", "attract"])
def test_gradients_of_false_negative_detection(mode):
    """d/dz_i = sum over negatives of sigma z / tau - sum over positives of (1 / |P| - sigma) z / tau (METHODS 9)."""
    tau, label = 0.4, [0, 1, 0, 0, -5, 1]
    z = unit(drawn(12, 5))
    positive, candidate = ifnd_masks(label, mode)
    anchor = z.clone().requires_grad_(True)
    nce(anchor, z, positive, candidate, tau).backward()
    rows, negative_weights = z.tolist(), []
    for i, row in enumerate(rows):
        s = [sum(a * b for a, b in zip(row, other, strict=True)) / tau for other in rows]
        total = sum(math.exp(s[k]) for k in range(12) if candidate[i, k])
        expected, count = [0.0] * 5, int(positive[i].sum())
        for k in range(12):
            if candidate[i, k]:
                sigma = math.exp(s[k]) / total
                weight = sigma - 1 / count if positive[i, k] else sigma
                negative_weights += [weight] if positive[i, k] and weight > 0 else []
                expected = [e + weight * x / tau for e, x in zip(expected, rows[k], strict=True)]
        assert (anchor.grad[i] * 12).tolist() == pytest.approx(expected, abs=1e-12)
    assert bool(negative_weights) == (mode == "attract")  # positives may even repel there


def test_limits_of_false_negative_detection():
    z, n = unit(drawn(8, 5)), 4
    index = torch.arange(n).repeat(2)
    simclr = nce(z, z, *same_image(index, index, torch.arange(8)), 0.5).item()
    for mode in ("eliminate", "attract"):
        assert nce(z, z, *ifnd_masks([-1, -2, -3, -4], mode), 0.5).item() == pytest.approx(simclr, rel=1e-12)
    z = z.requires_grad_(True)
    nothing = nce(z, z, *ifnd_masks([3, 3, 3, 3], "eliminate"), 0.5)
    nothing.backward()
    assert nothing.item() == pytest.approx(0, abs=1e-12) and z.grad.abs().max() < 1e-12
