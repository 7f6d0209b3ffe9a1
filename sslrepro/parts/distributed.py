"""Everything that crosses processes. With one process each function returns what it was given."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_alone = False  # whether this process works without the others for a while


def world_size() -> int:
    """Number of processes that train one run together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() and not _alone else 1


@contextlib.contextmanager
def without_others() -> Iterator[None]:
    """Inside, this process is the only one: what it measures calls nobody who would not answer."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


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
        gradient = gradient.clone(memory_format=torch.contiguous_format)  # it may serve others too
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]


def all_gather(local: Tensor) -> Tensor:
    """Rows of all processes, in rank order, with gradient."""
    return local if world_size() == 1 else _GatherWithGradient.apply(local)


@torch.no_grad()
def all_gather_detached(local: Tensor) -> Tensor:
    """Rows of all processes, in rank order, without gradient: for memories."""
    if world_size() == 1:
        return local.detach()
    parts = [torch.empty_like(local) for _ in range(world_size())]
    dist.all_gather(parts, local.detach().contiguous())
    return torch.cat(parts)


def local_rows(n: int, device: torch.device) -> Tensor:
    """Positions of this process's `n` rows in a gathered tensor."""
    return torch.arange(n, device=device) + rank() * n


def among_first(score: Tensor, n: int | Tensor) -> Tensor:
    """Whether each of this process's scores (b,) is among the `n` largest of all processes; of equals the earlier.

    >>> among_first(torch.tensor([0.3, 0.9, 0.5]), 2).tolist()
    [False, True, True]
    """
    rank = all_gather_detached(score).argsort(descending=True, stable=True).argsort()
    return rank[local_rows(len(score), score.device)] < n


class _SumWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, local: Tensor) -> Tensor:
        total = local.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


def all_reduce(local: Tensor) -> Tensor:
    """Sum over processes, with gradient."""
    return local if world_size() == 1 else _SumWithGradient.apply(local)


@torch.no_grad()
def broadcast(tensor: Tensor) -> Tensor:
    """The first process's values, in place: after a clustering or mining that every process ran for itself."""
    if world_size() > 1:
        dist.broadcast(tensor, 0)
    return tensor


def first_says(value: Any) -> Any:
    """The first process's value, on all of them: what a clock or a lock decides, it decides for everyone."""
    if world_size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


class _Loss(nn.Module):
    def __init__(self, method: nn.Module):
        super().__init__()
        self.method = method

    def forward(self, *arguments):
        return self.method.loss(*arguments)


def wrap_ddp(method: nn.Module):
    """The method's `loss`, whose backward pass leaves the mean gradient over processes on every one of them.

    Keep what is returned until after the backward pass: it owns the averaging.
    """
    if world_size() == 1:
        return method.loss
    return nn.parallel.DistributedDataParallel(_Loss(method), broadcast_buffers=False)


def barrier() -> None:
    """Let every process arrive here before any goes on."""
    if world_size() > 1:
        dist.barrier()


def ended_processes(peers: list[tuple[str, int]], seconds: float = 1.0) -> list[str]:
    """Those of a group that ended, in words; waits up to `seconds` for the first, since a killed one dies in steps.

    peers   (host, process id) by rank; what runs on another host cannot be looked at and is left out
    """
    here, deadline = socket.gethostname(), time.monotonic() + seconds
    while True:
        ended = [
            f"process {number} of {len(peers)} ({host}, pid {pid})"
            for number, (host, pid) in enumerate(peers)
            if host == here and not _is_alive(pid)
        ]
        if ended or time.monotonic() > deadline:
            return ended
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return not Path("/proc/self").exists()  # a system that does not tell
    return state not in "ZXx"


@contextlib.contextmanager
def process_group(device: str = "cpu") -> Iterator[str]:
    """Join the processes that `torchrun` started and yield this one's device; alone, nothing happens.

    Raises RuntimeError that names the process where another one of the group ends while it is waited for.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    cuda = device.startswith("cuda")
    if cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    peers: list[tuple[str, int]] = [("", 0)] * world_size()
    dist.all_gather_object(peers, (socket.gethostname(), os.getpid()))
    try:
        yield device
    except RuntimeError as error:
        ended = ended_processes(peers)
        if not ended:
            raise
        raise RuntimeError(
            f"training: {' and '.join(ended)} ended, and the others cannot go on without it. The same call goes on "
            "from the last checkpoint, also with another number of processes."
        ) from error
    finally:
        dist.destroy_process_group()
