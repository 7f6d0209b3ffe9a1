"""IFND on MoCo v2: queue rows of the anchor's cluster are not its negatives.

Chen et al., "Incremental False Negative Detection for Contrastive Learning", ICLR 2022, arXiv:2106.03719: the form of
its ImageNet runs.
Compared with MoCo v2: + clusterings of the teacher's embeddings, one masked softmax per granularity, averaged.

Queue rows keep the index of their image, never a cluster: labels change while the queue persists, and are looked up
when the loss is computed. An anchor's own past has its label, so it is left out too, where MoCo keeps it.
The paper trains a three-layer projector, batch norm not mentioned, where MoCo v2 has two layers, with steps at 120 and
160 epochs, and gives neither temperature nor queue: MoCo v2's. With `head="moco"` what it adds is compared with MoCo v2
at the same head; `final_rate=0` accepts nothing and is the control.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, jump, momentum, per_class, rows, share, width
from sslrepro.parts.cluster import PseudoLabels
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import own_key
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layers, no batch norm
    head: str = choice("moco", "three layers", before="three layers")  # MoCo v2's two layers, or Sec. 4.1's three
    temperature: float = above_zero(0.2)  # tau; not given, MoCo v2's
    queue_size: int = rows(65_536)  # rows; not given, MoCo v2's
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    clusters: tuple[int, ...] = per_class((1000, 3000, 10_000))  # granularities on ImageNet
    acceptance: str = choice("linear", "step", "constant")  # how the accepted share grows
    final_rate: float = share(1.0)  # accepted share at the end of training
    step_at: float = jump(0.1)  # share of training at which "step" jumps
    confidence: str = choice("cosine", "density")  # Eq. 2, or PCL's, one value per cluster
    space: str = choice("embedding", "features", before="embedding")  # what is clustered; features: before the head
    every: float = share(0.005)  # share of training between clusterings (1 of 200 epochs)


@final
class IFNDMoCo(Method):
    """Incremental false negative detection on MoCo v2."""

    n_views = 2
    alternatives = ({"space": "features"},)  # Algorithm 1 clusters f(i)

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        hidden = (config.hidden,) if config.head == "moco" else (config.hidden, config.hidden)
        self.projector = mlp(encoder.dim, *hidden, config.dim, hidden_norm=False)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)
        self.pseudo = PseudoLabels(n_images, config.clusters, config.confidence, config.acceptance)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        key = unit(self.teacher(batch.views[1]))
        stored = self.queue.index
        keys = torch.cat([key, self.queue.entries])
        terms, negatives = [], []
        for label in self.pseudo.label:
            repels = (label[batch.index][:, None] != label[stored.clamp_min(0)]) | (stored < 0)
            terms.append(nce(z, keys, *own_key(repels), self.config.temperature))
            negatives.append(repels.float().sum(1).mean())
        metrics = {"embedding_std": spread(z), "negatives": torch.stack(negatives).mean()}
        return Step(torch.stack(terms).mean(), metrics, (key, batch.index))

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))

    def refresh(self, encode: Callable[[nn.Module], Tensor], progress: float) -> None:
        """Algorithm 1, with the teacher's embeddings or features."""
        net = self.teacher.net[0] if self.config.space == "features" else self.teacher
        self.pseudo.refresh(lambda: encode(net), self.config, progress)

    @property
    def pseudo_labels(self) -> Tensor:
        return self.pseudo.label
