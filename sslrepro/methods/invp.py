"""InvP: positives are reached over several hops of a nearest-neighbour graph, and the least similar of them count.

Wang et al., "Unsupervised Representation Learning by Invariance Propagation", NeurIPS 2020, arXiv:2010.11694.
Compared with InstDisc: + a kNN graph of the bank, + positives within `hops` of it, of which only the hardest are used,
+ hard negatives in place of all rows.

The paper's formula and its released code differ (`form`). Paper: positives are a set without the anchor, and the
denominator of the invariance loss is the nearest rows without the positives, plus the hard ones. Code: neighbour lists
are concatenated level by level, with repeats and usually with the anchor; the nearest rows keep the positives among
them and lose the anchor's own term; 1e-7 inside the logarithms stops gradients of very unlikely positives.
Whether the anchor's own row, at distance 0, is a positive of the invariance loss is not stated (`anchor`): a set
without it repels it, the code's walks mostly come back to it, and it may be left out of that loss altogether.
A head without batch norm at temperature 0.2 hardly learns from the instance loss at small scale, a linear one at 0.07
does, and so does one with batch norm (`head`).
The graph comes from augmented views, as old as an image's last visit. The released code picks the epoch by its
validation accuracy; here it is the last.
`hops=1` with `n_neighbours=k` is the k-nearest-neighbour baseline of the rebuttal.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Bool, Float, Step
from sslrepro.base.values import NOT_NEGATIVE
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, count, not_negative, rows, share, start, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.graph import NeighbourGraph
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Bank, cosines
from sslrepro.parts.metrics import mean_where, spread
from sslrepro.parts.mining import extreme, list_pairs, nearest


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden", allowed=NOT_NEGATIVE)  # of the projector, no batch norm; 0 = it is linear
    head: str = choice("plain", "batch_norm", "linear", before="plain")  # batch norm in it; or the linear layer alone
    temperature: float = above_zero(0.2)  # tau (the argument's default in the code: 0.07)
    bank_momentum: float = share(0.5)  # weight of a row's old value
    n_neighbours: int = count(4)  # k, edges out of each image
    hops: int = count(3)  # l, graph distance up to which images are positives (CIFAR-100: 4)
    n_positives: int = count(50)  # P, the least similar of them (CIFAR-10: 20)
    n_negatives: int = rows(4096)  # M, nearest rows in the denominators
    weight: float = not_negative(0.6)  # lambda, of the invariance loss
    instance_weight: float = not_negative(1.0, before=1.0)  # of the instance loss; 0: the invariance loss alone
    gate: float = start(0.0375)  # share of training without it (30 of 800 epochs)
    form: str = choice("paper", "code")  # of the losses: as printed or as released
    anchor: str = choice("repelled", "positive", "left_out", before="repelled")  # own row in that loss, paper's form


@final
class InvP(Method):
    """Invariance propagation with a bank."""

    n_views = 1
    alternatives = ({"head": "linear", "temperature": 0.07},)  # the code's arguments

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        hidden = (config.hidden,) if config.hidden and config.head != "linear" else ()
        self.projector = mlp(encoder.dim, *hidden, config.dim, hidden_norm=config.head == "batch_norm")
        self.bank = Bank(n_images, config.dim, config.bank_momentum)
        self.graph = NeighbourGraph(n_images, config.n_neighbours)

    def by_paper(
        self,
        z: Tensor,
        batch: Batch,
        near: Bool[Tensor, "b n"],
        similarity: Float[Tensor, "b n"],
        reached: Bool[Tensor, "b n"],
        open: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Instance loss, invariance loss, and the hard positives as a mask."""
        config, rows = self.config, self.bank.entries
        own = batch.index[:, None] == torch.arange(len(rows), device=z.device)
        instance = nce(z, rows, own, near | own, config.temperature)
        if not open:
            return instance, instance.new_zeros(()), torch.zeros_like(own)
        if config.anchor == "positive":
            reached = reached | own
        hard = extreme(similarity, reached, config.n_positives, largest=False)
        candidate = (near & ~reached & ~own) | hard if config.anchor == "left_out" else (near & ~reached) | hard
        none = ~reached.any(1, keepdim=True)  # nothing known yet: loss 0, no gradient
        positive, candidate = hard | (none & near), candidate | (none & near)
        return instance, nce(z, rows, positive, candidate, config.temperature, mode="in"), hard

    def by_code(
        self,
        z: Tensor,
        batch: Batch,
        near: Bool[Tensor, "b n"],
        similarity: Float[Tensor, "b n"],
        reached: Bool[Tensor, "b n"],
        open: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same three from the released code's lists."""
        config = self.config
        with torch.autocast(z.device.type, enabled=False):
            e = (z @ self.bank.entries.T / config.temperature).exp()
        total = (e * near).sum(1)
        own = e.gather(1, batch.index[:, None])[:, 0]
        instance = -(own / total + 1e-7).log().mean()
        hard = torch.zeros_like(near)
        if not open:
            return instance, instance.new_zeros(()), hard
        walks = self.graph.walks(batch.index, config.hops)
        present = walks >= 0
        order = similarity.gather(1, walks.clamp_min(0)).masked_fill(~present, float("inf"))
        place = order.topk(min(config.n_positives, walks.shape[1]), dim=1, largest=False).indices
        chosen, counted = walks.gather(1, place).clamp_min(0), present.gather(1, place)
        pull = (e.gather(1, chosen) * counted).sum(1)
        rows = -(pull / (total - own) + 1e-7).log()
        hard.scatter_(1, chosen, counted)
        return instance, torch.where(present.any(1), rows, 0.0).mean(), hard

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        config, rows = self.config, self.bank.entries
        similarity = cosines(z.detach(), rows)
        near = extreme(similarity, torch.ones_like(similarity, dtype=torch.bool), config.n_negatives)
        reached = self.graph.within(batch.index, config.hops)
        parts = self.by_paper if config.form == "paper" else self.by_code
        instance, invariance, hard = parts(z, batch, near, similarity, reached, progress >= config.gate)
        loss = config.instance_weight * instance + config.weight * invariance
        everyone = torch.arange(len(rows), device=z.device)
        neighbours = nearest(z.detach(), rows, config.n_neighbours, batch.index, everyone)[1]
        stranger = ~reached & (batch.index[:, None] != everyone)
        metrics = {
            "embedding_std": spread(z),
            "hard_positives": hard.float().sum(1).mean(),
            "neighbours_kept": self.graph.share_kept(batch.index, neighbours),
            "discovered": reached.float().sum(1).mean(),
            "discovered_similarity": mean_where(similarity, reached),
            "stranger_similarity": mean_where(similarity, stranger),
        }
        mined = list_pairs(batch.index, hard, everyone, config.n_positives) if progress >= config.gate else None
        return Step(loss, metrics, (z.detach(), batch.index, neighbours), mined)

    def after_step(self, step: Step, progress: float) -> None:
        z, index, neighbours = (all_gather_detached(tensor) for tensor in step.carry)
        self.graph.write(index, neighbours)
        self.bank.update(z, index)

    @property
    def relations(self) -> Tensor:
        return self.graph.neighbours
