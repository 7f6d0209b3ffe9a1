"""Heads: the multi-layer perceptrons between features and loss."""

import itertools

from torch import nn


def mlp(*widths: int, hidden_norm: bool = True, last_norm: bool = False) -> nn.Sequential:
    """Linear layers from widths[0] to widths[-1], batch norm and ReLU between them.

    hidden_norm   batch norm after every layer but the last (then that layer needs no bias)
    last_norm     batch norm, without ReLU, after the last layer (NNCLR's projector)
    """
    layers: list[nn.Module] = []
    for place, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        last = place == len(widths) - 2
        norm = last_norm if last else hidden_norm
        layers.append(nn.Linear(n_in, n_out, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(n_out))
        if not last:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
