"""Linear probe on cached features: multinomial logistic regression by L-BFGS, its penalty chosen on train."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Features, Float, Int
from sslrepro.evaluate.knn import topk_accuracy


@dataclass(frozen=True)
class Protocol:
    penalties: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)  # on |W|^2 / 2, beside the mean cross-entropy
    held_out: float = 0.2  # share of train that chooses the penalty
    iterations: int = 100  # L-BFGS iterations per fit, warm-started from the stronger penalty


def standardise(train: Features, *others: Features) -> tuple[Tensor, ...]:
    """Features with the mean and deviation of train removed; constant features become 0."""
    mean, std = train.x.mean(0), train.x.std(0)
    scale = torch.where(std > 1e-6, 1 / std, torch.zeros_like(std))
    return tuple((split.x - mean) * scale for split in (train, *others))


def fit(
    x: Float[Tensor, "n f"],
    y: Int[Tensor, " n"],
    n_classes: int,
    penalty: float,
    iterations: int,
    start: Float[Tensor, "c g"] | None = None,
) -> Float[Tensor, "c g"]:
    """Weights and, in the last column, biases that minimise mean cross-entropy + penalty / 2 |W|^2."""
    zeros = torch.zeros(n_classes, x.shape[1] + 1, device=x.device)
    w = (zeros if start is None else start.clone()).requires_grad_(True)
    solver = torch.optim.LBFGS(
        [w],
        max_iter=iterations,
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-5,
        tolerance_change=1e-8,
    )

    def closure() -> Tensor:
        solver.zero_grad()
        logits = torch.addmm(w[:, -1], x, w[:, :-1].T)
        loss = torch.nn.functional.cross_entropy(logits, y) + penalty / 2 * w[:, :-1].square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return w.detach()


def predict(x: Float[Tensor, "n f"], w: Float[Tensor, "c g"]) -> Float[Tensor, "n c"]:
    """Logits."""
    return torch.addmm(w[:, -1], x, w[:, :-1].T)


def scores(train: Features, test: Features, settings: Protocol, seed: int) -> dict[str, float]:
    """linear_top1, linear_top5, linear_penalty (the chosen one) and linear_held_out (its accuracy there).

    The test split is read once, after the penalty is chosen and the probe refitted on all of train.
    """
    n = len(train.x)
    held = int(settings.held_out * n)
    require(
        0 < held < n, "evaluate.linear", "held_out", f"a share that leaves rows on both sides of {n}", settings.held_out
    )
    n_classes = int(max(train.y.max(), test.y.max())) + 1
    x, x_test = standardise(train, test)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(x.device)
    chooses, fits = order[:held], order[held:]
    best = (-1.0, 0.0)
    w = None
    for penalty in sorted(settings.penalties, reverse=True):
        w = fit(x[fits], train.y[fits], n_classes, penalty, settings.iterations, w)
        held_out = topk_accuracy(predict(x[chooses], w), train.y[chooses])["top1"]
        best = max(best, (held_out, penalty))  # ties go to the stronger penalty
    w = fit(x, train.y, n_classes, best[1], settings.iterations, w)
    accuracy = topk_accuracy(predict(x_test, w), test.y)
    return {f"linear_{name}": value for name, value in accuracy.items()} | {
        "linear_penalty": best[1],
        "linear_held_out": best[0],
    }
