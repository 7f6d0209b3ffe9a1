"""SimCLR: two views of an image attract, all other views in the batch repel.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv:2002.05709.
The official code returns the sum over both halves of the batch, twice this mean: with SGD that doubles the step.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.methods.base import Method
from sslrepro.parts.gather import gathered, gathered_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import same_image
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import spread
from sslrepro.types import Batch, Float, Step


@dataclass(frozen=True)
class Config:
    dim: int = 128  # d, width of the embedding
    hidden: int = 2048  # width of the hidden layer of the projector
    temperature: float = 0.1  # tau, Sec. 5.1


@final
class SimCLR(Method):
    """SimCLR with the paper's two-layer projector."""

    def __init__(self, config: Config, encoder: nn.Module):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim)

    def embed(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return unit(self.projector(self.encoder(view)))

    def loss(self, batch: Batch, progress: float) -> Step:
        z = torch.cat([self.embed(view) for view in batch.views])
        index = batch.index.repeat(len(batch.views))
        keys, key_index = gathered(z), gathered_detached(index)
        own_row = local_rows(len(z), z.device)
        twin, other = same_image(index, key_index, own_row)  # Eq. 1: 1[k != i] in the sum
        return Step(nce(z, keys, twin, other, self.config.temperature), {"embedding_std": spread(z)})
