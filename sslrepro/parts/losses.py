"""Losses: the one contrastive loss, and those of methods without negatives."""

import torch
from torch import Tensor

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Bool, Float
from sslrepro.parts.memory import precise, unit

LOWEST = torch.finfo(torch.float32).min  # not -inf: a fully masked row must stay finite in the backward pass


def nce(
    anchor: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    positive: Bool[Tensor, "a k"],
    candidate: Bool[Tensor, "a k"],
    temperature: float,
    mode: str = "out",
    weight: Float[Tensor, " a"] | None = None,
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
        weight         of each anchor in the mean; None = 1

    An anchor whose positives are all its candidates has loss 0 and no gradient, in mode "in".

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
        return weighted_mean(denominator - pull, weight)


def weighted_mean(per_row: Float[Tensor, " b"], weight: Float[Tensor, " b"] | None = None) -> Float[Tensor, ""]:
    """Mean over rows; with weights the weighted sum over the number of rows."""
    return (per_row if weight is None else per_row * weight).mean()


def cosine(a: Float[Tensor, "b d"], b: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    """Cosine of each pair of rows, in fp32 or better."""
    return (unit(a) * unit(b)).sum(1)


def soft_cross_entropy(target: Float[Tensor, "b k"], logits: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """-sum_k target_k log softmax(logits)_k for each row; `target` rows are distributions."""
    return -(target * precise(logits).log_softmax(1)).sum(1)


def spread_penalties(z: Float[Tensor, "b d"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """(variance, covariance) terms of VICReg (arXiv:2105.04906, Eq. 1-4) over all rows of a batch.

    variance     mean over dimensions of relu(1 - sqrt(Var + 1e-4)), unbiased variance
    covariance   sum of the squared off-diagonal covariances / d
    """
    with torch.autocast(z.device.type, enabled=False):
        z = precise(z)
        centred = z - z.mean(0)
        covariance = centred.T @ centred / (len(z) - 1)
        variance = covariance.diagonal()
        hinge = (1 - (variance + 1e-4).sqrt()).relu().mean()
        off_diagonal = covariance.square().sum() - variance.square().sum()
        return hinge, off_diagonal / z.shape[1]
