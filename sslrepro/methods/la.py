"""LA, local aggregation: of the images nearest to the anchor, those of its own clusters attract, the others repel.

Zhuang et al., "Local Aggregation for Unsupervised Learning of Visual Embeddings", ICCV 2019, arXiv:1903.12355, Eq. 4-5.
Compared with InstDisc: + clusterings of the bank at every epoch; positives are other images.

The intersection of near images and cluster members may be empty, even without the anchor itself: such an anchor has
no gradient (the code's constant 1e-7 gives it a loss of 16.1). The code re-clusters only when a batch happens to be
short; here it is every epoch. It starts with InstDisc's noise contrastive estimation, here with the full softmax.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Bool, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, count, per_class, rows, share, start, width
from sslrepro.parts.cluster import fit_for, kmeans
from sslrepro.parts.distributed import all_gather_detached, broadcast
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Bank
from sslrepro.parts.metrics import spread
from sslrepro.parts.mining import list_pairs, nearest


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    temperature: float = above_zero(0.07)  # tau
    bank_momentum: float = share(0.5)  # weight of a row's old value
    n_nearest: int = rows(4096)  # bank rows around the anchor, the denominator
    n_clusterings: int = count(10)  # H, k-means runs from different starts
    clusters: int = per_class(30_000)  # of each run
    warm: float = start(0.05)  # share of training as instance discrimination (10 of 200 epochs)


@final
class LocalAggregation(Method):
    """Aggregation of close neighbours, separation of background neighbours."""

    n_views = 1

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.dim)
        fit_for("LocalAggregation", (config.clusters,), n_images)
        self.bank = Bank(n_images, config.dim, config.bank_momentum)
        self.register_buffer("labels", torch.full((config.n_clusterings, n_images), -1, dtype=torch.int64))
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))

    def near_and_alike(self, z: Tensor, batch: Batch) -> tuple[Bool[Tensor, "b n"], Bool[Tensor, "b n"]]:
        """B, the nearest rows, and B with C, those of them that share a cluster with the anchor in some run."""
        rows = self.bank.entries
        _, place = nearest(z.detach(), rows, min(self.config.n_nearest, len(rows)))
        near = torch.zeros(len(z), len(rows), dtype=torch.bool, device=z.device).scatter(1, place, True)
        alike = torch.zeros_like(near)
        for labels in self.labels:
            alike |= labels[batch.index][:, None] == labels
        return near, near & alike

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        metrics = {"embedding_std": spread(z)}
        own = batch.index[:, None] == torch.arange(len(self.bank.entries), device=z.device)
        positive, candidate, mined = own, torch.ones_like(own), torch.zeros_like(own)
        if progress >= self.config.warm:
            near, alike = self.near_and_alike(z, batch)
            empty = ~alike.any(1)
            mined = alike & ~own & (self.labels[0, 0] >= 0)
            alike = alike | (near & empty[:, None])  # all candidates: loss 0, no gradient
            clustered = self.labels[0, 0] >= 0  # a warm-up may end within an epoch, before the first clustering
            positive, candidate = torch.where(clustered, alike, positive), torch.where(clustered, near, candidate)
            metrics["empty"] = empty.float().mean()
        loss = nce(z, self.bank.entries, positive, candidate, self.config.temperature, mode="in")
        everyone = torch.arange(len(own.T), device=z.device)
        pairs = list_pairs(batch.index, mined, everyone, self.config.n_nearest)
        return Step(loss, metrics, (z.detach(), batch.index), pairs)

    def after_step(self, step: Step, progress: float) -> None:
        self.bank.update(*(all_gather_detached(tensor) for tensor in step.carry))

    def refresh(self, encode, progress: float) -> None:
        """Cluster the bank anew: no image is encoded, the bank is what the epoch left."""
        if progress < self.config.warm:
            return
        for run in range(self.config.n_clusterings):
            seed = int(self.seed) + 7919 * run + round(1e6 * progress)
            self.labels[run] = kmeans(self.bank.entries, self.config.clusters, seed)[0]
        broadcast(self.labels)

    @property
    def pseudo_labels(self) -> Tensor | None:
        return self.labels if (self.labels[0, 0] >= 0) else None
