"""Who is a positive and who may repel, as functions of data-set indices or labels."""

import torch
from torch import Tensor

from sslrepro.base.types import Bool, Int


def same_image(
    anchor: Int[Tensor, " a"], key: Int[Tensor, " k"], own_row: Int[Tensor, " a"]
) -> tuple[Bool[Tensor, "a k"], Bool[Tensor, "a k"]]:
    """(positive, candidate): keys of the anchor's image, and all keys, both without the anchor's own row.

    The same function with labels in place of indices is SupCon's rule.
    """
    candidate = torch.ones(len(anchor), len(key), dtype=torch.bool, device=anchor.device)
    candidate[torch.arange(len(anchor), device=anchor.device), own_row] = False
    return (anchor[:, None] == key[None, :]) & candidate, candidate


def of_either(first: Int[Tensor, " a"], second: Int[Tensor, " a"], key: Int[Tensor, " k"]) -> Bool[Tensor, "a k"]:
    """Keys that show the first or the second image of an anchor's row."""
    return (first[:, None] == key) | (second[:, None] == key)


def own_key(candidate: Bool[Tensor, "a m"]) -> tuple[Bool[Tensor, "a k"], Bool[Tensor, "a k"]]:
    """(positive, candidate) over the anchors' own keys, one each and in order, followed by `m` stored rows (MoCo).

    The own key is the positive; the stored rows only repel.

        candidate   which stored rows repel which anchor
    """
    own = torch.eye(len(candidate), dtype=torch.bool, device=candidate.device)
    return torch.cat([own, torch.zeros_like(candidate)], 1), torch.cat([own, candidate], 1)
