"""Heads: the multi-layer perceptrons between features and loss."""

import itertools
from collections.abc import Callable

from torch import Tensor, nn

from sslrepro.base.types import Float
from sslrepro.parts.memory import unit


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
