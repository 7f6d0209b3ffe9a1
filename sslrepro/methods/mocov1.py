"""MoCo: the other view of an image, seen by a slow teacher, attracts; a queue of past teacher embeddings repels.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, arXiv:1911.05722, Eq. 1-2 and
Alg. 1.
Compared with its second version: a linear projector, and a temperature that is a third of that. The paper's views have
no blur; here views are the scale's, the same for every method.

Shuffling the batch between devices (Sec. 3.3) is there for one device as `norm`, in the forms that MoCo v2's file has;
"plain" lets the teacher's batch norm see which images share a batch.
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
from sslrepro.parts.masks import own_key
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.norm import split_norms
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding; the projector is one linear layer
    temperature: float = above_zero(0.07)  # tau of Eq. 1
    queue_size: int = rows(65_536)  # K, rows
    teacher_momentum: float = momentum(0.999)  # m of Eq. 2, weight of the teacher's old value
    norm: str = choice("plain", "split", "shuffled")  # groups for the encoder's batch norm on one device, Sec. 3.3
    norm_groups: int = count(8)  # parts of the batch, as many as the devices they stand for


@final
class MoCoV1(Method):
    """Momentum contrast as first published."""

    n_views = 2
    has_trials = False

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder if config.norm == "plain" else split_norms(encoder, config.norm_groups)
        self.projector = mlp(encoder.dim, config.dim)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)

    def key(self, view: Float[Tensor, "b c h w"], batch: Batch) -> Float[Tensor, "b d"]:
        """The teacher's embedding; shuffled: its norm groups hold other images than the student's."""
        if self.config.norm != "shuffled":
            return unit(self.teacher(view))
        order = to_device(torch.randperm(len(view), generator=batch.generator()), view.device)
        return unit(self.teacher(view[order]))[order.argsort()]

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        key = self.key(batch.views[1], batch)
        repels = torch.ones(len(z), self.queue.size, dtype=torch.bool, device=z.device)
        keys = torch.cat([key, self.queue.entries])
        loss = nce(z, keys, *own_key(repels), self.config.temperature)  # Eq. 1
        return Step(loss, {"embedding_std": spread(z)}, (key, batch.index))

    def after_step(self, step: Step, progress: float) -> None:
        student = nn.Sequential(self.encoder, self.projector)
        self.teacher.move_towards(student, self.config.teacher_momentum)  # Eq. 2
        key, index = (all_gather_detached(tensor) for tensor in step.carry)
        self.queue.push(key, index)
