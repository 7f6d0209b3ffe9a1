"""Views drawn and rendered by a recipe, and batches that are a pure function of (seed, step)."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sslrepro.base.device import constant, to_device
from sslrepro.base.errors import require
from sslrepro.base.types import Batch, Float, Int, LabelledBatch
from sslrepro.data import augment
from sslrepro.data.dataset import Dataset
from sslrepro.data.recipes import View

CACHED = 400_000  # numbers of a block of images that stay in a core's cache (128 images of 32 px)


class Drawn(NamedTuple):
    """The random parameters of one view of a batch, one row per image."""

    box: tuple[Tensor, Tensor, Tensor, Tensor]  # top, left, height, width of the crop, px
    factors: Float[Tensor, "b 4"]  # of brightness, contrast, saturation; turn of the hue
    coins: Float[Tensor, "b 5"]  # in [0, 1): flip, jitter, gray, blur, solarise; they stay on the CPU
    blur: Float[Tensor, "b kernel"] | None  # weights of a Gaussian

    def of(self, rows: slice, device: torch.device) -> "Drawn":
        """Those of some of the images, on the device."""
        blur = None if self.blur is None else to_device(self.blur[rows], device)
        box = tuple(to_device(part[rows], device) for part in self.box)
        return Drawn(box, to_device(self.factors[rows], device), self.coins[rows], blur)

    @classmethod
    def join(cls, parts: Sequence["Drawn"]) -> "Drawn":
        """The draws of several batches as those of one, in order."""
        boxes, factors, coins, blurs = zip(*parts, strict=True)
        box = tuple(torch.cat(side) for side in zip(*boxes, strict=True))
        blur = None if blurs[0] is None else torch.cat(blurs)
        return cls(box, torch.cat(factors), torch.cat(coins), blur)


class Order(NamedTuple):
    """What is drawn for one step before anything is rendered: whom it shows, and how."""

    index: Int[Tensor, " b"]
    partner: Int[Tensor, " b"] | None
    weight: Float[Tensor, " b"] | None
    seed: int
    views: tuple[Drawn, ...]  # this process's rows
    support: tuple[Tensor, Drawn] | None  # which images, and how


def draw_transforms(view: View, n: int, side: int, generator: torch.Generator) -> Drawn:
    """Parameters for `n` images of `side` px; every image gets its own draw, on the CPU whatever the device."""
    box = augment.crop_boxes(n, side, view.crop, view.ratio, generator)
    coins = torch.rand(n, 5, generator=generator)
    factors = 1 + (torch.rand(n, 4, generator=generator) * 2 - 1) * torch.tensor(view.jitter)
    factors[:, :3].clamp_min_(0)
    factors[:, 3] -= 1  # hue: a turn around 0
    unchanged = torch.tensor([1.0, 1.0, 1.0, 0.0])
    factors = torch.where(coins[:, 1:2] < view.jitter_chance, factors, unchanged)
    blur = None
    if view.blur > 0:
        out = view.side(side)
        low, high = (sigma * out / 224 for sigma in view.blur_sigma)
        sigma = low + (high - low) * torch.rand(n, generator=generator)
        sigma = sigma.masked_fill(coins[:, 3] >= view.blur, 0.0)
        blur = augment.gaussian(sigma, kernel=2 * max(1, round(out / 20)) + 1)
    return Drawn(box, factors, coins, blur)


def render_views(images: Float[Tensor, "b 3 h w"], view: View, how: Drawn) -> Float[Tensor, "b 3 p q"]:
    """One view of a float batch in [0, 1] with the given parameters."""
    side, out = images.shape[2], view.side(images.shape[2])
    (top, left, height, width), coins, device = how.box, how.coins, images.device
    rows = augment.resample(top, height, side, out, view.cubic)
    columns = augment.resample(left, width, side, out, view.cubic)
    flipped = to_device(coins[:, 0] < view.flip, device)
    columns = torch.where(flipped[:, None, None], columns.flip(1), columns)
    smooth = None if how.blur is None else augment.blur(how.blur, out)
    x = augment.spatial(images, rows, columns, smooth)
    if view.jitter_chance > 0 or view.gray > 0 or view.cubic:  # cubic overshoots: clamp here too
        brightness, contrast, saturation, hue = how.factors.unbind(1)
        x = augment.recolour(x, *augment.colour_matrix(brightness, contrast, saturation))
        if view.jitter[3] > 0:
            x = augment.turn_hue(x, hue)
        x = augment.to_gray(x, to_device((coins[:, 2] < view.gray).nonzero()[:, 0], device))
    if view.solarise > 0:
        x = augment.solarise(x, to_device(coins[:, 4] < view.solarise, device))
    return x


def at_once(n: int, side: int, device: torch.device) -> int:
    """How many of `n` images to render at a time: all on a GPU; on the CPU as many as stay in its cache."""
    return n if device.type != "cpu" else max(1, CACHED // (3 * side * side))


def blocks(n: int, side: int, device: torch.device) -> list[slice]:
    """Rows to render at a time."""
    size = at_once(n, side, device)
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def augment_images(
    images: Float[Tensor, "b 3 h w"], view: View, generator: torch.Generator
) -> Float[Tensor, "b 3 p q"]:
    """One view of a float batch in [0, 1]; every image gets its own draw from `generator` (on the CPU)."""
    how = draw_transforms(view, len(images), images.shape[2], generator)
    parts = [
        render_views(images[rows], view, how.of(rows, images.device))
        for rows in blocks(len(images), images.shape[2], images.device)
    ]
    return torch.cat(parts)


def _generator(seed: int, stream: int, number: int) -> torch.Generator:
    # torch's CPU generator keeps 32 bits of its seed, so the three numbers are hashed into 32 bits, not packed
    hashed = np.random.SeedSequence([seed, stream, number]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(hashed))


@functools.lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(n, generator=_generator(seed, 1, epoch))


@dataclass(frozen=True)
class Batches:
    """The batches of a run: `at(step)` depends on (data, recipe, batch size, seed, step) and nothing else.

    An epoch is one permutation of the set; its last, incomplete batch is dropped. With `n_support`, every batch
    also brings one view of that many freshly drawn images.

    pairs         [p 2] further rows: view 0 shows the first image of a pair, the other views its second
    pair_weight   weight of those rows in the loss (SePP-ID, Eq. 2, whose mean is over images); None: all rows alike
    rank, world   this process's share: row block `rank` of `world` equal ones
    """

    data: Dataset
    views: tuple[View, ...]
    batch_size: int
    seed: int
    labelled: bool = False
    n_support: int = 0
    channels_last: bool = True
    normalise: tuple[tuple[float, ...], tuple[float, ...]] = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    pairs: Int[Tensor, "p 2"] | None = None
    pair_weight: float | None = None
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        allowed = f"2..{len(self.data)}, the images of {self.data.name}"
        require(2 <= self.batch_size <= len(self.data), "Batches", "batch_size", allowed, self.batch_size)
        allowed = f"0..{len(self.data)}"
        require(0 <= self.n_support <= len(self.data), "Batches", "n_support", allowed, self.n_support)

    @property
    def n_rows(self) -> int:
        """Training rows: images, and pairs of images."""
        return len(self.data) + (0 if self.pairs is None else len(self.pairs))

    @property
    def per_epoch(self) -> int:
        return self.n_rows // self.batch_size

    def order(self, epoch: int) -> Int[Tensor, " n"]:
        """The permutation of an epoch, on the CPU."""
        return _permutation(self.n_rows, self.seed, epoch)

    def _render(self, index: Tensor, view: View, how: Drawn) -> Tensor:
        """A view of some images, ready for the encoder."""
        device, side = index.device, self.data.images.shape[2]
        out = view.side(side)
        form = torch.channels_last if self.channels_last else torch.contiguous_format
        rendered = torch.empty(len(index), 3, out, out, device=device, memory_format=form)
        for rows in blocks(len(index), side, device):
            images = self.data.take(index[rows]).float().div_(255)
            x = render_views(images, view, how.of(rows, device))
            prepare_views(x, self.normalise, self.channels_last, rendered[rows])
        return rendered

    def view_of(self, index: Int[Tensor, " n"], generator: torch.Generator) -> Tensor:
        """One augmented view of any images, by the recipe's first view, ready for the encoder."""
        how = draw_transforms(self.views[0], len(index), self.data.images.shape[2], generator)
        return self._render(index, self.views[0], how)

    def _images(self, row: Int[Tensor, " b"]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(index, partner, weight) of rows: pairs come after the images."""
        if self.pairs is None or len(self.pairs) == 0:
            return row, None, None
        n = len(self.data)
        pair, member = row >= n, self.pairs.to(row.device)[(row - n).clamp_min(0)]
        index, partner = (torch.where(pair, member[:, side], row) for side in (0, 1))
        if self.pair_weight is None:
            return index, partner, None
        scale = self.n_rows / n
        return index, partner, torch.where(pair, self.pair_weight * scale, scale)

    def _order(self, step: int) -> Order:
        """The draws of a step: for the whole batch, so that views do not depend on the number of processes."""
        epoch, place = divmod(step, self.per_epoch)
        share, side, device = self.batch_size // self.world, self.data.images.shape[2], self.data.device
        start = self.rank * share
        first = place * self.batch_size + start
        index, partner, weight = self._images(to_device(self.order(epoch)[first : first + share].clone(), device))
        generator = _generator(self.seed, 2, step)
        seed = int(torch.randint(2**62, (), generator=generator))
        support = None
        if self.n_support:
            chosen = to_device(torch.randperm(len(self.data), generator=generator)[: self.n_support], device)
            support = chosen, draw_transforms(self.views[0], self.n_support, side, generator)
        drawn = (draw_transforms(view, self.batch_size, side, generator) for view in self.views)
        mine = tuple(how.of(slice(start, start + share), torch.device("cpu")) for how in drawn)
        return Order(index, partner, weight, seed + self.rank, mine, support)

    def _batch(self, order: Order, views: tuple[Tensor, ...]) -> Batch:
        support = support_index = None
        if order.support is not None:
            support_index, how = order.support
            support = self._render(support_index, self.views[0], how)
        common = dict(
            views=views,
            index=order.index,
            seed=order.seed,
            support=support,
            support_index=support_index,
            partner=order.partner,
            weight=order.weight,
        )
        return LabelledBatch(**common, label=self.data.labels[order.index]) if self.labelled else Batch(**common)

    def between(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps `first` to `last` - 1 in turn: each is `at(step)`, to the bit.

        On the CPU the views of several small batches are rendered together, as many as stay in its cache: eighty small
        kernels take longer than 24 images of 16 px.
        """
        share, side = self.batch_size // self.world, self.data.images.shape[2]
        together = max(1, at_once(share, side, self.data.device) // share)
        for start in range(first, last, together):
            orders = [self._order(step) for step in range(start, min(start + together, last))]
            index = torch.cat([order.index for order in orders])
            other = torch.cat([order.index if order.partner is None else order.partner for order in orders])
            rendered = [
                self._render(other if place else index, view, Drawn.join([order.views[place] for order in orders]))
                for place, view in enumerate(self.views)
            ]
            for number, order in enumerate(orders):
                rows = slice(number * share, (number + 1) * share)
                yield self._batch(order, tuple(view[rows] for view in rendered))

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        return next(self.between(step, step + 1))


def prepare_views(
    images: Float[Tensor, "b 3 h w"],
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    channels_last: bool = True,
    out: Float[Tensor, "b 3 h w"] | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Images in [0, 1] -> what an encoder eats: normalised per channel, in the memory format it is fastest in.

    out   where to write it, instead of a new tensor
    """
    mean, std = (constant(tuple(values), images.device).view(3, 1, 1) for values in normalise)
    if out is not None:
        return out.copy_((images - mean).div_(std))  # arithmetic first, in the images' own layout
    form = torch.channels_last if channels_last else torch.contiguous_format
    return ((images - mean) / std).contiguous(memory_format=form)


def plain_batches(data: Dataset, batch_size: int = 1024) -> Iterator[Float[Tensor, "b 3 h w"]]:
    """The un-augmented images in [0, 1], in data-set order, the last batch as short as it comes."""
    for index in data.index.split(batch_size):
        yield data.take(index).float().div_(255)
