"""Who is near whom over the whole set, as data-set indices."""

import torch
from torch import Tensor, nn

from sslrepro.base.errors import require
from sslrepro.base.types import Bool, Float, Int


class NeighbourGraph(nn.Module):
    """The directed k-nearest-neighbour graph of the training images, rewritten a batch at a time (InvP).

    neighbours   [n k] data-set indices, nearest first; -1 = not known yet
    """

    def __init__(self, n_images: int, k: int):
        super().__init__()
        require(1 <= k < n_images, "NeighbourGraph", "k", f"1..{n_images - 1}, the other images", k)
        self.register_buffer("neighbours", torch.full((n_images, k), -1, dtype=torch.int64))

    def walks(self, index: Int[Tensor, " b"], hops: int) -> Int[Tensor, "b w"]:
        """Ends of all walks of 1..hops edges, level by level: k + k^2 + ... entries, with repeats.

        The start itself is usually among them (neighbours are often mutual); ends through unknown nodes are -1.
        """
        level, levels = index[:, None], []
        for _ in range(hops):
            step = self.neighbours[level.clamp_min(0)]
            level = torch.where(level[:, :, None] >= 0, step, -1).flatten(1)
            levels.append(level)
        return torch.cat(levels, 1)

    def within(self, index: Int[Tensor, " b"], hops: int) -> Bool[Tensor, "b n"]:
        """Images at graph distance 1..hops: breadth-first search, the start left out."""
        ends = self.walks(index, hops)
        reached = torch.zeros(len(index), len(self.neighbours) + 1, dtype=torch.bool, device=index.device)
        reached.scatter_(1, torch.where(ends >= 0, ends, len(self.neighbours)), True)  # the last column is a sink
        reached.scatter_(1, index[:, None], False)
        return reached[:, :-1]

    def share_kept(self, index: Int[Tensor, " b"], nearest: Int[Tensor, "b k"]) -> Float[Tensor, ""]:
        """Share of a batch's stored neighbours that are among the new ones; 0 where none is stored yet."""
        stored = self.neighbours[index]
        known = stored >= 0
        again = (stored[:, :, None] == nearest[:, None, :]).any(2) & known
        return again.sum() / known.sum().clamp_min(1)

    def write(self, index: Int[Tensor, " b"], nearest: Int[Tensor, "b k"]) -> None:
        """Replace the rows of a batch, after the step; of an image that occurs twice the last row counts."""
        place = torch.arange(len(index), device=index.device)
        last = torch.where(index[:, None] == index, place, -1).max(1).values
        self.neighbours[index] = nearest[last]


class Affinity(nn.Module):
    """Symmetric sets of images held to be alike, at most `cap` per image; they only grow (ISL).

    Every image is in its own set; that is not stored.

    members   [n cap] data-set indices in order of admission, -1 where there is none
    """

    def __init__(self, n_images: int, cap: int):
        super().__init__()
        require(cap >= 1, "Affinity", "cap", ">= 1, members per image", cap)
        self.register_buffer("members", torch.full((n_images, cap), -1, dtype=torch.int64))

    def of(self, index: Int[Tensor, " b"]) -> Bool[Tensor, "b n"]:
        """Members of each image's set, itself left out."""
        member = torch.zeros(len(index), len(self.members) + 1, dtype=torch.bool, device=index.device)
        rows = self.members[index]
        member.scatter_(1, torch.where(rows >= 0, rows, len(self.members)), True)
        return member[:, :-1]

    def admit(self, first: Int[Tensor, " e"], second: Int[Tensor, " e"]) -> dict[str, int]:
        """Put each into the other's set, in the order given; pairs that would pass a cap are refused.

        Returns {"admitted", "refused"}: undirected pairs; those already in are neither.
        """
        touched = torch.cat([first, second]).unique()
        rows = self.members[touched].tolist()
        neighbours = {i: [j for j in row if j >= 0] for i, row in zip(touched.tolist(), rows, strict=True)}
        cap, count = self.members.shape[1], {"admitted": 0, "refused": 0}
        for i, j in zip(first.tolist(), second.tolist(), strict=True):
            if i == j or j in neighbours[i]:
                continue
            if len(neighbours[i]) >= cap or len(neighbours[j]) >= cap:
                count["refused"] += 1
                continue
            neighbours[i].append(j)
            neighbours[j].append(i)
            count["admitted"] += 1
        if count["admitted"]:
            rows = [neighbours[i] + [-1] * (cap - len(neighbours[i])) for i in touched.tolist()]
            self.members[touched] = torch.tensor(rows, device=self.members.device)
        return count
