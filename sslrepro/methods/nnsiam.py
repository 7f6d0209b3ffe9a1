"""NNSiam: SimSiam whose target is the nearest neighbour, in a queue, of the other view.

Dwibedi et al., "With a Little Help from My Friends", ICCV 2021, arXiv:2104.14548, Appendix B.
Compared with SimSiam: + queue, + nearest-neighbour target; compared with NNCLR: - negatives.

The appendix says that the branch without gradient is replaced by its nearest neighbour: so the prediction from one
view meets the neighbour of the other view. Queue length and predictor width are not given: the paper's best queue and
SimSiam's predictor. A constant queue is a collapse too: watch `embedding_std`.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import bottleneck, passing_over_self, rows, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import cosine, weighted_mean
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.mining import nearest


@dataclass(frozen=True)
class Config:
    dim: int = width(2048, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    hidden_predictor: int = bottleneck(512, of="dim", part=1 / 4)  # not given, SimSiam's
    queue_size: int = rows(98_304)  # m, rows; not given, NNCLR's best
    exclude_self: bool = passing_over_self()  # pass over rows of the anchor's own image


@final
class NNSiam(Method):
    """Simple siamese learning with nearest-neighbour targets."""

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

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.projector(self.encoder(view)) for view in batch.views]
        p = [self.predictor(rows) for rows in z]
        own = (batch.index, self.queue.index) if self.config.exclude_self else (None, None)
        slots = [nearest(unit(rows.detach()), self.queue.entries, 1, *own)[1][:, 0] for rows in z]
        target = [self.queue.entries[slot] for slot in slots]
        rows = -(cosine(p[0], target[1]) + cosine(p[1], target[0])) / 2
        anchor, neighbour = batch.index.repeat(2), self.queue.index[torch.cat(slots)]
        metrics = {"embedding_std": spread(unit(z[0])), "self_hit": (anchor == neighbour).float().mean()}
        return Step(weighted_mean(rows), metrics, (unit(z[0].detach()), batch.index), (anchor, neighbour))

    def after_step(self, step: Step, progress: float) -> None:
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))
