"""What stands in for an anchor: which stored row replaces its own view as the positive."""

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


def row_at(
    similarity: Float[Tensor, "b m"], among: Bool[Tensor, "b m"], distance: str, order: Float[Tensor, "b m"]
) -> Int[Tensor, " b"]:
    """The row of largest, smallest or (largest `order`) random similarity among some; row 0 where there is none."""
    one_of(distance, DISTANCES, "stand_in", "distance")
    score = {"nearest": similarity, "random": order, "farthest": -similarity}[distance]
    return score.masked_fill(~among, float("-inf")).max(1).indices
