"""Points at the frontier of an image's neighbourhood, proxy by a small adversarial net in embedding space (ISL).

From an anchor a, a point p close to it and a hard negative n, the generator makes p': acceptable to the discriminator
both as a negative beside p and as a positive beside n. Rows of the bank near p' are then held to be like the anchor.
Everything works on stored vectors: no image is encoded here (the released code encodes all images anew every pass).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from sslrepro.base.types import Bool, Float, Int
from sslrepro.parts.distributed import broadcast
from sslrepro.parts.graph import Affinity
from sslrepro.parts.memory import unit
from sslrepro.parts.mining import nearest


@dataclass(frozen=True)
class Mining:
    """Settings of the second and third stage, by their names in the methods' configurations."""

    score_threshold: float
    radius: float
    growth: float
    n_proxy_neighbours: int
    n_strangers: int
    max_gan_epochs: int
    max_passes: int
    mining_batch: int
    gan_lr: float
    proxy_positive: str = "own"

    @classmethod
    def of(cls, config: Any) -> "Mining":
        """Those of a method's configuration; what it does not name keeps its default."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls) if hasattr(config, field.name)})


def discriminator_loss(real: Float[Tensor, " b"], near: Float[Tensor, " b"], far: Float[Tensor, " b"]) -> Tensor:
    """1/2 [BCE(D(a, p, n), 1) + 1/2 BCE(D(a, p, p'), 0) + 1/2 BCE(D(a, p', n), 0)]; scores in (0, 1)."""
    bce = nn.functional.binary_cross_entropy
    zero = torch.zeros_like(real)
    return (bce(real, torch.ones_like(real)) + bce(near, zero) / 2 + bce(far, zero) / 2) / 2


def generator_loss(near: Float[Tensor, " b"], far: Float[Tensor, " b"]) -> Tensor:
    """1/2 BCE(D(a, p, p'), 1) + 1/2 BCE(D(a, p', n), 1)."""
    ones = torch.ones_like(near)
    return (nn.functional.binary_cross_entropy(near, ones) + nn.functional.binary_cross_entropy(far, ones)) / 2


def radius_of(score: Tensor, radius: float) -> Tensor:
    """Least cosine to p' for admission: from `radius` at score 1 towards 1 as the score falls."""
    return radius + (1 - score) * (1 - radius)


COUNTS = ("gan_epochs", "mining_passes", "pairs_admitted", "pairs_refused")  # refused: by the cap on a set's size


class Frontier(nn.Module):
    """The generator and the discriminator; drawn anew for every round.

    rounds_done   rounds whose mining is over;  seed   of all draws, drawn at initialisation
    counts        of the last round, see `COUNTS`
    """

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("rounds_done", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))
        self.register_buffer("counts", torch.zeros(len(COUNTS), dtype=torch.float64))
        self.generator = nn.Sequential(
            nn.Linear(3 * dim, 2 * dim),
            nn.LeakyReLU(0.01),
            nn.Linear(2 * dim, dim),
            nn.LeakyReLU(0.01),
            nn.Linear(dim, dim),
        )
        self.discriminator = nn.Sequential(
            nn.Linear(3 * dim, dim),
            nn.LeakyReLU(0.01),
            nn.Linear(dim, dim // 2 or 1),
            nn.LeakyReLU(0.01),
            nn.Linear(dim // 2 or 1, 1),
            nn.Sigmoid(),
        )

        self.requires_grad_(False)  # trained between rounds, by optimizers of their own

    def redraw(self, generator: torch.Generator) -> None:
        """New weights, uniform within 1 / sqrt(inputs) as torch draws them."""
        with torch.no_grad():
            for part in (*self.generator, *self.discriminator):
                if isinstance(part, nn.Linear):
                    bound = part.in_features**-0.5
                    for tensor in (part.weight, part.bias):
                        drawn = torch.rand(tensor.shape, generator=generator) * 2 * bound - bound
                        tensor.copy_(drawn)

    def proxy(self, a: Tensor, p: Tensor, n: Tensor) -> Float[Tensor, "b d"]:
        """p', unit rows."""
        return unit(self.generator(torch.cat([a, p, n], 1)))

    def score(self, a: Tensor, p: Tensor, n: Tensor) -> Float[Tensor, " b"]:
        """D(a, p, n): how much p looks closer to a than n does, in (0, 1)."""
        return self.discriminator(torch.cat([a, p, n], 1))[:, 0]


@torch.no_grad()
def triplets(
    index: Int[Tensor, " b"],
    own: Tensor,
    bank: Tensor,
    affinity: Affinity,
    how: Mining,
    generator: torch.Generator,
    written: Int[Tensor, " w"] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(a, p, n) for images `index`: the own embedding, a point held close, the hardest of random strangers.

    p is the image's own bank row, as in the released code, or a random member of its set, as in the paper's figure.
    n is the most similar of `n_strangers` random bank rows outside the set; more are drawn than a set can hold.

    written   images whose bank rows may be strangers; None: all
    """
    a, p = own[index], bank[index]
    inside = affinity.of(index)
    if how.proxy_positive == "member":
        members = affinity.members[index]
        count = (members >= 0).sum(1)
        draw = (torch.rand(len(index), generator=generator).to(a.device) * (count + 1)).long()  # 0: the image itself
        chosen = torch.where(draw > 0, members.gather(1, (draw - 1).clamp_min(0)[:, None])[:, 0], index)
        p = bank[chosen]
    n_rows = len(bank) if written is None else len(written)
    stranger = torch.randperm(n_rows, generator=generator)[: how.n_strangers].to(a.device)
    stranger = stranger if written is None else written[stranger]
    similarity = a @ bank[stranger].T
    excluded = inside[:, stranger] | (index[:, None] == stranger)
    n = bank[stranger[similarity.masked_fill(excluded, -2.0).argmax(1)]]
    return a, p, n


def fit(
    net: Frontier,
    own: Tensor,
    bank: Tensor,
    affinity: Affinity,
    how: Mining,
    generator: torch.Generator,
    first: bool,
    written: Int[Tensor, " w"] | None = None,
) -> list[float]:
    """Train generator and discriminator in turn; returns the generator's mean loss per epoch.

    Ends as the released code does: not before 10 epochs in the first round; the least loss is at most 1; the last
    epoch is not the best of the last three, nor is the best of all among them; or at `max_gan_epochs`.
    """
    net.requires_grad_(True)
    solvers = [torch.optim.Adam(part.parameters(), lr=how.gan_lr) for part in (net.discriminator, net.generator)]
    losses: list[float] = []
    while len(losses) < how.max_gan_epochs and not may_stop(losses, first):
        total, batches = 0.0, in_random_order(len(own), written, generator, own.device).split(how.mining_batch)
        for index in batches:
            a, p, n = triplets(index, own, bank, affinity, how, generator, written)
            proxy = net.proxy(a, p, n)
            fixed = proxy.detach()
            loss = discriminator_loss(net.score(a, p, n), net.score(a, p, fixed), net.score(a, fixed, n))
            solvers[0].zero_grad()
            loss.backward()
            solvers[0].step()
            loss = generator_loss(net.score(a, p, proxy), net.score(a, proxy, n))
            solvers[1].zero_grad()
            loss.backward()
            solvers[1].step()
            total += loss.item()
        losses.append(total / len(batches))
    net.requires_grad_(False)
    for parameter in net.parameters():
        parameter.grad = None
    return losses


def in_random_order(
    n: int, written: Int[Tensor, " w"] | None, generator: torch.Generator, device: torch.device
) -> Int[Tensor, " w"]:
    """All of 0..n-1, or only those that are written, shuffled."""
    order = torch.randperm(n if written is None else len(written), generator=generator).to(device)
    return order if written is None else written[order]


def may_stop(losses: list[float], first: bool) -> bool:
    """Whether the adversarial training may stop; see `fit`."""
    if len(losses) < (10 if first else 4) or min(losses) > 1 or (first and losses[-1] > 1):
        return False
    recent = losses[-3:]
    return losses[-1] > min(recent) and min(losses) < min(recent)


@torch.no_grad()
def mine(
    net: Frontier,
    own: Tensor,
    bank: Tensor,
    affinity: Affinity,
    how: Mining,
    generator: torch.Generator,
    round: int,
    written: Int[Tensor, " w"] | None = None,
) -> dict[str, float]:
    """Grow the sets until they hold (round + 1) * growth other images on average, or for `max_passes` passes.

    Returns {"passes", "admitted", "refused", "members"}: members is the mean size without the image itself.
    """
    counts = {"passes": 0.0, "admitted": 0.0, "refused": 0.0}
    n, stored = len(own), bank if written is None else bank[written]
    everyone = torch.arange(len(own), device=own.device) if written is None else written

    def members() -> float:
        return float((affinity.members >= 0).sum()) / n

    while counts["passes"] < how.max_passes and members() <= (round + 1) * how.growth:
        for index in in_random_order(n, written, generator, own.device).split(how.mining_batch):
            a, p, far = triplets(index, own, bank, affinity, how, generator, written)
            proxy = net.proxy(a, p, far)
            score = net.score(a, proxy, far)
            similarity, place = nearest(proxy, stored, min(how.n_proxy_neighbours, len(stored) - 1), index, everyone)
            rows = everyone[place]
            near = (similarity > radius_of(score, how.radius)[:, None]) & (score > how.score_threshold)[:, None]
            first, second = index[:, None].expand_as(rows)[near], rows[near]
            for name, value in affinity.admit(first, second).items():
                counts[name] += value
        counts["passes"] += 1
    return counts | {"members": members()}


def grow(
    net: Frontier,
    affinity: Affinity,
    how: Mining,
    rounds: int,
    progress: float,
    bank: Tensor,
    own: Callable[[], Tensor],
    written: Bool[Tensor, " n"] | None = None,
) -> dict[str, float] | None:
    """Stages two and three where a round has ended (progress >= 1 / rounds, 2 / rounds, ...); else nothing.

    own       gives the anchors, one unit row per image
    written   bank rows that an image has been put in: only those are mined, and from; None: all. Fewer than two: none
    Returns `COUNTS` with the mean size of the sets, or None.
    """
    done = int(net.rounds_done)
    if done + 1 >= rounds or progress < (done + 1) / rounds - 1e-9:
        return None
    generator = torch.Generator().manual_seed((int(net.seed) + 7919 * done) % 2**32)
    net.redraw(generator)
    dtype = next(net.parameters()).dtype
    anchors, bank = own().to(dtype), bank.to(dtype)
    rows = None if written is None else written.nonzero()[:, 0]
    losses, counts = [], {"passes": 0.0, "admitted": 0.0, "refused": 0.0, "members": 0.0}
    if rows is None or len(rows) > 1:
        with torch.enable_grad():
            losses = fit(net, anchors, bank, affinity, how, generator, first=done == 0, written=rows)
        counts = mine(net, anchors, bank, affinity, how, generator, done, written=rows)
    broadcast(affinity.members)
    net.rounds_done += 1
    record = {
        "gan_epochs": float(len(losses)),
        "mining_passes": counts["passes"],
        "pairs_admitted": counts["admitted"],
        "pairs_refused": counts["refused"],
    }
    net.counts.copy_(torch.tensor([record[name] for name in COUNTS]))
    return record | {"members": counts["members"]}
