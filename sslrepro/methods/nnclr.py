"""NNCLR: the positive of a view is the nearest neighbour, in a queue, of the image's other view.

Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual
Representations", ICCV 2021, arXiv:2104.14548.
Compared with SimCLR: + queue, + nearest-neighbour positive, + prediction head; the keys come from one view only.

Where the paper is silent or disagrees with itself:
* Sec. 3.2 makes the loss symmetric by adding the softmax over columns, Algorithm 1 by swapping the two views.
  These are different losses. Default: the algorithm ("swap"); "text" and "both" are the others.
* Eq. 4 and Algorithm 1 omit the normalisation that the text asks for: here queries and rows have unit norm, and
  then the largest dot product is the smallest L2 distance.
* Algorithm 1 hands the predictor the projector's output as it is; here its rows have unit norm, unless
  `predictor_input` is "raw". Two seeds at small scale show no difference.
* The soft nearest neighbour has no stated temperature, and Table 7e prints Table 4's numbers for it.
* Where a momentum encoder would stand is not said: here it embeds queries and queue, the student predicts.
* A queue that spans much of the data set holds the anchor's own past: `exclude_self` passes those rows over.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.device import to_device
from sslrepro.base.errors import require
from sslrepro.base.types import Batch, Float, Int, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, momentum, passing_over_self, rows, rows_in_batches, share, width
from sslrepro.parts.distributed import all_gather, all_gather_detached, among_first, local_rows, world_size
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Queue, cosines, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.mining import nearest
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(256, "dim")  # d, width of the embedding, Table 7d
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    hidden_predictor: int = width(4096, "hidden_predictor")  # width of the predictor's hidden layer
    temperature: float = above_zero(0.1)  # tau, Eq. 3
    queue_size: int = rows_in_batches(32_768, batch=4096)  # m, rows, Table 7a (98,304 is best)
    top_k: int = rows(1)  # the positive is drawn from the k nearest rows, Table 7b
    positive: str = choice("nearest", "soft", "view", "detached", "oracle")  # Tables 4, 7e; oracle: by class
    soft_temperature: float = above_zero(0.1)  # of the soft nearest neighbour; not given in the paper
    predictor: bool = True  # Table 7f
    predictor_input: str = choice("unit", "raw", before="unit")  # embeddings; Algorithm 1: the projector's output
    symmetry: str = choice("swap", "text", "both", "none")  # of the loss, see above
    teacher_momentum: float | None = momentum(None)  # momentum encoder of Table 4; None = without
    support: str = choice("queue", "encoder")  # encoder: fresh images through it, Table 8
    eviction: str = choice("oldest", "random")  # rows that make room, Sec. 4.4
    push_both_views: bool = False  # Sec. 4.4: no significant change
    exclude_self: bool = passing_over_self()  # pass over rows of the anchor's own image
    accepted: float = share(1.0, before=1.0)  # of all anchors, those nearest to their neighbour; the others: the view


@final
class NNCLR(Method):
    """Nearest-neighbour contrastive learning, with every variant of the paper's ablations as a setting."""

    alternatives = ({"predictor_input": "raw"},)  # Algorithm 1

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        allowed = f"1..{config.queue_size}, the queue's rows"
        require(1 <= config.top_k <= config.queue_size, "NNCLR", "top_k", allowed, config.top_k)
        drawn = config.top_k == 1 or config.positive == "nearest"
        require(drawn, "NNCLR", "top_k", "1 unless positive is 'nearest'", config.top_k)
        gated = config.accepted == 1 or config.positive == "nearest"
        require(gated, "NNCLR", "accepted", "1 unless positive is 'nearest'", config.accepted)
        labelled_queue = config.positive != "oracle" or config.support == "queue"
        require(labelled_queue, "NNCLR", "support", "'queue' when positive is 'oracle'", config.support)
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.hidden, config.dim, last_norm=True)
        self.predictor = mlp(config.dim, config.hidden_predictor, config.dim) if config.predictor else nn.Identity()
        if config.support == "queue":
            self.queue = Queue(config.queue_size, config.dim, config.eviction)
        if config.teacher_momentum is not None:
            self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.needs_labels = config.positive == "oracle"
        self.n_support = config.queue_size if config.support == "encoder" else 0

    def predict(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return unit(self.predictor(z))

    def support_set(self, batch: Batch) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]]:
        """The support set Q: rows and the data-set index of each."""
        if self.config.support == "queue":
            return self.queue.entries, self.queue.index
        with torch.no_grad():  # Table 8: fresh images through the current encoder
            return self.embed(batch.support), batch.support_index

    def neighbour(
        self, z: Float[Tensor, "b d"], batch: Batch, rows: Float[Tensor, "m d"], row_index: Int[Tensor, " m"]
    ) -> tuple[Float[Tensor, "b d"], Int[Tensor, " b"]]:
        """NN(z, Q) of Eq. 4, without gradient, and the row it is (for "soft", the row of most weight)."""
        config = self.config
        own = (batch.index, row_index) if config.exclude_self else (None, None)
        if config.positive == "soft":
            with torch.autocast(z.device.type, enabled=False):
                similarity = z @ rows.T / config.soft_temperature
                if config.exclude_self:
                    similarity = similarity.masked_fill(batch.index[:, None] == row_index, float("-inf"))
                return unit(similarity.softmax(1) @ rows), similarity.argmax(1)
        _, slots = nearest(z, rows, config.top_k, *own)
        if config.top_k > 1:
            draw = to_device(torch.randint(config.top_k, (len(z), 1), generator=batch.generator()), z.device)
            slots = slots.gather(1, draw)
        slot = slots[:, 0]
        if config.positive == "oracle":  # nearest row of the anchor's class; nobody of it yet: the plain nearest
            other_class = batch.label[:, None] != self.queue.label
            if config.exclude_self:
                other_class |= batch.index[:, None] == row_index
            similarity, best = cosines(z, rows).masked_fill(other_class, float("-inf")).max(1)
            slot = torch.where(similarity.isfinite(), best, slot)
        return rows[slot], slot

    def accept(
        self, z: Float[Tensor, "b d"], n: Float[Tensor, "b d"], index: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b d"], Int[Tensor, " b"]]:
        """The neighbours n of those anchors z that lie nearest to theirs; the others keep z, and index -1."""
        taken = among_first((z * n).sum(1), round(self.config.accepted * len(z) * world_size()))
        return torch.where(taken[:, None], n, z), torch.where(taken, index, -1)

    def contrast(self, n: Float[Tensor, "b d"], p: Float[Tensor, "b d"]) -> list[Tensor]:
        """Eq. 3 for the stand-ins n of one view and the predictions p of another; one or two terms."""
        everyone = torch.ones(len(n), len(all_gather_detached(p)), dtype=torch.bool, device=n.device)
        own = torch.zeros_like(everyone)
        own[torch.arange(len(n), device=n.device), local_rows(len(n), n.device)] = True
        terms = [nce(n, all_gather(p), own, everyone, self.config.temperature)]
        if self.config.symmetry in ("text", "both"):  # the same logits, softmax over the stand-ins
            terms.append(nce(p, all_gather(n), own, everyone, self.config.temperature))
        return terms

    def loss(self, batch: Batch, progress: float) -> Step:
        if self.config.predictor_input == "unit":
            z = [self.embed(view) for view in batch.views]
            p = [self.predict(rows) for rows in z]
        else:
            raw = [self.projector(self.encoder(view)) for view in batch.views]
            z, p = [unit(rows) for rows in raw], [self.predict(rows) for rows in raw]
        large = range(1 if self.config.symmetry in ("text", "none") else 2)  # neighbours of the large views only
        if self.config.teacher_momentum is None:
            query = z[:2]
        else:
            query = [unit(self.teacher(view)) for view in batch.views[:2]]
        carry = (*(rows.detach() for rows in query), batch.index)
        if self.needs_labels:
            carry += (batch.label,)

        metrics = {"embedding_std": spread(z[0])}
        if self.config.positive == "view":  # Table 4: the view itself, with gradient
            stand_in, mined = query, None
        elif self.config.positive == "detached":  # as a neighbour has none
            stand_in, mined = [rows.detach() for rows in query], None
        else:
            rows, row_index = self.support_set(batch)
            neighbours = [self.neighbour(query[v].detach(), batch, rows, row_index) for v in large]
            stand_in = [n for n, _ in neighbours]
            slots = torch.cat([slot for _, slot in neighbours])
            images = [row_index[slot] for _, slot in neighbours]
            if self.config.accepted < 1:
                gated = [self.accept(query[v].detach(), stand_in[v], images[v]) for v in large]
                stand_in, images = [n for n, _ in gated], [index for _, index in gated]
            anchor = batch.index.repeat(len(large))
            mined = anchor, torch.cat(images)
            metrics["neighbour_cosine"] = (torch.cat(stand_in) * torch.cat([query[v] for v in large])).sum(1).mean()
            metrics["self_hit"] = (mined[1] == anchor).float().mean()
            metrics["self_in_queue"] = (batch.index[:, None] == row_index).any(1).float().mean()
            if self.config.support == "queue":
                metrics["neighbour_age_steps"] = self.queue.age(slots).mean()
        terms = [
            term for v in large for w in range(len(p)) if w != v for term in self.contrast(stand_in[v], p[w])
        ]  # Algorithm 1: L(NN(z1), p2) / 2 + L(NN(z2), p1) / 2; multi-crop averages over all pairs
        loss = torch.stack(terms).mean()
        return Step(loss, {name: value.detach() for name, value in metrics.items()}, carry, mined)

    def after_step(self, step: Step, progress: float) -> None:
        config = self.config
        if config.teacher_momentum is not None:
            self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), config.teacher_momentum)
        if config.support == "queue":  # last line of Algorithm 1: only view 1 enters the queue
            first, second, index, *label = (all_gather_detached(tensor) for tensor in step.carry)
            views = (first, second) if config.push_both_views else (first,)
            for rows in views:
                self.queue.push(rows, index, label[0] if label else None)
