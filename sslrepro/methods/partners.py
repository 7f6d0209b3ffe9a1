"""Partners: a relation between images, given to a framework: each image is shown again, beside one of its kind.

A diagnostic of this book, no method of a paper: it sets apart what methods mix, the rule that says which images are
alike and the framework that learns from them. The rule reads the embeddings of one trained sampler, once, before
training; the framework sees n further rows, whose first view shows an image and whose others its partner.
Compared with SePP-ID (Alkhalefi et al., TMLR 2024, arXiv:2306.16122), whose further rows these are: one row per image
whatever the rule, so that runs differ in nothing but who is shown.

Rules, each as its paper has it on a whole set that is embedded once:
* nearest: the nearest other image (NNCLR, Eq. 4).
* window: the pairs of largest cosine up to `high`, half as many as images (SePP-ID, Alg. 1, with a cap).
* clusters: the images of one k-means cluster (IFND, at one granularity with every label accepted).
* hops: the `n_positives` least similar images within `hops` edges of a nearest-neighbour graph (InvP).
* labels: the images of the class, an oracle. random: all others. same: none.
A partner is drawn evenly among those a rule names; an image for which it names none is its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Bool, Float, Int, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import Scale, above_zero, choice, cosine, count, per_class, settings_of
from sslrepro.parts.cluster import fit_for, kmeans
from sslrepro.parts.graph import NeighbourGraph
from sslrepro.parts.memory import cosines, precise
from sslrepro.parts.mining import extreme, nearest, similar_pairs, window

RULES = ("nearest", "window", "clusters", "hops", "labels", "random", "same")
FRAMEWORKS = ("simclr", "mocov2", "simsiam", "vicreg")
AT_ONCE = 1024  # rows of the relation that are held as a mask


def epochs_of_sampler(_: int, scale: Scale, __: dict[str, Any]) -> int:
    """As many steps as the run: an epoch of the run has twice the rows. The scale's share of them."""
    return max(1, round(2 * scale.epochs * scale.sampler_share))


def even_draw(member: Bool[Tensor, "b n"], own: Int[Tensor, " b"], generator: torch.Generator) -> Int[Tensor, " b"]:
    """A member of each row, all equally likely; `own` where a row has none. Draws on the CPU."""
    order = torch.rand(member.shape, generator=generator).to(member.device).masked_fill(~member, -1.0)
    return torch.where(member.any(1), order.argmax(1), own)


def in_pairs(rows: Int[Tensor, " b"], pairs: Int[Tensor, "p 2"], n: int) -> Bool[Tensor, "b n"]:
    """Which of n images stand in an unordered pair with each of some different ones."""
    place = torch.full((n,), len(rows), device=pairs.device)  # of all others: a row that is dropped
    place[rows] = torch.arange(len(rows), device=pairs.device)
    member = torch.zeros(len(rows) + 1, n, dtype=torch.bool, device=pairs.device)
    for first, second in (pairs.unbind(1), pairs.flip(1).unbind(1)):
        member[place[first], second] = True
    return member[:-1]


@dataclass(frozen=True)
class Config:
    base: str = choice(*FRAMEWORKS)  # the framework that is trained on the rows
    base_settings: dict[str, Any] = settings_of("base")  # noqa: RUF009 - a field; missing ones are its defaults
    sampler: str = "mocov2"  # the method that trained the sampler, on the same images with the same encoder
    sampler_settings: dict[str, Any] = settings_of("sampler")  # noqa: RUF009 - a field; missing ones are its defaults
    sampler_epochs: int = count(100, scale=epochs_of_sampler)  # of the sampler's training
    sampler_rate: float = above_zero(1.0)  # of the sampler's learning rate, times the run's
    rule: str = choice(*RULES)  # who is of an image's kind
    high: float = cosine(0.99)  # window: largest cosine, above are duplicates
    clusters: int = per_class(3000)  # IFND's middle granularity on ImageNet
    n_neighbours: int = count(4)  # hops: edges out of each image
    hops: int = count(3)  # graph distance up to which images are of a kind
    n_positives: int = count(50)  # the least similar of them


@final
class Partners(Method):
    """A framework that is shown every image once more, beside an image that a rule names."""

    diagnostic = True

    def __init__(self, config: Config, base: Method, n_images: int):
        super().__init__()
        if config.rule == "clusters":
            fit_for("Partners", (config.clusters,), n_images)
        self.config = config
        self.base = base
        self.n_views, self.clip_norm = base.n_views or 2, base.clip_norm
        self.needs_labels = config.rule == "labels"
        self.constant_lr = tuple(f"base.{name}" for name in base.constant_lr)
        # the run's own seed, drawn from nothing: the same in every framework, and so are the partners
        self.register_buffer("seed", torch.tensor(torch.initial_seed() % 2**31))

    @property
    def encoder(self) -> nn.Module:
        return self.base.encoder

    def embed(self, view: Tensor) -> Tensor:
        return self.base.embed(view)

    def relation(
        self, x: Float[Tensor, "n d"], labels: Int[Tensor, " n"] | None = None
    ) -> Callable[[Int[Tensor, " b"]], Bool[Tensor, "b n"]]:
        """Which of all images are of the kind of some, by the rule, from unit embeddings; never an image itself."""
        config, n = self.config, len(x)
        everyone = torch.arange(n, device=x.device)

        def other(rows: Tensor) -> Tensor:
            return rows[:, None] != everyone

        if config.rule == "same":
            return lambda rows: torch.zeros_like(other(rows))
        if config.rule == "random":
            return other
        if config.rule == "nearest":
            return lambda rows: extreme(cosines(x[rows], x), other(rows), 1)
        if config.rule == "hops":
            graph = NeighbourGraph(n, config.n_neighbours).to(x.device)
            graph.write(everyone, nearest(x, x, config.n_neighbours, everyone, everyone)[1])
            return lambda rows: extreme(
                cosines(x[rows], x), graph.within(rows, config.hops), config.n_positives, largest=False
            )
        if config.rule == "window":
            pairs = self.most_similar(x)
            return lambda rows: in_pairs(rows, pairs, n)
        group = labels if config.rule == "labels" else kmeans(x, config.clusters, int(self.seed))[0]
        return lambda rows: (group[rows][:, None] == group) & other(rows)

    def most_similar(self, x: Float[Tensor, "n d"]) -> Int[Tensor, "p 2"]:
        """The pairs of largest cosine up to `high`, half as many as images."""
        n, generator = len(x), torch.Generator().manual_seed(int(self.seed))
        low = window(x, min(2 / (n - 1), 0.99), min(100 * n, 20_000_000), generator, self.config.high)  # twice as many
        return similar_pairs(x, low, self.config.high, max_pairs=n // 2)[0]

    def pairs(
        self, encode: Callable[[Tensor], Tensor], n_images: int, labels: Int[Tensor, " n"] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Every image with its partner, in data-set order."""
        x = precise(encode(torch.arange(n_images)))
        related, generator = self.relation(x, labels), torch.Generator().manual_seed(int(self.seed))
        everyone = torch.arange(n_images, device=x.device)
        partner = torch.cat([even_draw(related(rows), rows, generator) for rows in everyone.split(AT_ONCE)])
        return torch.stack([everyone, partner], 1), (x * x[partner]).sum(1)

    def loss(self, batch: Batch, progress: float) -> Step:
        return self.base.loss(batch, progress)

    def after_step(self, step: Step, progress: float) -> None:
        self.base.after_step(step, progress)
