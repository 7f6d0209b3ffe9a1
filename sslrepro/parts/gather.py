"""Everything that crosses processes. With one process each function returns what it was given."""

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes that train one run together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, 0..world_size() - 1."""
    return dist.get_rank() if world_size() > 1 else 0


class _GatherWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, local: Tensor) -> Tensor:
        parts = [torch.empty_like(local) for _ in range(world_size())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        # Every process used every row: keeping only the local slice would halve the signal for two processes.
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]


def gathered(local: Tensor) -> Tensor:
    """Rows of all processes, in rank order, with gradient."""
    return local if world_size() == 1 else _GatherWithGradient.apply(local)


@torch.no_grad()
def gathered_detached(local: Tensor) -> Tensor:
    """Rows of all processes, in rank order, without gradient: for memories."""
    if world_size() == 1:
        return local.detach()
    parts = [torch.empty_like(local) for _ in range(world_size())]
    dist.all_gather(parts, local.detach().contiguous())
    return torch.cat(parts)


def local_rows(n: int, device: torch.device) -> Tensor:
    """Positions of this process's `n` rows in a gathered tensor."""
    return torch.arange(n, device=device) + rank() * n
