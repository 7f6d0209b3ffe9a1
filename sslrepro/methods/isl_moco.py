"""ISL on MoCo v2: the mined sets of alike images join the positives of a momentum contrast.

Wang et al., "Instance Similarity Learning for Unsupervised Feature Representation", ICCV 2021, arXiv:2108.02721,
Appendix.
Compared with MoCo v2: + a bank of teacher embeddings, whose rows of alike images attract, + the mining of ISL.

The appendix says that mined neighbours supervise MoCo v2 and gives numbers, no loss; the code has no trace of it. So
this is our specification: the rounds of ISL, the first of them MoCo v2 without the anchor's own past; positives are
the own key and the bank rows of the members, negatives the queue without the anchor's and its members' rows; no
divergence term.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import (
    above_zero,
    batch_of_run,
    choice,
    cosine,
    count,
    images,
    momentum,
    not_negative,
    passes,
    rows,
    share,
    width,
)
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.frontier import COUNTS, Frontier, Mining, grow
from sslrepro.parts.graph import Affinity
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Bank, Queue, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.teacher import MomentumTeacher


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's hidden layer, no batch norm
    temperature: float = above_zero(0.2)  # tau, MoCo v2's
    queue_size: int = rows(65_536)  # rows
    teacher_momentum: float = momentum(0.999)  # weight of the teacher's old value
    bank_momentum: float = share(0.5)  # weight of a row's old value
    rounds: int = count(4)  # equal shares of training, the net and the mining between them
    score_threshold: float = share(0.3)  # theta: least score of a frontier point
    radius: float = cosine(0.3)  # R0: cosine that a score of 1 asks for
    growth: float = not_negative(0.5)  # other images per set that a round adds on average
    n_proxy_neighbours: int = count(10)  # bank rows looked at around a frontier point
    n_strangers: int = images(4096)  # random rows of which the most similar is the negative
    cap: int = count(64)  # members per set
    max_gan_epochs: int = passes(200)  # passes of the net over the set
    max_passes: int = passes(200)  # passes of the mining over the set
    mining_batch: int = batch_of_run(256)  # per step of the net and the mining: the training batch, as in the code
    gan_lr: float = above_zero(1e-4)  # of Adam, for the net
    mine_from: str = choice("all", "written", before="all")  # bank rows: written, those that an image has been put in


@final
class ISLMoCo(Method):
    """Instance similarity learning on a momentum contrast."""

    n_views = 2
    alternatives = ({"score_threshold": 0.5, "radius": 0.6},)  # ISL on CIFAR

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim, hidden_norm=False)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))
        self.queue = Queue(config.queue_size, config.dim)
        self.bank = Bank(n_images, config.dim, config.bank_momentum)
        self.affinity = Affinity(n_images, config.cap)
        self.frontier = Frontier(config.dim)
        self.mining = Mining.of(config)
        if config.mine_from == "written":
            self.register_buffer("written", torch.zeros(n_images, dtype=torch.bool))

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        key = unit(self.teacher(batch.views[1]))
        own = torch.eye(len(z), dtype=torch.bool, device=z.device)
        member = self.affinity.of(batch.index)
        stored = self.queue.index
        alike = (member[:, stored.clamp_min(0)] & (stored >= 0)) | (batch.index[:, None] == stored)
        positive = torch.cat([own, member, torch.zeros_like(alike)], 1)
        candidate = torch.cat([own, member, ~alike], 1)
        keys = torch.cat([key, self.bank.entries, self.queue.entries])
        loss = nce(z, keys, positive, candidate, self.config.temperature, mode="in")
        metrics = {"embedding_std": spread(z), "members": member.float().sum(1).mean()}
        return Step(loss, metrics, (key, batch.index))

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), self.config.teacher_momentum)
        key, index = (all_gather_detached(tensor) for tensor in step.carry)
        self.queue.push(key, index)
        self.bank.update(key, index)
        if self.config.mine_from == "written":
            self.written[index] = True

    def refresh(self, encode: Callable[[nn.Module], Tensor], progress: float) -> None:
        rows = self.bank.entries
        written = self.written if self.config.mine_from == "written" else None
        grow(
            self.frontier,
            self.affinity,
            self.mining,
            self.config.rounds,
            progress,
            rows,
            lambda: unit(encode(self.teacher)),
            written,
        )

    @property
    def relations(self) -> Tensor:
        return self.affinity.members

    @property
    def reports(self) -> dict[str, float]:
        return dict(zip(COUNTS, self.frontier.counts.tolist(), strict=True))
