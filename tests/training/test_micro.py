"""A batch in parts: the same gradient where rows do not see each other, and what is carried as of the whole batch."""

import pytest
import torch
from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.training.micro import add_gradients, join_steps, micro_batches


def a_batch(n: int = 12) -> Batch:
    x = torch.randn(2, n, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return Batch((x[0], x[1]), torch.arange(n), 5, partner=torch.arange(n) + 100, weight=torch.linspace(0, 1, n))


def test_parts_are_the_batch_in_order():
    batch = a_batch()
    parts = list(micro_batches(batch, 3))
    for name in ("index", "partner", "weight"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    for view in (0, 1):
        assert torch.equal(torch.cat([part.views[view] for part in parts]), batch.views[view])
    assert len({part.seed for part in parts}) == 3 and next(iter(micro_batches(batch, 1))) is batch


@pytest.mark.parametrize("n", [5, 12, 7])
def test_rows_that_cannot_be_shared_out_are_refused(n):
    with pytest.raises(
        ValueError, match="accumulate must be a divisor of the 12 rows of a batch, with 2 rows or more each"
    ):
        list(micro_batches(a_batch(), n))


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_gradient_of_a_mean_over_rows_is_that_of_the_batch(n):
    net = nn.Linear(48, 2).double()

    def loss(batch: Batch, progress: float) -> Step:
        z = net(batch.views[0].flatten(1).double())
        rows = (z - batch.views[1].flatten(1)[:, :2].double()).square().sum(1)
        return Step(
            rows.mean(), {"size": rows.detach().mean()}, (z.detach(), batch.index), (batch.index, batch.partner)
        )

    whole = loss(a_batch(), 0.0)
    expected = torch.autograd.grad(whole.loss, list(net.parameters()))
    step = add_gradients(loss, a_batch(), 0.0, n, torch.autocast("cpu", torch.bfloat16, enabled=False))
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-12)
    assert torch.allclose(step.loss, whole.loss) and torch.allclose(step.metrics["size"], whole.metrics["size"])
    assert all(torch.allclose(a, b) for a, b in zip(step.carry, whole.carry, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(step.mined, whole.mined, strict=True))


def test_a_number_that_is_carried_becomes_the_mean():
    steps = [Step(torch.tensor(1.0), carry=(torch.tensor(value),)) for value in (2.0, 4.0)]
    assert join_steps(steps).carry[0] == 3
