"""Linear probe on a held-out share of the *training* images, by which settings are chosen; test stays unread."""

from dataclasses import dataclass

import torch

from sslrepro.base.errors import require
from sslrepro.base.types import Features
from sslrepro.evaluate import linear


@dataclass(frozen=True)
class Protocol:
    share: float = 0.2  # of the training images, kept from the probe
    penalties: tuple[float, ...] = linear.Protocol.penalties  # chosen within the other images, as in `linear`
    held_out: float = linear.Protocol.held_out
    iterations: int = linear.Protocol.iterations


def scores(train: Features, test: Features, settings: Protocol, seed: int) -> dict[str, float]:
    """held_out_top1: accuracy on the share of train that neither the probe nor its penalty has seen.

    test   not read
    """
    n = len(train.x)
    held = int(settings.share * n)
    require(0 < held < n, "evaluate.held_out", "share", f"one that leaves rows on both sides of {n}", settings.share)
    generator = torch.Generator().manual_seed(seed + 1)  # another split than that which chooses the penalty
    order = torch.randperm(n, generator=generator).to(train.x.device)
    kept, apart = (Features(train.x[rows], train.y[rows]) for rows in (order[held:], order[:held]))
    probe = linear.Protocol(settings.penalties, settings.held_out, settings.iterations)
    return {"held_out_top1": linear.scores(kept, apart, probe, seed)["linear_top1"]}
