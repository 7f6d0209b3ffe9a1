"""SimCLR: two views of an image attract, all other views in the batch repel.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv:2002.05709.
The paper's head has no batch norm, its code one after every layer; here one after the hidden layer.
The official code returns the sum over both halves of the batch, twice this mean: with SGD that doubles the step.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, width
from sslrepro.parts.distributed import all_gather, all_gather_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import of_either, same_image
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the hidden layer of the projector
    temperature: float = above_zero(0.1)  # tau, Sec. 5.1


@final
class SimCLR(Method):
    """SimCLR with the paper's two-layer projector."""

    alternatives = ({"temperature": 0.5},)  # CIFAR-10, App. B.9

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = torch.cat([self.embed(view) for view in batch.views])
        row = local_rows(len(batch.index), z.device).repeat(len(batch.views))
        keys, key_row = all_gather(z), all_gather_detached(row)
        twin, other = same_image(row, key_row, local_rows(len(z), z.device))  # Eq. 1: 1[k != i] in the sum
        if batch.partner is not None and not batch.partners_repel:  # other views of either image may be in the batch
            shown = all_gather_detached(torch.cat([batch.image(v) for v in range(len(batch.views))]))
            first, second = (index.repeat(len(batch.views)) for index in (batch.index, batch.partner))
            other &= twin | ~of_either(first, second, shown)
        weight = None if batch.weight is None else batch.weight.repeat(len(batch.views))
        loss = nce(z, keys, twin, other, self.config.temperature, weight=weight)
        return Step(loss, {"embedding_std": spread(z)})
