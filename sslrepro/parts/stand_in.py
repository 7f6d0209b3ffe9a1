"""Stored rows of set rightness: which replaces an anchor's own view as the positive, and which no longer repel it."""

import torch
from torch import Tensor

from sslrepro.base.device import to_device
from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Bool, Float, Int
from sslrepro.parts.distributed import all_reduce, among_first
from sslrepro.parts.memory import cosines

DISTANCES = ("nearest", "random", "farthest")
VIEWS = {"view": -1, "another": -2}  # in a row's place: the anchor's own view, or one more view of its image
ANCHORS = ("drawn", "fixed", "easy", "hard")


@torch.no_grad()
def stand_in_positives(
    query: Float[Tensor, "b d"],
    rows: Float[Tensor, "m d"],
    same: Bool[Tensor, "b m"],
    other: Bool[Tensor, "b m"],
    allowed: Bool[Tensor, "b m"],
    right_share: float | None,
    right: str,
    wrong: str,
    generator: torch.Generator,
    anchors: str = "drawn",
    fixed: Float[Tensor, " b"] | None = None,
) -> Int[Tensor, " b"]:
    """The row that stands in for each anchor: of its class with probability `right_share`, else of another class.

    An anchor that has no row of the kind it drew takes the nearest of the allowed rows, as NNCLR's oracle does. -1 for
    an anchor that keeps its own view, -2 for one that gets another view of its own image.

        query, rows    unit rows
        same, other    rows that show the anchor's class, and rows that show another; a row may be in neither
        allowed        rows an anchor may take at all
        right_share    in [0, 1]; None: as many anchors of the batch as have a row of their class for their nearest
        right, wrong   which of them: "nearest", "random" or "farthest" by cosine; "as_near": the one whose cosine
                       is closest to that of the nearest row of the other kind, or the nearest where there is no such
                       row; "view", "another": none of them
        generator      of the host. One number per anchor and one per anchor and row are drawn whatever the
                       settings, so that runs that differ in them alone draw alike
        anchors        which anchors are right: "drawn" anew at each call, "fixed" by the numbers `fixed`, one in
                       [0, 1) per anchor, or, as many as were drawn, the "easy" or the "hard" ones (`right_anchors`)

    Raises ValueError for a share outside [0, 1] or an unknown distance.

    >>> rows = torch.eye(3)
    >>> same = torch.tensor([[False, True, False]])
    >>> drawn = torch.Generator().manual_seed(0)
    >>> stand_in_positives(rows[:1], rows, same, ~same, same | ~same, 1.0, "nearest", "nearest", drawn)
    tensor([1])
    >>> stand_in_positives(rows[:1], rows, same, ~same, same | ~same, 0.0, "nearest", "nearest", drawn)
    tensor([0])
    """
    in_range = right_share is None or 0 <= right_share <= 1
    require(in_range, "stand_in.stand_in_positives", "right_share", "in [0, 1] or None", right_share)
    drawn = to_device(torch.rand(len(query), generator=generator), query.device)
    order = to_device(torch.rand(len(query), len(rows), generator=generator), query.device)
    similarity = cosines(query, rows)
    same, other = same & allowed, other & allowed
    is_right = right_anchors(similarity, same, other, right_share, drawn if fixed is None else fixed, anchors)
    nearest = row_at(similarity, allowed, "nearest", order)

    def stand_in(among: Bool[Tensor, "b m"], beside: Bool[Tensor, "b m"], kind: str) -> Int[Tensor, " b"]:
        if kind in VIEWS:
            return torch.full_like(nearest, VIEWS[kind])
        if kind == "as_near":
            row = row_as_near(similarity, among, beside)
        else:
            row = row_at(similarity, among, kind, order)
        return torch.where(among.any(1), row, nearest)

    return torch.where(is_right, stand_in(same, other, right), stand_in(other, same, wrong))


@torch.no_grad()
def right_anchors(
    similarity: Float[Tensor, "b m"],
    same: Bool[Tensor, "b m"],
    other: Bool[Tensor, "b m"],
    right_share: float | None,
    number: Float[Tensor, " b"],
    anchors: str,
) -> Bool[Tensor, " b"]:
    """Which anchors are given a row of their class.

        similarity    of each anchor to each row, cosines
        same, other   rows of the anchor's class and of another that it may take
        right_share   of anchors, in expectation; None: as many as have a row of their class for their nearest
        number        in [0, 1), one per anchor. It decides for "drawn" and "fixed" anchors, and how many are right
        anchors       "easy": those whose nearest right row lies farthest in front of their nearest wrong one, by
                      cosine; "hard": those where it lies farthest behind. Anchors without a right row come last in both

    Anchors are ranked over the batches of all processes. As many easy or hard ones are right as would have been
    drawn. Easy ones without a set share are those that are right by themselves: NNCLR's own lookup.

    Raises ValueError for an unknown kind of anchors.

    >>> similarity = torch.tensor([[0.9, 0.1], [0.4, 0.6]])  # a right and a wrong row for each of two anchors
    >>> same = torch.tensor([[True, False], [True, False]])
    >>> number = torch.tensor([0.7, 0.2])
    >>> {kind: right_anchors(similarity, same, ~same, 0.5, number, kind).tolist() for kind in ("drawn", "easy", "hard")}
    {'drawn': [False, True], 'easy': [True, False], 'hard': [False, True]}
    >>> right_anchors(similarity, same, ~same, None, number, "easy")
    tensor([ True, False])
    """
    one_of(anchors, ANCHORS, "stand_in", "anchors")
    ahead = best(similarity, same) - best(similarity, other)
    if right_share is None:
        n_right = all_reduce((ahead > 0).sum())
    elif anchors in ("drawn", "fixed"):
        return number < right_share
    else:
        n_right = all_reduce((number < right_share).sum())
    first = {"easy": ahead, "hard": -ahead}.get(anchors, -number)
    return among_first(first.masked_fill(~same.any(1), float("-inf")), n_right)


def best(similarity: Float[Tensor, "b m"], among: Bool[Tensor, "b m"]) -> Float[Tensor, " b"]:
    """The largest similarity among some rows; -2, less than any cosine, where there is none."""
    return similarity.masked_fill(~among, -2.0).max(1).values


def row_as_near(
    similarity: Float[Tensor, "b m"], among: Bool[Tensor, "b m"], beside: Bool[Tensor, "b m"]
) -> Int[Tensor, " b"]:
    """The row among some whose similarity is closest to the largest of others; of equals the first.

    Where there are no others the most similar row, and row 0 where there is none among which to choose.

    >>> similarity = torch.tensor([[0.9, 0.5, 0.4, 0.2]])
    >>> among = torch.tensor([[True, False, True, True]])
    >>> row_as_near(similarity, among, ~among)
    tensor([2])
    """
    target = torch.where(beside.any(1), best(similarity, beside), 1.0)
    gap = (similarity - target[:, None]).abs()
    return gap.masked_fill(~among, float("inf")).min(1).indices


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
