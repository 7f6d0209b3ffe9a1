"""ISL: sets of alike images grow in rounds, through points that a small adversarial net places at their frontier.

Wang et al., "Instance Similarity Learning for Unsupervised Feature Representation", ICCV 2021, arXiv:2108.02721.
Compared with InstDisc: the own class becomes a set of images, + a term that brings the anchor's distribution to its
most similar member's; between rounds, + the net and the mining (`parts/frontier.py`).

The facts rest on the released code, the appendix and the abstract. Departures from the code:
* its learning rate falls when the accuracy on the *test* set stalls; here it is the schedule of all methods;
* it re-encodes augmented images in every pass of the net and the mining; here each image is encoded once per round,
  un-augmented (`own="encoder"`), or the bank stands for it ("bank");
* the net and the mining of the last round, which nothing follows, are left out; both have caps, since the code's own
  readme admits that they may not end; sets have a cap too, and refused pairs are counted.
The code's "hard positive" is the most *similar* member. In the code p is the anchor's own bank row; a figure of the
paper draws it from the set (`proxy_positive="member"`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Bool, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import (
    above_zero,
    batch_of_run,
    choice,
    cosine,
    count,
    images,
    not_negative,
    passes,
    share,
    width,
)
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.frontier import COUNTS, Frontier, Mining, grow
from sslrepro.parts.graph import Affinity
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Bank, cosines, unit
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    temperature: float = above_zero(0.07)  # tau (CIFAR: 0.1)
    bank_momentum: float = share(0.5)  # weight of a row's old value
    similar_weight: float = not_negative(0.5)  # of the divergence to the most similar member
    rounds: int = count(4)  # equal shares of training, the net and the mining between them
    score_threshold: float = share(0.3)  # theta: least score of a frontier point (CIFAR: 0.5)
    radius: float = cosine(0.3)  # R0: cosine that a score of 1 asks for (CIFAR: 0.6)
    growth: float = not_negative(0.5)  # other images per set that a round adds on average
    n_proxy_neighbours: int = count(10)  # bank rows looked at around a frontier point
    n_strangers: int = images(4096)  # random rows of which the most similar is the negative
    cap: int = count(64)  # members per set; ours, the code has none
    max_gan_epochs: int = passes(200)  # passes of the net over the set
    max_passes: int = passes(200)  # passes of the mining over the set
    mining_batch: int = batch_of_run(256)  # per step of the net and the mining: the training batch, as in the code
    gan_lr: float = above_zero(1e-4)  # of Adam, for the net
    mine_from: str = choice("all", "written", before="all")  # bank rows: written, those that an image has been put in
    proxy_positive: str = choice("own", "member")  # p is the anchor's bank row, or a member's
    own: str = choice("encoder", "bank")  # where the net's anchors come from


@final
class ISL(Method):
    """Instance similarity learning."""

    n_views = 1
    alternatives = ({"temperature": 0.1, "score_threshold": 0.5, "radius": 0.6},)  # CIFAR

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.dim)
        self.bank = Bank(n_images, config.dim, config.bank_momentum)
        self.affinity = Affinity(n_images, config.cap)
        self.frontier = Frontier(config.dim)
        self.mining = Mining.of(config)
        if config.mine_from == "written":
            self.register_buffer("written", torch.zeros(n_images, dtype=torch.bool))

    def divergence(self, z: Float[Tensor, "b d"], member: Bool[Tensor, "b n"]) -> Float[Tensor, ""]:
        """KL(p_i || p_s) to the distribution of the most similar member s, of rows that have one; sum over b."""
        rows, tau = self.bank.entries, self.config.temperature
        similar = rows[cosines(z.detach(), rows).masked_fill(~member, -2.0).argmax(1)]
        with torch.autocast(z.device.type, enabled=False):
            mine = (z @ rows.T / tau).log_softmax(1)
            theirs = (similar @ rows.T / tau).log_softmax(1)
            each = nn.functional.kl_div(theirs, mine, reduction="none", log_target=True).sum(1)
        return (each * member.any(1)).mean()

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        rows = self.bank.entries
        member = self.affinity.of(batch.index)
        own = batch.index[:, None] == torch.arange(len(rows), device=z.device)
        loss = nce(z, rows, own | member, torch.ones_like(own), self.config.temperature, mode="in")
        loss = loss + self.config.similar_weight * self.divergence(z, member)
        metrics = {"embedding_std": spread(z), "members": member.float().sum(1).mean()}
        return Step(loss, metrics, (z.detach(), batch.index))

    def after_step(self, step: Step, progress: float) -> None:
        z, index = (all_gather_detached(tensor) for tensor in step.carry)
        self.bank.update(z, index)
        if self.config.mine_from == "written":
            self.written[index] = True

    def refresh(self, encode: Callable[[nn.Module], Tensor], progress: float) -> None:
        """At the end of every round but the last: train the net, grow the sets."""
        rows, net = self.bank.entries, nn.Sequential(self.encoder, self.projector)

        def own() -> Tensor:
            return unit(encode(net)) if self.config.own == "encoder" else rows

        written = self.written if self.config.mine_from == "written" else None
        grow(self.frontier, self.affinity, self.mining, self.config.rounds, progress, rows, own, written)

    @property
    def relations(self) -> Tensor:
        return self.affinity.members

    @property
    def reports(self) -> dict[str, float]:
        return dict(zip(COUNTS, self.frontier.counts.tolist(), strict=True))
