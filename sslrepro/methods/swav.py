"""SwAV: one view predicts which prototypes the other view of the image is assigned to.

Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", NeurIPS 2020,
arXiv:2006.09882, Eq. 2-5.
Compared with SimCLR: images are not compared with each other but with prototypes; the assignment uses all prototypes
equally, over the batch and, when batches are small, a queue per large view.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, count, per_class, rows, share, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import soft_cross_entropy
from sslrepro.parts.memory import Queue
from sslrepro.parts.metrics import spread
from sslrepro.parts.prototypes import Prototypes, codes


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layer
    n_prototypes: int = per_class(3000)  # K
    temperature: float = above_zero(0.1)  # tau of the prediction
    epsilon: float = above_zero(0.05)  # entropy of the assignment
    sinkhorn_iterations: int = count(3)  # of the assignment
    queue_size: int = rows(3840)  # rows per large view, for batches of 256
    queue_from: float = share(0.075)  # share of training before the queues are filled (15 of 200 epochs)
    freeze: float = share(0.005)  # share of training during which the prototypes stand still (1 of 200 epochs)


@final
class SwAV(Method):
    """Swapped prediction of assignments."""

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim)
        self.prototypes = Prototypes(config.dim, config.n_prototypes)
        self.queues = nn.ModuleList(Queue(config.queue_size, config.dim) for _ in range(2))

    def target(self, c: int, scores: Float[Tensor, "b k"], progress: float) -> Float[Tensor, "b k"]:
        """Codes of large view c, assigned together with its queue once that is full."""
        queue, config = self.queues[c], self.config
        joins = progress >= config.queue_from and queue.full
        queued = self.prototypes(queue.entries) if joins else None
        return codes(scores, queued, config.epsilon, config.sinkhorn_iterations)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.embed(view) for view in batch.views]
        scores = [self.prototypes(rows, progress < self.config.freeze) for rows in z]
        target = [self.target(c, scores[c].detach(), progress) for c in (0, 1)]
        terms = [
            soft_cross_entropy(target[c], scores[v] / self.config.temperature).mean()
            for c in (0, 1)
            for v in range(len(z))
            if v != c
        ]
        carry = (z[0].detach(), z[1].detach(), batch.index)
        return Step(torch.stack(terms).mean(), {"embedding_std": spread(z[0])}, carry)

    def after_step(self, step: Step, progress: float) -> None:
        self.prototypes.normalise()
        if progress >= self.config.queue_from:
            *rows, index = (all_gather_detached(tensor) for tensor in step.carry)
            for queue, new in zip(self.queues, rows, strict=True):
                queue.push(new, index)
