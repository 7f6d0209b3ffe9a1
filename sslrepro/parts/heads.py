"""Heads: the multi-layer perceptrons between features and loss."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sslrepro.parts.memory import precise, unit
from sslrepro.types import Float


def mlp(
    *widths: int,
    hidden_norm: bool = True,
    last_norm: bool = False,
    last_bias: bool = True,
    last_affine: bool = True,
    activation: Callable[[], nn.Module] = lambda: nn.ReLU(inplace=True),
) -> nn.Sequential:
    """Linear layers from widths[0] to widths[-1], batch norm and ReLU between them.

    hidden_norm   batch norm after every layer but the last (then that layer needs no bias)
    last_norm     batch norm, without ReLU, after the last layer (NNCLR's projector)
    last_bias     bias of a last layer without batch norm (BYOL, VICReg: without)
    last_affine   scale and shift of that last batch norm (SimSiam: without)
    activation    between layers
    """
    layers: list[nn.Module] = []
    for place, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        last = place == len(widths) - 2
        norm = last_norm if last else hidden_norm
        layers.append(nn.Linear(n_in, n_out, bias=not norm and (last_bias or not last)))
        if norm:
            layers.append(nn.BatchNorm1d(n_out, affine=last_affine or not last))
        if not last:
            layers.append(activation())
    return nn.Sequential(*layers)


class Unit(nn.Module):
    """`unit` as a layer."""

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return unit(x)


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
