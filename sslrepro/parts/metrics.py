"""Health of embeddings, and of what methods take to be alike, logged while training."""

import torch
from torch import Tensor

from sslrepro.base.types import Bool, Float, Int
from sslrepro.parts.distributed import all_gather_detached


def spread(z: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Collapse monitor: std over the batch of all processes, mean over dimensions, times sqrt(d).

    About 1 for unit rows spread over the sphere, 0 when all embeddings are equal. Called on every process together:
    a std over each one's rows would be smaller, the more processes the fewer rows it has.
    """
    return all_gather_detached(z).float().std(0).mean() * z.shape[1] ** 0.5


def mean_where(value: Float[Tensor, "a k"], among: Bool[Tensor, "a k"]) -> Float[Tensor, ""]:
    """Mean over rows of the mean of a row's values at places that are True; a row without such a place counts 0.

    A row's share does not depend on the other rows: over processes, the mean of means is that of one process.
    """
    return (torch.where(among, value, 0.0).sum(1) / among.sum(1).clamp_min(1)).mean()


def group_rates(label: Int[Tensor, " n"], group: Int[Tensor, " n"]) -> dict[str, float]:
    """How well pseudo-labels tell classes (IFND's MTPR and MTNR), from the table class x group.

    group   pseudo-label of each image; negative = its own, shared with nobody

    mtpr        mean over images of the share of same-class images that have its pseudo-label
    mtnr        mean over images of the share of other-class images that have another
    precision   share of same-class pairs among the pairs of one pseudo-label; nan where there is no pair
    accepted    share of images with a shared label;  strangers   other-class images of an image's group, mean
    """
    n = len(label)
    inside = group >= 0
    _, own_class, of_class = label.unique(return_inverse=True, return_counts=True)
    _, own_group = torch.where(inside, group, -1).unique(return_inverse=True)
    table = torch.zeros(len(of_class), int(own_group.max()) + 1, dtype=torch.float64, device=label.device)
    table.index_put_(
        (own_class[inside], own_group[inside]),
        torch.ones((), dtype=torch.float64, device=label.device),
        accumulate=True,
    )
    same = table[own_class, own_group]
    hits = torch.where(inside, same - 1, 0.0)
    misses = torch.where(inside, table.sum(0)[own_group] - same, 0.0)
    peers = (of_class[own_class] - 1).double()
    others = (n - of_class[own_class]).double()
    return {  # the mean of nothing is nan
        "mtpr": float((hits[peers > 0] / peers[peers > 0]).mean()),
        "mtnr": float((1 - misses[others > 0] / others[others > 0]).mean()),
        "precision": float(hits.sum() / (hits + misses).sum()),
        "accepted": float(inside.float().mean()),
        "strangers": float(misses.mean()),
    }


def relation_match(label: Int[Tensor, " n"], members: Int[Tensor, "n k"]) -> dict[str, float]:
    """{"match": share of held-alike pairs of one class, nan without any; "degree": members per image, mean}."""
    present = members >= 0
    same = (label[members.clamp_min(0)] == label[:, None]) & present
    count = int(present.sum())
    return {"match": int(same.sum()) / count if count else float("nan"), "degree": count / len(label)}
