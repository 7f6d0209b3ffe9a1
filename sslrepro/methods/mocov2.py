"""MoCo v2: the other view of an image, seen by a slow teacher, attracts; a queue of past teacher embeddings repels.

He et al., "Momentum Contrast", CVPR 2020, arXiv:1911.05722; Chen et al., arXiv:2003.04297 (v2: head, blur, cosine).
Compared with SimCLR: + teacher, + queue; one direction only; negatives come from the queue alone.

The teacher's batch norm leaks which images share a batch. Over several devices MoCo shuffles images between them; on
one device its authors split the norm into groups. Both are here (`norm`); "plain" leaves the leak in.
With a queue as long as the data set the anchor's own past is among the negatives, as in the paper.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.device import to_device
from sslrepro.base.types import Batch, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, count, momentum, rows, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import of_either, own_key
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.norm import split_norms
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the hidden layer of the projector, no batch norm
    temperature: float = above_zero(0.2)  # tau of v2 (v1: 0.07)
    queue_size: int = rows(65_536)  # rows
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    symmetric: bool = False  # both directions summed and both views pushed (the authors' CIFAR code)
    norm: str = choice("plain", "split", "shuffled")  # groups for the encoder's batch norm on one device
    norm_groups: int = count(8)  # parts of the batch, as many as the devices they stand for


@final
class MoCoV2(Method):
    """Momentum contrast with the second version's head."""

    n_views = 2
    alternatives = ({"temperature": 0.1},)  # the authors' CIFAR code

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder if config.norm == "plain" else split_norms(encoder, config.norm_groups)
        self.projector = mlp(encoder.dim, config.hidden, config.dim, hidden_norm=False)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)

    def key(self, view: Float[Tensor, "b c h w"], batch: Batch) -> Float[Tensor, "b d"]:
        """The teacher's embedding; shuffled: its norm groups hold other images than the student's."""
        if self.config.norm != "shuffled":
            return unit(self.teacher(view))
        order = to_device(torch.randperm(len(view), generator=batch.generator()), view.device)
        return unit(self.teacher(view[order]))[order.argsort()]

    def contrast(self, z: Float[Tensor, "b d"], key: Float[Tensor, "b d"], batch: Batch) -> Float[Tensor, ""]:
        """InfoNCE: the own key against the queue; neither image of a pair row repels it, unless partners do."""
        repels = torch.ones(len(z), self.queue.size, dtype=torch.bool, device=z.device)
        if batch.partner is not None and not batch.partners_repel:
            pair = (batch.partner != batch.index)[:, None]
            repels &= ~(pair & of_either(batch.index, batch.partner, self.queue.index))
        keys = torch.cat([key, self.queue.entries])
        return nce(z, keys, *own_key(repels), self.config.temperature, weight=batch.weight)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        key = self.key(batch.views[1], batch)
        loss = self.contrast(z, key, batch)
        carry = key[:, None], batch.image(1)[:, None]
        if self.config.symmetric:
            second = self.key(batch.views[0], batch)
            loss = loss + self.contrast(self.embed(batch.views[1]), second, batch)
            carry = torch.stack([key, second], 1), torch.stack([batch.image(1), batch.index], 1)
        return Step(loss, {"embedding_std": spread(z)}, carry)

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        keys, index = (all_gather_detached(tensor).transpose(0, 1).flatten(0, 1) for tensor in step.carry)
        self.queue.push(keys, index)
