"""SePP-ID: pairs of different images that a trained encoder finds nearly identical are used as two views of one image.

Alkhalefi et al., "Semantic Positive Pairs for Enhancing Visual Representation Learning of Instance Discrimination
Methods", TMLR 2024, arXiv:2306.16122.
Compared with its base (MoCo v2, SimCLR, SimSiam, VICReg or DINO): nothing but more training rows. A sampler, any run of
ours with its head kept, embeds a share of the un-augmented images; pairs within a window of cosines join the set.

Where the paper is silent or disagrees with itself:
* Algorithm 1 loops over ordered pairs, so each appears twice; here once. Its table of pair counts cannot come from all
  pairs of a random subset: some cap must exist. `max_pairs` and `max_partners` are ours, and what they do is reported.
* The window 0.97 to 0.99 belongs to the paper's sampler; another may find none or millions. `quantile` takes the same
  share of pairs from any sampler.
* Equation 2 sums over pairs for each image, the text concatenates sets: equal up to a constant (`weight`).
* Negatives made by the method itself, rows of the pair's images elsewhere in the batch or queue, are left out; Eq. 1 to
  the letter keeps them (`pair_negatives`).
* Two controls train on as many rows without what was mined: images with themselves, and pairs of random images, both
  of the share that was looked at and drawn without replacement (`control`). The older one (`random`) draws with it.
* A pair's sampler costs a training of its own, in the paper MoCo v2 for 100 epochs. It is an input: trained by any
  method for a stated length, not at all (`sampler_epochs` 0), or a stored run (`sampler_run`); it looks at images as
  they are, or at augmented views.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Int, Step
from sslrepro.base.values import FRACTION, NOT_NEGATIVE, PART, setting
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import Scale, choice, cosine, count, not_negative, settings_of
from sslrepro.parts.memory import precise
from sslrepro.parts.mining import similar_pairs, window

BASES = ("mocov2", "dino", "simclr", "simsiam", "vicreg")
IMAGES = 1_281_167  # of ImageNet
PAIRS_PER_IMAGE = 18_109 / IMAGES  # Table 8, K = 10%


def share_of_pairs(_: float | None, scale: Scale, settings: dict[str, Any]) -> float | None:
    """The paper's pairs per image as a share of all pairs among those looked at, whatever their cosine."""
    if not scale.n_images:
        return None
    share = settings["share"] if settings["quantile_share"] is None else settings["quantile_share"]
    among = max(2, round(share * scale.n_images))
    return min(0.5, PAIRS_PER_IMAGE * scale.n_images / (among * (among - 1) / 2))


def epochs_of_sampler(_: int, scale: Scale, __: dict[str, Any]) -> int:
    """The scale's share of the run's epochs."""
    return max(1, round(scale.epochs * scale.sampler_share))


def epochs_in_tables(value: int, scale: Scale, _: dict[str, Any]) -> int:
    """A sampler's epochs as printed: the paper's 100 stand for the scale's own length, whatever the run's."""
    return 0 if value == 0 else max(1, round(value / 100 * (scale.usual_epochs or scale.epochs)))


def batch_in_tables(_: int, scale: Scale, __: dict[str, Any]) -> int:
    """A sampler's batch where a table says that it has its own: the scale's usual one."""
    return scale.usual_batch


def pairs_in_tables(value: int | None, scale: Scale, _: dict[str, Any]) -> int | None:
    """A number of pairs as printed: as many per image as in ImageNet."""
    if value is None or not scale.n_images:
        return value
    return max(1, round(value / IMAGES * scale.n_images))


def self_pairs(n: int, n_pairs: int, generator: torch.Generator) -> Int[Tensor, "p 2"]:
    """Images 0..n-1 with themselves, none twice before each had its turn."""
    rounds = [torch.randperm(n, generator=generator) for _ in range(-(-n_pairs // n))]
    return torch.cat([torch.empty(0, dtype=torch.int64), *rounds])[:n_pairs, None].expand(-1, 2)


def random_pairs(n: int, n_pairs: int, generator: torch.Generator) -> Int[Tensor, "p 2"]:
    """Different pairs of different images of 0..n-1, all equally likely; the smaller index first."""
    distinct: dict[tuple[int, int], None] = {}  # in the order they were drawn
    while len(distinct) < n_pairs:
        first = torch.randint(n, (n_pairs,), generator=generator)
        second = (first + torch.randint(1, n, (n_pairs,), generator=generator)) % n
        pairs = torch.stack([torch.minimum(first, second), torch.maximum(first, second)], 1)
        distinct |= dict.fromkeys(map(tuple, pairs.tolist()))
    return torch.tensor(list(distinct)[:n_pairs], dtype=torch.int64).view(-1, 2)


def cosines_of(x: Float[Tensor, "n d"], pairs: Int[Tensor, "p 2"]) -> Float[Tensor, " p"]:
    """Those of the rows that pairs name."""
    x = precise(x)
    return (x[pairs[:, 0]] * x[pairs[:, 1]]).sum(1)


@dataclass(frozen=True)
class Config:
    base: str = choice(*BASES)  # the method that is trained on the rows
    base_settings: dict[str, Any] = settings_of("base")  # noqa: RUF009 - a field; missing ones are its defaults
    sampler: str = "mocov2"  # the method that trained the sampler, on the same images with the same encoder
    sampler_settings: dict[str, Any] = settings_of("sampler")  # noqa: RUF009 - a field; missing ones are its defaults
    sampler_epochs: int = count(100, NOT_NEGATIVE, scale=epochs_of_sampler, of_tables=epochs_in_tables)  # its training
    share: float = setting(0.1, PART)  # K, of the training images among which pairs are looked for
    low: float = cosine(0.97)  # least cosine of a pair
    high: float = cosine(0.99)  # largest cosine: above are duplicates
    quantile: float | None = setting(None, FRACTION, scale=share_of_pairs)  # of all pairs, in place of `low`
    max_pairs: int | None = count(None, NOT_NEGATIVE, of_tables=pairs_in_tables)  # the most similar first
    max_partners: int | None = count(None)  # most pairs per image
    random: bool = False  # an older control: as many rows, each an image with itself, drawn with replacement
    control: str = choice("none", "same", "random", before="none")  # as many rows: images with themselves, or at random
    weight: float | None = not_negative(None)  # lambda of Eq. 2 for pair rows; None: rows count alike
    quantile_share: float | None = setting(None, PART, before=None)  # the K that `quantile` is for; None: `share`
    sampler_batch: int | None = count(None, of_tables=batch_in_tables, before=None)  # its own; None: the run's
    sampler_views: str = choice("clean", "augmented", before="clean")  # what it looks at
    sampler_run: str | None = setting(None, before=None)  # the name of a stored run that is the sampler
    pair_negatives: bool = setting(False, before=False)  # whether a pair's own images repel it elsewhere (Eq. 1)


@final
class SePPID(Method):
    """Semantic positive pairs around a base method."""

    alternatives = ({"base_settings": {"temperature": 0.1}},)  # of MoCo v2, the authors' CIFAR code

    def __init__(self, config: Config, base: Method, n_images: int):
        super().__init__()
        self.config = config
        self.base = base
        self.n_views, self.clip_norm = base.n_views or 2, base.clip_norm  # two images, two views: no further crops
        self.pair_weight = config.weight
        self.constant_lr = tuple(f"base.{name}" for name in base.constant_lr)
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))

    @property
    def encoder(self) -> nn.Module:
        return self.base.encoder

    def embed(self, view: Tensor) -> Tensor:
        return self.base.embed(view)

    def pairs(self, encode: Callable[[Tensor], Tensor], n_images: int) -> tuple[Tensor, Tensor]:
        """Algorithm 1, without the double loop: pairs of a random share of the images, by the sampler's cosine."""
        config = self.config
        generator = torch.Generator().manual_seed(int(self.seed))
        chosen = torch.randperm(n_images, generator=generator)[: max(2, round(config.share * n_images))].sort().values
        x = encode(chosen)
        low, most = config.low, config.max_pairs
        if config.quantile is not None:  # look below the window, then keep the most similar
            sample = min(max(200_000, round(100 / config.quantile)), 20_000_000)
            low = window(x, min(2 * config.quantile, 0.99), sample, generator, config.high)
            wanted = round(config.quantile * len(x) * (len(x) - 1) / 2)
            most = wanted if most is None else min(most, wanted)
        place, cosine = similar_pairs(x, low, config.high, config.max_partners, most)
        if config.control != "none":
            draw = self_pairs if config.control == "same" else random_pairs
            place = draw(len(x), len(place), generator).to(place.device)
            cosine = cosines_of(x, place)
        pairs = chosen.to(place.device)[place]
        if config.random:
            drawn = torch.randint(n_images, (len(pairs), 1), generator=generator).to(place.device)
            pairs, cosine = drawn.expand(-1, 2), torch.ones_like(cosine)
        return pairs, cosine

    def loss(self, batch: Batch, progress: float) -> Step:
        return self.base.loss(replace(batch, partners_repel=self.config.pair_negatives), progress)

    def after_step(self, step: Step, progress: float) -> None:
        self.base.after_step(step, progress)
