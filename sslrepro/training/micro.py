"""Gradient accumulation: a batch in parts, one after the other, whose mean gradient makes one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Batch, Step


def micro_batches(batch: Batch, n: int) -> Iterator[Batch]:
    """A batch as `n` equal ones, in order; 1: the batch itself.

    The step that follows has the gradient of the mean of the parts' losses. That is the whole batch's gradient where
    the loss is a mean over rows that do not see each other and the network has no batch norm: BYOL and SimSiam, and
    InstDisc, ISL and MoCo, whose negatives come from a memory. It is not for losses over the batch: with in-batch
    negatives (SimCLR, NNCLR, SupCon) a row is compared with the rows of its part alone, 1/n of the negatives; the
    statistics of VICReg and Barlow Twins, the assignments of SwAV and batch norm's mean and variance are the part's.

    Raises ValueError where the rows cannot be shared out evenly, or a part would have fewer than two.
    """
    size = len(batch.index)
    fits = size % n == 0 and size // n >= 2
    require(
        n == 1 or fits, "train", "accumulate", f"a divisor of the {size} rows of a batch, with 2 rows or more each", n
    )
    if n == 1:
        yield batch
        return
    for part in range(n):
        rows = slice(part * size // n, (part + 1) * size // n)
        some = {
            field.name: value[rows]
            for field in fields(batch)
            if field.name in ("index", "partner", "weight", "label")
            and (value := getattr(batch, field.name)) is not None
        }
        yield replace(batch, views=tuple(view[rows] for view in batch.views), seed=batch.seed + part, **some)


def add_gradients(
    loss: Callable[[Batch, float], Step], batch: Batch, progress: float, n: int, autocast: torch.autocast
) -> Step:
    """Add the gradient of a batch's loss, taken in `n` parts, to the parameters'; returns the step of the whole batch.

    One part is in memory at a time: its activations are a share of 1/n of the batch's.
    """
    steps = []
    for part in micro_batches(batch, n):
        with autocast:
            out = loss(part, progress)
        (out.loss if n == 1 else out.loss / n).backward()
        steps.append(out)
    return join_steps(steps)


def join_steps(steps: Sequence[Step]) -> Step:
    """What the parts returned as of one batch: losses and metrics are means, what is carried is put end to end."""
    if len(steps) == 1:
        return steps[0]

    def joined(parts: tuple[Tensor, ...]) -> Tensor:
        return torch.cat(parts) if parts[0].ndim else torch.stack(parts).mean()

    metrics = {name: torch.stack([step.metrics[name].double() for step in steps]).mean() for name in steps[0].metrics}
    carry = tuple(joined(parts) for parts in zip(*(step.carry for step in steps), strict=True))
    mined = None
    if steps[0].mined is not None:
        mined = tuple(joined(parts) for parts in zip(*(step.mined for step in steps), strict=True))
    return Step(torch.stack([step.loss.detach() for step in steps]).mean(), metrics, carry, mined)
