"""Prototypes, and soft assignments of embeddings to them."""

import math

import torch
from torch import Tensor, nn

from sslrepro.base.types import Float, Int
from sslrepro.parts.distributed import all_gather_detached, local_rows
from sslrepro.parts.memory import precise, unit


class Prototypes(nn.Module):
    """Scores of unit embeddings against `n` learned unit rows: their cosines.

    weight_norm   the rows are normalised in every forward pass (DINO, length fixed at 1); otherwise the owner calls
                  `normalise` after each step (SwAV)
    """

    def __init__(self, dim: int, n: int, weight_norm: bool = False):
        super().__init__()
        self.weight_norm = weight_norm
        self.weight = nn.Parameter(unit(torch.randn(n, dim)))

    def forward(self, z: Float[Tensor, "b d"], frozen: bool = False) -> Float[Tensor, "b k"]:
        weight = self.weight
        if frozen:  # a gradient of zero, not none: the optimizer and other processes still find one
            weight = weight.detach() + 0 * (weight - weight.detach())
        with torch.autocast(z.device.type, enabled=False):  # divided by small temperatures afterwards
            return precise(z) @ (unit(weight) if self.weight_norm else weight).T

    @torch.no_grad()
    def normalise(self) -> None:
        """Bring every row back to unit length."""
        self.weight.copy_(unit(self.weight))


@torch.no_grad()
def sinkhorn(scores: Float[Tensor, "b k"], epsilon: float, iterations: int) -> Float[Tensor, "b k"]:
    """Codes: the transport of rows to equally used prototypes, rows summing to 1 (SwAV, Eq. 3-5).

    In the log domain and fp32: exp(score / epsilon) overflows half precision. Each iteration first makes the
    prototypes, then the rows, equally heavy.

        epsilon   > 0, entropy regularisation;  iterations   >= 1
    """
    log = precise(scores) / epsilon
    for _ in range(iterations):
        log = log - log.logsumexp(0) - math.log(log.shape[1])
        log = log - log.logsumexp(1, keepdim=True) - math.log(log.shape[0])
    return (log + math.log(log.shape[0])).exp()


@torch.no_grad()
def codes(batch: Float[Tensor, "b k"], queued: Float[Tensor, "m k"] | None, epsilon: float, iterations: int) -> Tensor:
    """Codes [b k] of a batch's rows, assigned together with the rows of all processes and of a queue."""
    together = all_gather_detached(batch)
    if queued is not None:
        together = torch.cat([together, queued])
    return sinkhorn(together, epsilon, iterations)[local_rows(len(batch), batch.device)]


@torch.no_grad()
def group_means(x: Float[Tensor, "b d"], label: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
    """Every row replaced by the unit mean of the rows that have its label."""
    group = torch.searchsorted(label.sort().values, label)  # where its label begins: one number per label
    total = torch.zeros_like(x).index_add_(0, group, x)
    return unit(total)[group]
