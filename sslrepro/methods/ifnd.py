"""IFND: images that fall into one cluster are no longer negatives, more of them as the embedding becomes trustworthy.

Chen et al., "Incremental False Negative Detection for Contrastive Learning", ICLR 2022, arXiv:2106.03719, Eq. 1-4.
Compared with SimCLR: + clusterings of the whole set at several granularities, + a confidence per image and a share of
accepted images that grows over training; negatives of the anchor's pseudo-label are left out (or attracted).

Mode "prototype" is PCL's ProtoNCE on SimCLR (Appendix E, Table 7): nothing is left out of the instance loss, and an
accepted image is contrasted with the centroids of its clusterings, at the temperatures that PCL gives them.

Where the paper is silent or disagrees with itself:
* Eq. 2 compares 128-wide embeddings with centroids that Algorithm 1 builds on 2,048-wide features, which is undefined.
  Both are unit embeddings here (`space="embedding"`) or both unit features ("features").
* The losses are sums over the batch in the paper; means here.
* Temperature and augmentation on CIFAR are not given: those of the SupCon code, whose other settings agree.
* Clusters are made after an epoch's batches, so the first epoch is pure instance learning.
* How ProtoNCE meets partial acceptance: images that are not accepted have no prototype term, the mean is over all. All
  prototypes stand in the denominator, as for PCL's code where its sample is at least their number. The density is part
  of ProtoNCE whatever `confidence` ranks the images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.errors import one_of
from sslrepro.base.types import Batch, Float, Int, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, jump, per_class, share, width
from sslrepro.parts.cluster import PseudoLabels
from sslrepro.parts.distributed import all_gather, all_gather_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import same_image
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    temperature: float = above_zero(0.5)  # tau; not given, SimCLR's on CIFAR
    clusters: tuple[int, ...] = per_class((1000, 3000, 10_000))  # granularities (CIFAR: 1, 3, 10 per class)
    mode: str = choice("eliminate", "attract", "prototype")  # Eq. 3, Eq. 4, or ProtoNCE
    acceptance: str = choice("linear", "step", "constant")  # how the accepted share grows, Sec. 3.2
    final_rate: float = share(1.0)  # accepted share at the end of training, Table 6
    step_at: float = jump(0.1)  # share of training at which "step" jumps (epoch 100 of 1000)
    confidence: str = choice("cosine", "density")  # Eq. 2, or PCL's, one value per cluster, Table 7
    space: str = choice("embedding", "features")  # what is clustered; features: without the projector
    every: float = share(0.02)  # share of training between clusterings (20 of 1000 epochs; ImageNet: 1)


@final
class IFND(Method):
    """Incremental false negative detection on SimCLR."""

    n_views = 2
    alternatives = ({"space": "features"},)  # Algorithm 1 clusters f(i)

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        prototype = config.mode == "prototype"
        one_of(config.space, ("embedding",) if prototype else ("embedding", "features"), "IFND", "space")
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.hidden, config.dim)
        dim = config.dim if prototype else None
        self.pseudo = PseudoLabels(n_images, config.clusters, config.confidence, config.acceptance, dim)

    def proto_nce(self, z: Float[Tensor, "a d"], level: int, target: Int[Tensor, " a"]) -> Float[Tensor, ""]:
        """The own prototype against all of them, each at its density; 0 for anchors without a shared label."""
        keys = self.pseudo.centroids[level] / self.pseudo.density[level][:, None]
        own = nn.functional.one_hot(target.clamp_min(0), len(keys)).bool()
        return nce(z, keys, own, torch.ones_like(own), 1.0, weight=(target >= 0).float())

    def loss(self, batch: Batch, progress: float) -> Step:
        z = torch.cat([self.embed(view) for view in batch.views])
        index = batch.index.repeat(2)
        keys, key_index = all_gather(z), all_gather_detached(index)
        twin, other = same_image(index, key_index, local_rows(len(z), z.device))
        terms, negatives = [], []
        for level, label in enumerate(self.pseudo.label):
            alike = (label[index][:, None] == label[key_index]) & other  # twins included: they share the label
            if self.config.mode == "eliminate":  # Eq. 3: 1[y_s != y_i], the twin stays
                positive, candidate = twin, other & (twin | ~alike)
            elif self.config.mode == "attract":  # Eq. 4
                positive, candidate = alike, other
            else:  # every other image repels
                positive, candidate = twin, other
            term = nce(z, keys, positive, candidate, self.config.temperature)
            terms.append(term + self.proto_nce(z, level, label[index]) if self.config.mode == "prototype" else term)
            negatives.append((candidate & ~positive).float().sum(1).mean())
        metrics = {"embedding_std": spread(z), "negatives": torch.stack(negatives).mean()}
        return Step(torch.stack(terms).mean(), metrics)

    def refresh(self, encode: Callable[[nn.Module], Tensor], progress: float) -> None:
        """Algorithm 1: cluster all un-augmented images, accept the most confident."""
        net = self.encoder if self.config.space == "features" else nn.Sequential(self.encoder, self.projector)
        self.pseudo.refresh(lambda: encode(net), self.config, progress)

    @property
    def pseudo_labels(self) -> Tensor:
        return self.pseudo.label
