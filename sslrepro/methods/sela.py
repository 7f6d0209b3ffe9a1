"""SeLa: images are classified into clusters of equal size, to which they are assigned by the classifier itself.

Asano et al., "Self-Labelling via Simultaneous Clustering and Representation Learning", ICLR 2020, arXiv:1911.05371,
Eq. 5-8; where the paper leaves open what is computed, the released code.
Compared with DeepCluster: no k-means; labels maximise the classifier's own likelihood under the condition that all
clusters are equally large. SwAV later made this assignment for a batch, and soft.

Labels are renewed between epochs, from un-augmented images in eval mode; the code renews them in the middle of epochs,
from augmented images with the batch norm of training. Several classifiers have labels of their own.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, count, per_class
from sslrepro.parts.cluster import fit_for
from sslrepro.parts.distributed import broadcast
from sslrepro.parts.memory import precise, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.transport import equal_labels


@dataclass(frozen=True)
class Config:
    clusters: int = per_class(3000)  # K, of each classifier
    n_heads: int = count(10)  # T, classifiers
    strength: float = above_zero(25.0)  # lambda of Eq. 7
    renewals: int = count(80)  # of the labels, the first before training and then ever more rarely


@final
class SeLa(Method):
    """Self-labelling."""

    n_views = 1
    has_trials = False

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        fit_for("SeLa", (config.clusters,), n_images)
        self.projector = nn.Identity()  # the embedding is the features themselves
        self.classifiers = nn.Linear(encoder.dim, config.n_heads * config.clusters)
        equal = torch.arange(n_images) % config.clusters
        labels = torch.stack([equal[torch.randperm(n_images)] for _ in range(config.n_heads)])
        self.register_buffer("labels", labels)
        self.register_buffer("renewed", torch.zeros((), dtype=torch.int64))  # renewals that were due so far

    def loss(self, batch: Batch, progress: float) -> Step:
        features = self.encoder(batch.views[0])
        scores = precise(self.classifiers(features)).unflatten(1, (self.config.n_heads, self.config.clusters))
        target = self.labels[:, batch.index].T
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), target.flatten())  # Eq. 5, mean over classifiers
        return Step(loss, {"embedding_std": spread(unit(features))})

    def due(self, progress: float) -> int:
        """Renewals that are due by now: the j-th of J, counted from 0, after a share (j / (J - 1))^2 of training."""
        return 1 + math.floor(math.sqrt(progress) * (self.config.renewals - 1) + 1e-9)

    def refresh(self, encode, progress: float) -> None:
        """Label all images anew where a renewal is due: equally many in every cluster (Eq. 6-8)."""
        due = self.due(progress)
        if due <= int(self.renewed):
            return
        features = encode(self.encoder)
        weight, bias = (part.detach().to(features.dtype) for part in (self.classifiers.weight, self.classifiers.bias))
        k = self.config.clusters
        for head in range(self.config.n_heads):
            own = slice(head * k, (head + 1) * k)
            log_p = (features @ weight[own].T + bias[own]).log_softmax(1)
            self.labels[head] = equal_labels(log_p, self.config.strength)
        self.renewed.fill_(due)
        broadcast(self.labels)

    @property
    def pseudo_labels(self) -> Tensor | None:
        return self.labels
