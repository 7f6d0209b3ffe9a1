"""Stored rows of set rightness: which replaces an anchor's own view as the positive, and which no longer repel it."""

import torch
from torch import Tensor

from sslrepro.base.device import to_device
from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Bool, Float, Int
from sslrepro.parts.memory import cosines

DISTANCES = ("nearest", "random", "farthest")


@torch.no_grad()
def stand_in_positives(
    query: Float[Tensor, "b d"],
    rows: Float[Tensor, "m d"],
    same: Bool[Tensor, "b m"],
    other: Bool[Tensor, "b m"],
    allowed: Bool[Tensor, "b m"],
    right_share: float,
    right: str,
    wrong: str,
    generator: torch.Generator,
) -> Int[Tensor, " b"]:
    """The row that stands in for each anchor: of its class with probability `right_share`, else of another class.

    An anchor that has no row of the kind it drew takes the nearest of the allowed rows, as NNCLR's oracle does.

        query, rows    unit rows
        same, other    rows that show the anchor's class, and rows that show another; a row may be in neither
        allowed        rows an anchor may take at all
        right_share    in [0, 1]
        right, wrong   which of them: "nearest", "random" or "farthest" by cosine
        generator      of the host. Two numbers per anchor and one per anchor and row are drawn whatever the
                       settings, so that runs that differ in them alone draw alike

    Raises ValueError for a share outside [0, 1] or an unknown distance.

    >>> rows = torch.eye(3)
    >>> same = torch.tensor([[False, True, False]])
    >>> drawn = torch.Generator().manual_seed(0)
    >>> stand_in_positives(rows[:1], rows, same, ~same, same | ~same, 1.0, "nearest", "nearest", drawn)
    tensor([1])
    >>> stand_in_positives(rows[:1], rows, same, ~same, same | ~same, 0.0, "nearest", "nearest", drawn)
    tensor([0])
    """
    require(0 <= right_share <= 1, "stand_in.stand_in_positives", "right_share", "in [0, 1]", right_share)
    is_right = to_device(torch.rand(len(query), generator=generator), query.device) < right_share
    order = to_device(torch.rand(len(query), len(rows), generator=generator), query.device)
    similarity = cosines(query, rows)
    same, other = same & allowed, other & allowed
    place = torch.where(is_right, row_at(similarity, same, right, order), row_at(similarity, other, wrong, order))
    nobody = ~torch.where(is_right, same.any(1), other.any(1))
    return torch.where(nobody, row_at(similarity, allowed, "nearest", order), place)


@torch.no_grad()
def removed_negatives(
    query: Float[Tensor, "b d"],
    rows: Float[Tensor, "m d"],
    same: Bool[Tensor, "b m"],
    other: Bool[Tensor, "b m"],
    allowed: Bool[Tensor, "b m"],
    right_share: float,
    removed: float,
    right: str,
    wrong: str,
    generator: torch.Generator,
) -> Bool[Tensor, "b m"]:
    """Which rows no longer repel each anchor: `removed` times as many as show its class, a share of them right.

    With n rows of the anchor's class, `removed` n rows go, rounded. A share `right_share` of them, rounded, shows its
    class, the others show another; of each at most as many go as there are. So the precision is `right_share`, and the
    recall the product of both.

        query ... generator   as for `stand_in_positives`; one number per anchor and row is drawn
        removed               >= 0, in rows of the anchor's class

    >>> rows = torch.eye(4)
    >>> same = torch.tensor([[True, True, False, False]])
    >>> about = rows[:1], rows, same, ~same, same | ~same
    >>> removed_negatives(*about, 0.5, 1.0, "nearest", "nearest", torch.Generator())
    tensor([[ True, False,  True, False]])

    Raises ValueError for a share outside [0, 1], a negative number or an unknown distance.
    """
    require(0 <= right_share <= 1, "stand_in.removed_negatives", "right_share", "in [0, 1]", right_share)
    require(removed >= 0, "stand_in.removed_negatives", "removed", ">= 0", removed)
    order = to_device(torch.rand(len(query), len(rows), generator=generator), query.device)
    similarity = cosines(query, rows)
    same, other = same & allowed, other & allowed
    n = (removed * same.sum(1)).round()
    n_right = (right_share * n).round()
    return first_rows(similarity, same, right, order, n_right) | first_rows(
        similarity, other, wrong, order, n - n_right
    )


def first_rows(
    similarity: Float[Tensor, "b m"],
    among: Bool[Tensor, "b m"],
    distance: str,
    order: Float[Tensor, "b m"],
    n: Float[Tensor, " b"],
) -> Bool[Tensor, "b m"]:
    """The n rows, another number for each anchor, that come first by distance among some; of equals the earlier."""
    place = ranking(similarity, distance, order).masked_fill(~among, float("-inf"))
    rank = place.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return among & (rank < n[:, None])


def row_at(
    similarity: Float[Tensor, "b m"], among: Bool[Tensor, "b m"], distance: str, order: Float[Tensor, "b m"]
) -> Int[Tensor, " b"]:
    """The row of largest, smallest or (largest `order`) random similarity among some; row 0 where there is none."""
    return ranking(similarity, distance, order).masked_fill(~among, float("-inf")).max(1).indices


def ranking(similarity: Float[Tensor, "b m"], distance: str, order: Float[Tensor, "b m"]) -> Float[Tensor, "b m"]:
    """What is largest for the rows that come first; raises ValueError for an unknown distance."""
    one_of(distance, DISTANCES, "stand_in", "distance")
    return {"nearest": similarity, "random": order, "farthest": -similarity}[distance]
