"""PCL v2: MoCo v2 that also contrasts an image with the centroids of clusterings of the whole set.

Li et al., "Prototypical Contrastive Learning of Unsupervised Representations", ICLR 2021, arXiv:2005.04966, Eq. 11-12.
Compared with MoCo v2: + k-means of the teacher's embeddings at several granularities every epoch, + ProtoNCE, whose
temperature is each cluster's own density.

In the released code two batch images of one cluster put an anchor's own prototype into the denominator twice, once as
a negative. Here the candidates are a set. InfoNCE still repels queue rows of the same cluster, as in the paper.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.device import CachedRead, to_device
from sslrepro.base.types import Batch, Step
from sslrepro.base.values import NOT_NEGATIVE
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, momentum, per_class, rows, start, width
from sslrepro.parts.cluster import density, fit_for, kmeans
from sslrepro.parts.distributed import all_gather_detached, broadcast
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import own_key
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layer, no batch norm
    temperature: float = above_zero(0.2)  # tau, also the mean density
    queue_size: int = rows(16_384)  # r, rows
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    clusters: tuple[int, ...] = per_class((25_000, 50_000, 100_000))  # of the clusterings
    negatives: int = rows(16_384, allowed=NOT_NEGATIVE)  # r, random prototypes beside the batch's, per clustering
    warm: float = start(0.1)  # share of training without prototypes (20 of 200 epochs)


@final
class PCL(Method):
    """Prototypical contrastive learning, second version."""

    n_views = 2

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim, hidden_norm=False)
        fit_for("PCL", config.clusters, n_images)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)
        self.register_buffer("labels", torch.full((len(config.clusters), n_images), -1, dtype=torch.int64))
        self._clustered = CachedRead()
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))
        self.centroids = nn.ParameterList(
            nn.Parameter(torch.zeros(k, config.dim), requires_grad=False) for k in config.clusters
        )
        self.density = nn.ParameterList(nn.Parameter(torch.ones(k), requires_grad=False) for k in config.clusters)

    def proto_nce(self, z: Tensor, level: int, batch: Batch, generator: torch.Generator) -> Tensor:
        """The own prototype against those of the batch and `negatives` others, each divided by its density."""
        k = self.config.clusters[level]
        target = self.labels[level, batch.index]
        order = to_device(torch.randperm(k, generator=generator), z.device)
        candidate = torch.zeros(k, dtype=torch.bool, device=z.device)
        candidate[all_gather_detached(target)] = True
        free = ~candidate[order]
        candidate[order] |= free & (free.cumsum(0) <= self.config.negatives)
        own = nn.functional.one_hot(target, k).bool()
        keys = self.centroids[level] / self.density[level][:, None]
        return nce(z, keys, own, candidate.expand(len(z), k), 1.0)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        key = unit(self.teacher(batch.views[1]))
        repels = torch.ones(len(z), self.queue.size, dtype=torch.bool, device=z.device)
        loss = nce(z, torch.cat([key, self.queue.entries]), *own_key(repels), self.config.temperature)
        metrics = {"embedding_std": spread(z), "instance_loss": loss.detach()}
        if progress >= self.config.warm and self.pseudo_labels is not None:
            generator = batch.generator()
            levels = [self.proto_nce(z, level, batch, generator) for level in range(len(self.config.clusters))]
            loss = loss + torch.stack(levels).mean()
        return Step(loss, metrics, (key, batch.index))

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))

    def refresh(self, encode, progress: float) -> None:
        """Cluster the teacher's embeddings of all un-augmented images (Alg. 1)."""
        if progress < self.config.warm:
            return
        x = unit(encode(self.teacher))
        for level, k in enumerate(self.config.clusters):
            seed = int(self.seed) + 7919 * level + round(1e6 * progress)
            labels, centroids = kmeans(x, k, seed)
            self.labels[level] = labels
            self.density[level].copy_(self.config.temperature * density(x, labels, centroids))
            self.centroids[level].copy_(unit(centroids))
        for tensor in (self.labels, *self.density, *self.centroids):
            broadcast(tensor.data)

    @property
    def pseudo_labels(self) -> Tensor | None:
        clustered = self._clustered.get(self.labels, lambda labels: bool(labels[0, 0] >= 0))
        return self.labels if clustered else None
