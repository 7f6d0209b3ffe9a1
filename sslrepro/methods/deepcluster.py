"""DeepCluster-v2: embeddings are classified into the clusters that the last epoch's embeddings fell into.

Caron et al., "Deep Clustering for Unsupervised Learning of Visual Features", ECCV 2018, arXiv:1807.05520; the second
version: Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", NeurIPS 2020,
arXiv:2006.09882, Appendix.
Compared with SwAV: assignments are made once per epoch for the whole set, by k-means; the prototypes are the centroids
themselves and are not trained. Several heads cluster the same banks from different starts.

The first epoch's banks hold un-augmented images (the code makes a pass over augmented ones).
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, count, per_class, width
from sslrepro.parts.cluster import fit_for, kmeans, own_label
from sslrepro.parts.distributed import all_gather_detached, broadcast
from sslrepro.parts.heads import mlp
from sslrepro.parts.memory import Bank, unit
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layer
    temperature: float = above_zero(0.1)  # tau
    clusters: int = per_class(3000)  # of each head
    n_heads: int = count(3)  # clusterings


@final
class DeepCluster(Method):
    """Deep clustering, second version."""

    n_banks = 2  # one per large view

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim)
        fit_for("DeepCluster", (config.clusters,), n_images)
        self.banks = nn.ModuleList(Bank(n_images, config.dim, 0.0) for _ in range(self.n_banks))
        self.register_buffer("labels", torch.full((config.n_heads, n_images), -100, dtype=torch.int64))
        self.register_buffer("centroids", torch.zeros(config.n_heads, config.clusters, config.dim))
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.embed(view) for view in batch.views]
        terms = []
        for labels, centroids in zip(self.labels, self.centroids, strict=True):
            target = labels[batch.index]
            labelled = (target >= 0).float()
            for rows in z:
                with torch.autocast(rows.device.type, enabled=False):
                    scores = rows @ centroids.to(rows.dtype).T / self.config.temperature
                each = nn.functional.cross_entropy(scores, target, ignore_index=-100, reduction="none")
                terms.append((each * labelled).sum() / labelled.sum().clamp_min(1))
        carry = (*(rows.detach() for rows in z[: self.n_banks]), batch.index)
        return Step(torch.stack(terms).mean(), {"embedding_std": spread(z[0])}, carry)

    def after_step(self, step: Step, progress: float) -> None:
        *rows, index = (all_gather_detached(tensor) for tensor in step.carry)
        for bank, new in zip(self.banks, rows, strict=True):
            bank.update(new, index)

    def refresh(self, encode, progress: float) -> None:
        """Cluster the banks, spherically; their centroids are the next epoch's prototypes."""
        if int(self.labels[0, 0]) == -100:
            for bank in self.banks:
                bank.entries.copy_(unit(encode(nn.Sequential(self.encoder, self.projector))))
        for head in range(self.config.n_heads):
            bank = self.banks[head % self.n_banks].entries
            seed = int(self.seed) + 7919 * head + round(1e6 * progress)
            self.labels[head], self.centroids[head] = kmeans(bank, self.config.clusters, seed, 10, spherical=True)
        broadcast(self.labels)
        broadcast(self.centroids)

    @property
    def pseudo_labels(self) -> Tensor | None:
        return torch.where(self.labels >= 0, self.labels, own_label(self.labels.shape[1]).to(self.labels.device))
