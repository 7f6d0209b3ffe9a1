"""IFND on SwAV: images of one pseudo-label share their assignment to prototypes.

Chen et al., "Incremental False Negative Detection for Contrastive Learning", ICLR 2022, arXiv:2106.03719, Appendix F.
Compared with SwAV: for the assignment, not for the prediction, every embedding is replaced by the mean embedding of its
pseudo-label's group.

Undocumented: which embeddings form the groups, whether the mean is normalised, how granularities combine. Here: those
that are assigned together (batch and queue), yes, one assignment per granularity with the losses averaged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, count, jump, per_class, rows, share, width
from sslrepro.parts.cluster import PseudoLabels
from sslrepro.parts.distributed import all_gather_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import soft_cross_entropy
from sslrepro.parts.memory import Queue
from sslrepro.parts.metrics import spread
from sslrepro.parts.prototypes import Prototypes, group_means, sinkhorn


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layer
    n_prototypes: int = per_class(3000)  # K
    temperature: float = above_zero(0.1)  # tau of the prediction
    epsilon: float = above_zero(0.05)  # entropy of the assignment
    sinkhorn_iterations: int = count(3)  # of the assignment
    queue_size: int = rows(3840)  # rows per large view
    queue_from: float = share(0.075)  # share of training before the queues are filled
    freeze: float = share(0.005)  # share of training during which the prototypes stand still
    clusters: tuple[int, ...] = per_class((1000, 3000, 10_000))  # granularities
    acceptance: str = choice("linear", "step", "constant")  # how the accepted share grows
    final_rate: float = share(1.0)  # accepted share at the end of training
    step_at: float = jump(0.1)  # share of training at which "step" jumps
    confidence: str = choice("cosine", "density")  # Eq. 2, or PCL's, one value per cluster
    space: str = choice("embedding", "features", before="embedding")  # what is clustered; features: before the head
    every: float = share(0.005)  # share of training between clusterings (1 of 200 epochs)


@final
class IFNDSwAV(Method):
    """Swapped assignments shared by detected false negatives."""

    alternatives = ({"space": "features"},)  # Algorithm 1 clusters f(i)

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim)
        self.prototypes = Prototypes(config.dim, config.n_prototypes)
        self.queues = nn.ModuleList(Queue(config.queue_size, config.dim) for _ in range(2))
        self.pseudo = PseudoLabels(n_images, config.clusters, config.confidence, config.acceptance)

    def targets(self, c: int, z: Float[Tensor, "b d"], batch: Batch, progress: float) -> list[Float[Tensor, "b k"]]:
        """Codes of large view c at every granularity, from the means of pseudo-label groups."""
        queue, config = self.queues[c], self.config
        rows, index = all_gather_detached(z), all_gather_detached(batch.index)
        if progress >= config.queue_from and queue.full:
            rows, index = torch.cat([rows, queue.entries]), torch.cat([index, queue.index])
        own = local_rows(len(z), z.device)
        means = [group_means(rows, label[index]) for label in self.pseudo.label]
        return [sinkhorn(self.prototypes(x), config.epsilon, config.sinkhorn_iterations)[own] for x in means]

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.embed(view) for view in batch.views]
        scores = [self.prototypes(rows, progress < self.config.freeze) / self.config.temperature for rows in z]
        terms = [
            soft_cross_entropy(target, scores[v]).mean()
            for c in (0, 1)
            for target in self.targets(c, z[c].detach(), batch, progress)
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

    def refresh(self, encode: Callable[[nn.Module], Tensor], progress: float) -> None:
        net = self.encoder if self.config.space == "features" else nn.Sequential(self.encoder, self.projector)
        self.pseudo.refresh(lambda: encode(net), self.config, progress)

    @property
    def pseudo_labels(self) -> Tensor:
        return self.pseudo.label
