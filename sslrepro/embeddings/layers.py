"""Which images does a method hold to be positives of an image, as it stands, and how many of them are right?"""

import functools
import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Batch, Bool, Float, Int
from sslrepro.data.dataset import Dataset
from sslrepro.methods.base import Method

CHUNK = 256  # anchors looked at at once
KEPT = 4  # mined images of a shown image, by layer, that are kept for a picture

Layers = Callable[[Float[Tensor, "b d"], Int[Tensor, " b"]], list[Bool[Tensor, "b n"]]]  # embeddings, indices -> masks


def layers(method: Method, z: Float[Tensor, "b d"], index: Int[Tensor, " b"]) -> list[Bool[Tensor, "b n"]]:
    """The positives of some images: InvP's by distance in its graph, 1 first; those of ISL and LA in one layer.

    z   embeddings of the images, un-augmented; LA looks up its positives by them

    Raises ValueError for a method without any of these.
    """
    if hasattr(method, "graph"):
        within = [method.graph.within(index, hops + 1) for hops in range(method.config.hops)]
        return [within[0], *(far & ~near for near, far in itertools.pairwise(within))]
    if hasattr(method, "affinity"):
        return [method.affinity.of(index)]
    known = hasattr(method, "near_and_alike")
    require(known, "positives", "method", "one with a graph, sets or clusters", type(method).__name__)
    alike = method.near_and_alike(z, Batch((), index, seed=0))[1] & (method.labels[0, 0] >= 0)
    return [alike.scatter(1, index[:, None], False)]


def partners(index: Int[Tensor, " b"], pairs: Int[Tensor, "p 2"], n_images: int) -> Bool[Tensor, "b n"]:
    """The images that some images are paired with, in either order, themselves left out."""
    both = torch.cat([pairs, pairs.flip(1)])
    row, place = (index[:, None] == both[:, 0]).nonzero(as_tuple=True)
    out = torch.zeros(len(index), n_images, dtype=torch.bool, device=index.device)
    out[row, both[place, 1]] = True
    return out.scatter(1, index[:, None], False)


def miner(method: Method, n_images: int, pairs: Int[Tensor, "p 2"] | None = None) -> Layers | None:
    """What tells the positives of some images, by layer; None for a method that mines none that this book draws.

    pairs   that the run trains on (SePP-ID), of its `n_images` images
    """
    if pairs is not None:
        return lambda _, index: [partners(index, pairs, n_images)]
    if any(hasattr(method, name) for name in ("graph", "affinity", "near_and_alike")):
        return functools.partial(layers, method)
    return None


def count(of: Layers, data: Dataset, z: Float[Tensor, "n d"]) -> tuple[Int[Tensor, " l"], Int[Tensor, " l"]]:
    """(those of the anchor's class, all) of the positives of all images, by layer."""
    right = every = torch.zeros(1, dtype=torch.int64, device=z.device)
    for index in torch.arange(len(data), device=z.device).split(CHUNK):
        by_layer = torch.stack(of(z[index], index))
        same = data.labels[index][:, None] == data.labels
        right, every = right + (by_layer & same).sum((1, 2)), every + by_layer.sum((1, 2))
    return right, every


def scores(right: Int[Tensor, " l"], every: Int[Tensor, " l"], n_images: int) -> dict[str, float]:
    """Counts as scores: mined, per image, and mined_right, in [0, 1], which is absent where nothing is mined.

    The same with _1, _2, ... for each of several layers.
    """
    named = {"": (int(right.sum()), int(every.sum()))}
    if len(every) > 1:
        named |= {f"_{layer}": pair for layer, pair in enumerate(zip(right.tolist(), every.tolist(), strict=True), 1)}
    rates = {f"mined_right{layer}": hits / total for layer, (hits, total) in named.items() if total}
    return {f"mined{layer}": total / n_images for layer, (_, total) in named.items()} | rates


def among_shown(of: Layers, z: Float[Tensor, "n d"], shown: Int[Tensor, " s"]) -> Int[Tensor, "s l k"]:
    """Of the positives of each shown image up to `KEPT` a layer that are shown too, as places among them; -1: none.

    Which of many is drawn at random, by the same draw at every snapshot, so that right ones are not preferred and
    those that stay positives stay drawn.
    """
    mask = torch.stack(of(z[shown], shown), 1)[..., shown]
    draw = torch.rand(len(shown), len(shown), generator=torch.Generator().manual_seed(0)).to(z.device)
    order = torch.where(mask, draw[:, None], -1.0).topk(min(KEPT, len(shown)), dim=2)
    return torch.where(order.values >= 0, order.indices, -1)
