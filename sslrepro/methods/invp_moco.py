"""InvP with a teacher and a queue in place of the bank: the form its rebuttal calls orthogonal.

Wang et al., "Unsupervised Representation Learning by Invariance Propagation", NeurIPS 2020, arXiv:2010.11694.
Compared with InvP: keys are teacher embeddings of the recent past, so an image reached over the graph may have no key;
an anchor without any keeps its instance loss alone. The positive of the instance loss is MoCo's, the other view.

The form is only named in the rebuttal; everything but the graph and the hard positives is our reading.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, count, momentum, not_negative, rows, start, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.graph import NeighbourGraph
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import own_key
from sslrepro.parts.memory import Queue, cosines, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.mining import distinct_nearest, extreme, list_pairs
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layer, no batch norm
    head: str = choice("plain", "batch_norm", "linear", before="plain")  # batch norm in it; or the linear layer alone
    temperature: float = above_zero(0.2)  # tau
    queue_size: int = rows(65_536)  # rows; not given, MoCo's
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    n_neighbours: int = count(4)  # k, edges out of each image
    hops: int = count(3)  # l, graph distance up to which images are positives
    n_positives: int = count(50)  # P, the least similar of those in the queue
    n_negatives: int = rows(4096)  # M, nearest rows in the denominators
    weight: float = not_negative(0.6)  # lambda, of the invariance loss
    gate: float = start(0.0375)  # share of training without it (30 of 800 epochs)


@final
class InvPMoCo(Method):
    """Invariance propagation with a momentum queue."""

    n_views = 2
    alternatives = ({"head": "linear", "temperature": 0.07},)  # as InvP

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        hidden = () if config.head == "linear" else (config.hidden,)
        self.projector = mlp(encoder.dim, *hidden, config.dim, hidden_norm=config.head == "batch_norm")
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)
        self.graph = NeighbourGraph(n_images, config.n_neighbours)

    def loss(self, batch: Batch, progress: float) -> Step:
        config, rows, stored = self.config, self.queue.entries, self.queue.index
        z = self.embed(batch.views[0])
        key = unit(self.teacher(batch.views[1]))
        similarity = cosines(z.detach(), rows)
        other = batch.index[:, None] != stored
        near = extreme(similarity, other, config.n_negatives)
        loss = nce(z, torch.cat([key, rows]), *own_key(near), config.temperature)
        metrics, mined = {"embedding_std": spread(z), "instance_loss": loss.detach()}, None
        if progress >= config.gate:
            reached = self.graph.within(batch.index, config.hops)[:, stored.clamp_min(0)] & (stored >= 0)
            hard = extreme(similarity, reached, config.n_positives, largest=False)
            none = ~reached.any(1, keepdim=True)  # no positive in the queue: loss 0, no gradient
            spare = near | (none & ~near.any(1, keepdim=True))
            candidate = torch.where(none, spare, (near & ~reached) | hard)
            positive = torch.where(none, spare, hard)
            loss = loss + config.weight * nce(z, rows, positive, candidate, config.temperature, mode="in")
            mined = list_pairs(batch.index, hard, stored, config.n_positives)
            metrics["hard_positives"] = hard.float().sum(1).mean()
        neighbours = distinct_nearest(similarity, stored, other & (stored >= 0), config.n_neighbours)
        return Step(loss, metrics, (key, batch.index, neighbours), mined)

    def after_step(self, step: Step, progress: float) -> None:
        key, index, neighbours = (all_gather_detached(tensor) for tensor in step.carry)
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        self.graph.write(index, neighbours)
        self.queue.push(key, index)
