"""The one contrastive loss: its modes, its limits, its gradient."""

import math

import pytest
import torch

from sslrepro.parts.losses import nce
from sslrepro.parts.masks import same_image
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import spread


def example(a=5, k=7, seed=0):
    g = torch.Generator().manual_seed(seed)
    anchor, keys = (unit(torch.randn(n, 4, generator=g, dtype=torch.float64)) for n in (a, k))
    positive = torch.rand(a, k, generator=g) < 0.3
    positive[:, 0] = True
    candidate = positive | (torch.rand(a, k, generator=g) < 0.6)
    return anchor, keys, positive, candidate


@pytest.mark.parametrize("mode", ["out", "in"])
def test_against_a_plain_loop(mode):
    anchor, keys, positive, candidate = example()
    total = 0.0
    for i in range(len(anchor)):
        s = [float(anchor[i] @ key) / 0.2 for key in keys]
        below = math.log(sum(math.exp(s[j]) for j in range(len(keys)) if candidate[i, j]))
        mine = [s[j] for j in range(len(keys)) if positive[i, j]]
        total += below - (sum(mine) / len(mine) if mode == "out" else math.log(sum(map(math.exp, mine))))
    assert nce(anchor, keys, positive, candidate, 0.2, mode).item() == pytest.approx(total / len(anchor), rel=1e-12)


def test_both_modes_agree_with_one_positive():
    anchor, keys, _, _ = example()
    positive = torch.zeros(5, 7, dtype=torch.bool)
    positive[range(5), range(5)] = True
    everyone = torch.ones_like(positive)
    values = [nce(anchor, keys, positive, everyone, 0.2, mode).item() for mode in ("out", "in")]
    reference = torch.nn.functional.cross_entropy(anchor @ keys.T / 0.2, torch.arange(5)).item()
    assert values == pytest.approx([reference, reference], rel=1e-12)


def test_only_the_positive_as_candidate_is_zero_with_zero_gradient():
    anchor, keys, _, _ = example()
    anchor = anchor.requires_grad_(True)
    positive = torch.zeros(5, 7, dtype=torch.bool)
    positive[range(5), range(5)] = True
    loss = nce(anchor, keys, positive, positive, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(0) and anchor.grad.abs().max() < 1e-12


def test_the_gradient_is_softmax_minus_positive_share():
    """d/ds of an anchor's term = softmax over candidates - 1 / |P| on positives (METHODS 9)."""
    anchor, keys, positive, candidate = example()
    anchor = anchor.requires_grad_(True)
    nce(anchor, keys, positive, candidate, 0.5).backward()
    s = (anchor.detach() @ keys.T / 0.5).masked_fill(~candidate, float("-inf"))
    weight = s.softmax(1) - positive / positive.sum(1, keepdim=True)
    assert anchor.grad.allclose(weight @ keys / 0.5 / len(anchor), atol=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_stay_finite(kind):
    anchor, keys, positive, candidate = example()
    loss = nce(anchor.to(kind), keys.to(kind), positive, candidate, 0.01)
    assert loss.dtype == torch.float32 and loss.isfinite()


def test_wrong_settings_say_so():
    anchor, keys, positive, candidate = example()
    with pytest.raises(ValueError, match=r"nce: temperature must be > 0, got 0\."):
        nce(anchor, keys, positive, candidate, 0)
    with pytest.raises(ValueError, match="nce: mode must be one of out, in, got 'inn'. Did you mean 'in'"):
        nce(anchor, keys, positive, candidate, 0.1, "inn")


def test_same_image_masks():
    index = torch.tensor([3, 8, 3, 8, 5])
    positive, candidate = same_image(index, index, torch.arange(5))
    assert positive.int().tolist() == [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0] * 5]
    assert torch.equal(~candidate, torch.eye(5, dtype=torch.bool))


def test_spread_is_one_on_the_sphere_and_zero_when_collapsed():
    z = unit(torch.randn(4000, 64, generator=torch.Generator().manual_seed(0)))
    assert spread(z).item() == pytest.approx(1, abs=0.02)
    assert spread(z[:1].repeat(100, 1)).item() < 1e-3


def test_shapes_are_checked_in_tests(request):
    """`make test` switches the checks on; a plain pytest run leaves them off."""
    if not request.config.getoption("jaxtyping_packages", default=None):
        pytest.skip("shape checks are off: run `make test`")
    import jaxtyping

    anchor, keys, positive, candidate = example()
    with pytest.raises(jaxtyping.TypeCheckError):
        nce(anchor, keys, positive[:-1], candidate, 0.1)
