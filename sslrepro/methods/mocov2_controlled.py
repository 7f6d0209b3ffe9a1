"""MoCo v2 with other images of controlled rightness: one more positive for each anchor, or some negatives fewer.

A diagnostic of this book, no method of a paper: an oracle that reads labels. Heads, teacher, queue and update are those
of MoCo v2 (He et al., CVPR 2020, arXiv:1911.05722; Chen et al., arXiv:2003.04297).
Compared with MoCo v2:
* attract: + one row of the queue is a positive beside the own key, both with half the weight (SupCon's L_out). It shows
  the anchor's class with a set probability, for anchors of a set kind, as in parts/stand_in.py; an anchor that keeps
  its view has its own key alone.
* remove: - some rows of the queue no longer repel, as many as `removed` times the rows of the anchor's class in the
  queue, of which a set share shows that class: that share is the precision, and times `removed` it is the recall.
Rows that show the anchor's own image neither attract nor are removed, where `exclude_self` is set.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.errors import require
from sslrepro.base.types import LabelledBatch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, momentum, not_negative, passing_over_self, rows, share, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.masks import own_key
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.stand_in import removed_negatives, stand_in_positives
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the hidden layer of the projector, no batch norm
    temperature: float = above_zero(0.2)  # tau of v2
    queue_size: int = rows(65_536)  # rows
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    role: str = choice("attract", "remove")  # of other images
    right_share: float | None = share(0.57)  # of positives, or of rows removed, of the class; None: of near ones
    removed: float = not_negative(1.0)  # remove: rows removed, in rows of the anchor's class that the queue holds
    right: str = choice("nearest", "random", "farthest", "view")  # which rows of the anchor's class; view: none
    wrong: str = choice("nearest", "random", "farthest", "view")  # which rows of another class, or none
    exclude_self: bool = passing_over_self()  # pass over rows of the anchor's own image
    anchors: str = choice("drawn", "easy", "hard", before="drawn")  # attract: that are right


@final
class MoCoV2Controlled(Method):
    """Momentum contrast with other images that are right as often as asked."""

    diagnostic = True
    needs_labels = True
    n_views = 2

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        attracts = config.role == "attract"
        for name, value, usual in (
            ("right_share", config.right_share, config.right_share is not None),
            ("right", config.right, config.right != "view"),
            ("wrong", config.wrong, config.wrong != "view"),
            ("anchors", config.anchors, config.anchors == "drawn"),
        ):
            remedy = "That is for the role 'attract'."
            require(attracts or usual, "MoCoV2Controlled", name, "of rows that can be removed", value, remedy)
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim, hidden_norm=False)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)

    def loss(self, batch: LabelledBatch, progress: float) -> Step:
        config, queue = self.config, self.queue
        z, key = self.embed(batch.views[0]), unit(self.teacher(batch.views[1]))
        same = batch.label[:, None] == queue.label
        other = ~same & (queue.label >= 0)
        allowed = torch.ones_like(same)
        if config.exclude_self:
            allowed = batch.index[:, None] != queue.index
        about = key, queue.entries, same, other, allowed
        distances, generator = (config.right, config.wrong), batch.generator()
        metrics, mined = {"embedding_std": spread(z)}, None
        if config.role == "attract":
            positive, candidate = own_key(torch.ones_like(same))
            slot = stand_in_positives(*about, config.right_share, *distances, generator, config.anchors)
            taken = slot >= 0
            positive = positive.scatter(1, len(key) + slot.clamp_min(0)[:, None], taken[:, None])
            mined = batch.index, torch.where(taken, queue.index[slot], -1)
        else:
            gone = removed_negatives(*about, config.right_share, config.removed, *distances, generator)
            positive, candidate = own_key(~gone)
            metrics["removed"] = gone.float().sum(1).mean()
            metrics["removed_right"] = (gone & same).sum() / gone.sum().clamp(min=1)
        loss = nce(z, torch.cat([key, queue.entries]), positive, candidate, config.temperature)
        return Step(loss, metrics, (key, batch.index, batch.label), mined)

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))
