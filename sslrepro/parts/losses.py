"""The one contrastive loss, in three modes."""

import torch
from torch import Tensor

from sslrepro.check import one_of, require
from sslrepro.parts.memory import precise
from sslrepro.types import Bool, Float

LOWEST = torch.finfo(torch.float32).min  # not -inf: a fully masked row must stay finite in the backward pass


def nce(
    anchor: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    positive: Bool[Tensor, "a k"],
    candidate: Bool[Tensor, "a k"],
    temperature: float,
    mode: str = "out",
) -> Float[Tensor, ""]:
    """Mean over anchors of -log of the share that the positives take of the candidates.

    With s = anchor . key / temperature and LSE the log-sum-exp, for each anchor
        "out"  LSE over candidates of s  -  mean over positives of s     (SupCon's L_out; SimCLR, NNCLR with one)
        "in"   LSE over candidates of s  -  LSE over positives of s      (InvP, LA)
    With a single positive both are the usual cross-entropy.

        anchor, keys   unit rows
        positive       True where a key pulls its anchor: at least one per anchor
        candidate      True where a key stands in the denominator: at least one per anchor
        temperature    > 0, dimensionless [tau]

    Computed in fp32 or better. Raises ValueError for a temperature <= 0 or an unknown mode.
    """
    one_of(mode, ("out", "in"), "nce", "mode")
    require(temperature > 0, "nce", "temperature", "> 0", temperature)
    with torch.autocast(anchor.device.type, enabled=False):
        s = precise(anchor) @ precise(keys).T / temperature
        denominator = s.masked_fill(~candidate, LOWEST).logsumexp(1)
        if mode == "out":
            pull = (s * positive).sum(1) / positive.sum(1)
        else:
            pull = s.masked_fill(~positive, LOWEST).logsumexp(1)
        return (denominator - pull).mean()
