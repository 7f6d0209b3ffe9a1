"""NNSiam with controlled neighbours: how often the target shares the anchor's class, and how near it is, is set.

A diagnostic of this book, no method of a paper: an oracle that reads labels. Loss, heads, queue and update are those of
NNSiam (Dwibedi et al., ICCV 2021, arXiv:2104.14548, Appendix B).
Compared with NNSiam: - the search decides; + each target is right with a set probability, and both the right and the
wrong rows are the nearest, random or the farthest of their kind (parts/stand_in.py).
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.types import LabelledBatch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import bottleneck, choice, passing_over_self, rows, share, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import cosine, weighted_mean
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.stand_in import stand_in_positives


@dataclass(frozen=True)
class Config:
    dim: int = width(2048, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    hidden_predictor: int = bottleneck(512, of="dim", part=1 / 4)  # SimSiam's
    queue_size: int = rows(98_304)  # m, rows
    right_share: float = share(0.57)  # of targets that are rows of the anchor's class; NNCLR reports 57% at its end
    right: str = choice("nearest", "random", "farthest")  # which row of the anchor's class
    wrong: str = choice("nearest", "random", "farthest")  # which row of another class
    exclude_self: bool = passing_over_self()  # pass over rows of the anchor's own image


@final
class NNSiamControlled(Method):
    """Simple siamese learning whose nearest-neighbour targets are right as often as asked."""

    diagnostic = True
    needs_labels = True
    n_views = 2
    constant_lr = ("predictor",)

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        width = config.hidden
        self.projector = mlp(encoder.dim, width, width, config.dim, last_norm=True, last_affine=False)
        self.predictor = mlp(config.dim, config.hidden_predictor, config.dim)
        self.queue = Queue(config.queue_size, config.dim)

    def loss(self, batch: LabelledBatch, progress: float) -> Step:
        config, queue = self.config, self.queue
        z = [self.projector(self.encoder(view)) for view in batch.views]
        p = [self.predictor(rows) for rows in z]
        same = batch.label[:, None] == queue.label
        other = ~same & (queue.label >= 0)
        allowed = torch.ones_like(same)
        if config.exclude_self:
            allowed = batch.index[:, None] != queue.index
        draws, generator = (config.right_share, config.right, config.wrong), batch.generator()
        slots = [
            stand_in_positives(unit(rows.detach()), queue.entries, same, other, allowed, *draws, generator)
            for rows in z
        ]
        target = [queue.entries[slot] for slot in slots]
        rows = -(cosine(p[0], target[1]) + cosine(p[1], target[0])) / 2
        mined = batch.index.repeat(2), queue.index[torch.cat(slots)]
        carry = unit(z[0].detach()), batch.index, batch.label
        return Step(weighted_mean(rows), {"embedding_std": spread(unit(z[0]))}, carry, mined)

    def after_step(self, step: Step, progress: float) -> None:
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))
