"""SupCon: all images of the anchor's class attract. An oracle: it reads labels, and serves as the upper bound.

Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, arXiv:2004.11362, Eq. 2 (L_out).
Compared with SimCLR: same label in place of same image; with labels all different it is SimCLR.
The official code multiplies by temperature / 0.07; that is `base_temperature`, off by default.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.types import LabelledBatch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, width
from sslrepro.parts.distributed import all_gather, all_gather_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import same_image
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the hidden layer of the projector, no batch norm
    temperature: float = above_zero(0.1)  # tau
    base_temperature: float | None = above_zero(None)  # code: 0.07, loss * temperature / it; None: Eq. 2


@final
class SupCon(Method):
    """Supervised contrastive learning, outer form."""

    needs_labels = True

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim, hidden_norm=False)

    def loss(self, batch: LabelledBatch, progress: float) -> Step:
        z = torch.cat([self.embed(view) for view in batch.views])
        label = batch.label.repeat(len(batch.views))
        keys, key_label = all_gather(z), all_gather_detached(label)
        same_class, other = same_image(label, key_label, local_rows(len(z), z.device))
        loss = nce(z, keys, same_class, other, self.config.temperature, mode="out")
        if self.config.base_temperature is not None:
            loss = loss * self.config.temperature / self.config.base_temperature
        return Step(loss, {"embedding_std": spread(z)})
