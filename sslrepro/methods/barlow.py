"""Barlow Twins: the correlation matrix between two views' embeddings is brought to the identity.

Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021, arXiv:2103.03230, Eq. 1-2.
Compared with VICReg: one statistic, between the views; the embedding is standardised over the batch.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import not_negative, width
from sslrepro.parts.distributed import all_gather, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.memory import precise, unit
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(8192, "dim")  # d, width of the embedding
    hidden: int = width(8192, "hidden")  # width of the projector's two hidden layers
    off_diagonal: float = not_negative(0.0051)  # lambda, weight of the entries off the diagonal


@final
class BarlowTwins(Method):
    """Redundancy reduction between two views."""

    n_views = 2

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.hidden, config.dim, last_bias=False)

    def standardise(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Embeddings of all processes, each dimension with mean 0 and variance 1 over the batch (eps 1e-5)."""
        z = all_gather(precise(self.projector(self.encoder(view))))
        return (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()

    def loss(self, batch: Batch, progress: float) -> Step:
        a, b = (self.standardise(view) for view in batch.views)
        with torch.autocast(a.device.type, enabled=False):
            correlation = a.T @ b / len(a)  # Eq. 2
        diagonal = correlation.diagonal()
        off = correlation.square().sum() - diagonal.square().sum()
        loss = (1 - diagonal).square().sum() + self.config.off_diagonal * off  # Eq. 1
        own = local_rows(len(batch.index), a.device)
        return Step(loss, {"embedding_std": spread(unit(a[own]))})
