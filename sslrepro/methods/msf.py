"""MSF: the student's prediction moves towards the mean of its teacher's nearest neighbours in a queue.

Koohpayegani et al., "Mean Shift for Self-Supervised Learning", ICCV 2021, arXiv:2105.07269.
Compared with BYOL: the target is not one embedding but the `top_k` nearest to it, itself included; one direction.
Compared with NNCLR: several neighbours, no negatives; the queue is searched with the teacher's embedding.

The code puts the whole batch of targets into the queue before the search, so that a row sees the other targets of its
batch too; here, as for all methods, the queue is written after the step and the own target joins the search alone.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.errors import require
from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import momentum, passing_over_self, rows, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.mining import nearest
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(512, "dim")  # d, width of the embedding
    hidden: int = width(4096, "hidden")  # width of the projector's hidden layer
    hidden_predictor: int = width(4096, "hidden_predictor")  # width of the predictor's hidden layer
    queue_size: int = rows(1_024_000)  # rows (the code's commands: 128,000)
    top_k: int = rows(10)  # neighbours in the mean, the target itself among them
    teacher_momentum: float = momentum(0.99)  # weight of the teacher's old value
    exclude_self: bool = passing_over_self()  # pass over older rows of the anchor's own image


@final
class MSF(Method):
    """Mean shift."""

    n_views = 2

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        allowed = f"1..{config.queue_size + 1}, the queue's rows and the target"
        require(1 <= config.top_k <= config.queue_size + 1, "MSF", "top_k", allowed, config.top_k)
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim, last_bias=False)
        self.predictor = mlp(config.dim, config.hidden_predictor, config.dim, last_bias=False)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.projector(self.encoder(batch.views[0]))
        p = unit(self.predictor(z))
        target = unit(self.teacher(batch.views[1]))
        cosine = (p * target).sum(1, keepdim=True)  # the target is always its own nearest
        anchor = neighbour = batch.index[:0]
        if self.config.top_k > 1:
            own = (batch.index, self.queue.index) if self.config.exclude_self else (None, None)
            _, slots = nearest(target, self.queue.entries, self.config.top_k - 1, *own)
            cosine = torch.cat([cosine, (p[:, None] * self.queue.entries[slots]).sum(2)], 1)
            anchor, neighbour = batch.index.repeat_interleave(slots.shape[1]), self.queue.index[slots.flatten()]
        loss = (2 - 2 * cosine).mean()
        return Step(loss, {"embedding_std": spread(unit(z))}, (target, batch.index), (anchor, neighbour))

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))
