"""FNC: keys that look like the anchor's image in any of its views are false negatives: attracted or left out.

Huynh et al., "Boosting Contrastive Self-Supervised Learning with False Negative Cancellation", WACV 2022,
arXiv:2011.11765.
Compared with MoCo: + support views, every view is an anchor, keys include the current batch; + false negatives.

The paper describes two support views, its code uses eight. The code knows attraction only; elimination is written from
the paper. The code multiplies the loss by two (SimCLR's scale): not here. Random rows of a fresh queue repel but are
never taken for false negatives.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Bool, Float, Int, Step
from sslrepro.base.values import NOT_NEGATIVE
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, cosine, count, momentum, rows, width
from sslrepro.parts.distributed import all_gather_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Queue, cosines, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    temperature: float = above_zero(0.1)  # tau
    queue_size: int = rows(65_536)  # rows: 16 batches of 4,096 in the paper
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    top_k: int = rows(10)  # false negatives are among the k most similar keys
    threshold: float = cosine(0.7)  # and more similar than this cosine
    mode: str = choice("attract", "eliminate")  # what becomes of false negatives
    n_support_views: int = count(2, NOT_NEGATIVE)  # views beside the two usual ones (the code: 8)


@final
class FNC(Method):
    """False negative cancellation."""

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.n_views = 2 + config.n_support_views
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.hidden, config.dim)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)

    def false_negatives(
        self, taught: Float[Tensor, "v b d"], keys: Float[Tensor, "k d"], own: Bool[Tensor, "b k"]
    ) -> Int[Tensor, "b top"]:
        """Positions of the top-k keys of other images by the largest cosine over an image's views; -1 if below."""
        score = cosines(taught, keys).amax(0).masked_fill(own, -2.0)
        value, place = score.topk(min(self.config.top_k, len(keys)), dim=1)
        return torch.where(value > self.config.threshold, place, -1)

    def loss(self, batch: Batch, progress: float) -> Step:
        b, n_views = len(batch.index), len(batch.views)
        z = torch.cat([self.embed(view) for view in batch.views])
        taught = torch.stack([unit(self.teacher(view)) for view in batch.views])
        row = local_rows(b, z.device)
        new = all_gather_detached(taught.flatten(0, 1))
        keys = torch.cat([new, self.queue.entries])
        index = torch.cat([all_gather_detached(batch.index.repeat(n_views)), self.queue.index])
        key_row = torch.cat([all_gather_detached(row.repeat(n_views)), torch.full_like(self.queue.index, -1)])

        of_row = row[:, None] == key_row  # the batch's keys of the same image
        never = of_row | (batch.index[:, None] == index) | (index < 0)
        place = self.false_negatives(taught, keys, never)
        false = torch.zeros(b, len(keys) + 1, dtype=torch.bool, device=z.device)
        false = false.scatter(1, torch.where(place >= 0, place, len(keys)), True)[:, :-1]

        candidate = torch.ones(len(z), len(keys), dtype=torch.bool, device=z.device)
        candidate[torch.arange(len(z), device=z.device), local_rows(len(z), z.device)] = False
        positive = of_row.repeat(n_views, 1) & candidate  # the other views of the image
        false = false.repeat(n_views, 1)
        if self.config.mode == "attract":
            positive = positive | false
        else:
            candidate = candidate & ~false
        loss = nce(z, keys, positive, candidate, self.config.temperature)
        mined = batch.index.repeat_interleave(place.shape[1]), torch.where(place >= 0, index[place], -1).flatten()
        metrics = {"embedding_std": spread(z), "false_negatives": (place >= 0).float().sum(1).mean()}
        return Step(loss, metrics, (taught.transpose(0, 1), batch.index), mined)

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        taught, index = (all_gather_detached(tensor) for tensor in step.carry)  # images first: any number of processes
        self.queue.push(taught.transpose(0, 1).flatten(0, 1), index.repeat(taught.shape[1]))
