"""Linear probe by SGD, as the papers train it, on cached features; its learning rate is chosen on train.

MoCo's protocol (SGD 0.9, batch 256, 100 epochs, no decay) without its random crops: the features are cached.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Features, Float, Int
from sslrepro.evaluate.knn import topk_accuracy
from sslrepro.evaluate.linear import predict, standardise
from sslrepro.parts.optim import warmup_cosine


@dataclass(frozen=True)
class Protocol:
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)  # learning rates tried, on standardised features
    epochs: int = 100
    batch_size: int = 256
    momentum: float = 0.9
    held_out: float = 0.2  # share of train that chooses the learning rate


def fit(
    x: Float[Tensor, "n f"], y: Int[Tensor, " n"], n_classes: int, rate: float, settings: Protocol, seed: int
) -> Float[Tensor, "c g"]:
    """Weights and, in the last column, biases after the last epoch; cosine schedule."""
    w = torch.zeros(n_classes, x.shape[1] + 1, device=x.device, requires_grad=True)
    solver = torch.optim.SGD([w], rate, momentum=settings.momentum)
    generator = torch.Generator().manual_seed(seed)
    batch_size = min(settings.batch_size, len(x))
    steps = settings.epochs * (len(x) // batch_size)
    for step in range(steps):
        place = step % (len(x) // batch_size)
        if place == 0:
            order = torch.randperm(len(x), generator=generator).to(x.device)
        rows = order[place * batch_size : (place + 1) * batch_size]
        solver.param_groups[0]["lr"] = rate * warmup_cosine(step / steps, 0.0)
        solver.zero_grad()
        torch.nn.functional.cross_entropy(predict(x[rows], w), y[rows]).backward()
        solver.step()
    return w.detach()


def scores(train: Features, test: Features, settings: Protocol, seed: int) -> dict[str, float]:
    """linear_top1, linear_top5, linear_rate (the chosen one). Test is read once, at the end."""
    n = len(train.x)
    held = int(settings.held_out * n)
    require(
        0 < held < n,
        "evaluate.linear_sgd",
        "held_out",
        f"a share that leaves rows on both sides of {n}",
        settings.held_out,
    )
    n_classes = int(max(train.y.max(), test.y.max())) + 1
    x, x_test = standardise(train, test)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(x.device)
    chooses, fits = order[:held], order[held:]
    tried: list[tuple[float, float]] = []
    for rate in settings.rates:
        w = fit(x[fits], train.y[fits], n_classes, rate, settings, seed)
        tried.append((topk_accuracy(predict(x[chooses], w), train.y[chooses])["top1"], rate))
    rate = max(tried)[1]
    accuracy = topk_accuracy(predict(x_test, fit(x, train.y, n_classes, rate, settings, seed)), test.y)
    return {f"linear_{name}": value for name, value in accuracy.items()} | {"linear_rate": rate}
