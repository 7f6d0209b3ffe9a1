"""NNCLR with controlled neighbours: how often the positive shares the anchor's class, and how near it is, is set.

A diagnostic of this book, no method of a paper: an oracle that reads labels. The loss, heads, queue and update are
those of NNCLR (Dwibedi et al., ICCV 2021, arXiv:2104.14548, Algorithm 1).
Compared with NNCLR: - the search decides; + each lookup is right with a set probability, and both the right and the
wrong rows are the nearest, random or the farthest of their kind, or as near as the nearest of the other, or give way to
the anchor's own view or another view of its image, without gradient; + which anchors find the right ones is set too.

With `right_share` 1 and the nearest of the class it is NNCLR's oracle neighbour; with easy anchors, no set share and
the nearest rows of both kinds it is NNCLR's own lookup. Rows of the queue that show no image yet are of no class: they
stand in only while the queue holds no row of the kind that was drawn.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.errors import require
from sslrepro.base.types import Float, Int, LabelledBatch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, passing_over_self, rows_in_batches, share, width
from sslrepro.parts.distributed import all_gather, all_gather_detached, local_rows
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.stand_in import VIEWS, stand_in_positives


@dataclass(frozen=True)
class Config:
    dim: int = width(256, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    hidden_predictor: int = width(4096, "hidden_predictor")  # width of the predictor's hidden layer
    temperature: float = above_zero(0.1)  # tau, Eq. 3
    queue_size: int = rows_in_batches(32_768, batch=4096)  # m, rows
    right_share: float | None = share(0.57)  # of lookups that find the anchor's class (NNCLR: 57%); None: its own share
    right: str = choice("nearest", "random", "farthest", "as_near", "view", "another")  # a row of its class, or a view
    wrong: str = choice("nearest", "random", "farthest", "as_near", "view", "another")  # a row of another, or a view
    exclude_self: bool = passing_over_self()  # pass over rows of the anchor's own image
    anchors: str = choice("drawn", "fixed", "easy", "hard", before="drawn")  # that are right; fixed: the same images


@final
class NNCLRControlled(Method):
    """Nearest-neighbour contrastive learning whose neighbours are right as often as asked."""

    diagnostic = True
    needs_labels = True
    n_views = 2  # three where some anchors get another view of their image

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.hidden, config.dim, last_norm=True)
        self.predictor = mlp(config.dim, config.hidden_predictor, config.dim)
        self.queue = Queue(config.queue_size, config.dim)
        if "another" in (config.right, config.wrong):
            self.n_views = 3
        own_share = config.anchors != "fixed" or config.right_share is not None
        require(own_share, "NNCLRControlled", "right_share", "in [0, 1] where anchors are 'fixed'", config.right_share)
        if config.anchors == "fixed":  # drawn last, so that all other weights are those of the other settings
            self.register_buffer("number", torch.rand(n_images))

    def contrast(self, n: Float[Tensor, "b d"], p: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        """Eq. 3 for the stand-ins n of one view and the predictions p of the other."""
        everyone = torch.ones(len(n), len(all_gather_detached(p)), dtype=torch.bool, device=n.device)
        own = torch.zeros_like(everyone)
        own[torch.arange(len(n), device=n.device), local_rows(len(n), n.device)] = True
        return nce(n, all_gather(p), own, everyone, self.config.temperature)

    def positives(
        self, slot: Int[Tensor, " b"], own: Float[Tensor, "b d"], another: Float[Tensor, "b d"] | None
    ) -> Float[Tensor, "b d"]:
        """The rows of the queue, or the anchor's own view or another of its image in their place."""
        n = torch.where(slot[:, None] >= 0, self.queue.entries[slot.clamp(min=0)], own)
        return n if another is None else torch.where(slot[:, None] == VIEWS["another"], another, n)

    def loss(self, batch: LabelledBatch, progress: float) -> Step:
        config, queue = self.config, self.queue
        z = [self.embed(view) for view in batch.views[:2]]
        with torch.no_grad():
            another = self.embed(batch.views[2]) if self.n_views == 3 else None
        p = [unit(self.predictor(rows)) for rows in z]
        same = batch.label[:, None] == queue.label
        other = ~same & (queue.label >= 0)
        allowed = torch.ones_like(same)
        if config.exclude_self:
            allowed = batch.index[:, None] != queue.index
        draws, generator = (config.right_share, config.right, config.wrong), batch.generator()
        fixed = self.number[batch.index] if config.anchors == "fixed" else None
        slots = [
            stand_in_positives(
                rows.detach(), queue.entries, same, other, allowed, *draws, generator, config.anchors, fixed
            )
            for rows in z
        ]
        n = [self.positives(slot, rows.detach(), another) for slot, rows in zip(slots, z, strict=True)]
        loss = (self.contrast(n[0], p[1]) + self.contrast(n[1], p[0])) / 2
        slot = torch.cat(slots)
        cosine = (torch.cat(n) * torch.cat(z)).sum(1).mean()
        metrics = {"embedding_std": spread(z[0]), "neighbour_cosine": cosine.detach()}
        mined = batch.index.repeat(2), torch.where(slot >= 0, queue.index[slot], -1)
        return Step(loss, metrics, (z[0].detach(), batch.index, batch.label), mined)

    def after_step(self, step: Step, progress: float) -> None:
        self.queue.push(*(all_gather_detached(tensor) for tensor in step.carry))
