"""Memories of past embeddings. Every row carries the data-set index of its image."""

import torch
from torch import Tensor, nn

from sslrepro.base.device import CachedRead
from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Float, Int


class Queue(nn.Module):
    """The last `size` embeddings, oldest overwritten first (or, as a variant, rows drawn at random).

    Starts as random unit rows with index -1 (NNCLR: "random matrix"). Everything it keeps is a saved buffer.

    entries   [m d] unit rows
    index     data-set index of each row, -1 while it is random
    label     class of each row; written only by declared oracles, else -1
    born      value of `pushes` when the row was written, for its age
    """

    def __init__(self, size: int, dim: int, eviction: str = "oldest"):
        super().__init__()
        require(size >= 1, "Queue", "size", ">= 1", size)
        self.size = size
        self.eviction = one_of(eviction, ("oldest", "random"), "Queue", "eviction")
        self._written = CachedRead()
        self.register_buffer("entries", unit(torch.randn(size, dim)))
        self.register_buffer("index", torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer("label", torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer("born", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.int64))
        self.register_buffer("pushes", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(
        self,
        rows: Float[Tensor, "b d"],
        index: Int[Tensor, " b"],
        label: Int[Tensor, " b"] | None = None,
    ) -> None:
        """Write unit-normalised rows; of a batch larger than the queue only the last `size` rows stay.

        Random eviction follows from what is pushed and when: the same run, the same rows, on every device.
        """
        rows, index = rows[-self.size :], index[-self.size :]
        n, written = len(rows), self.n_written
        if self.eviction == "random" and written == self.size:
            slots = shuffle_order(self.size, self.pushes, index.sum())[:n]
        else:  # random eviction fills the empty rows in order first
            slots = (self.cursor + torch.arange(n, device=rows.device)) % self.size
            self.cursor.copy_((self.cursor + n) % self.size)
        self.entries[slots] = unit(rows).to(self.entries.dtype)
        self.index[slots] = index
        self._written.put(self.index, min(written + n, self.size))  # random eviction: no row is empty any more
        self.label[slots] = -1 if label is None else label[-self.size :]
        self.pushes += 1
        self.born[slots] = self.pushes

    @property
    def n_written(self) -> int:
        """How many rows show an image; read from the device once, then counted along on the host."""
        return self._written.get(self.index, lambda index: int((index >= 0).sum()))

    @property
    def full(self) -> bool:
        """Whether every row was written."""
        return self.n_written == self.size

    def age(self, slots: Int[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Steps since each of the given rows was written (a row of the last push is 1 step old at the next)."""
        return (self.pushes - self.born[slots] + 1).float()


class Bank(nn.Module):
    """One unit row per training image, each a running average of the image's embeddings (InstDisc).

    row i <- unit(momentum * row i + (1 - momentum) * unit(z_i)). Starts as random unit rows (as in LA's PyTorch code;
    InstDisc draws rows of unit length on average).

    entries   [n d] unit rows, in data-set order
    """

    def __init__(self, n_images: int, dim: int, momentum: float = 0.5):
        super().__init__()
        require(n_images >= 1, "Bank", "n_images", ">= 1, the training images", n_images)
        require(0 <= momentum < 1, "Bank", "momentum", "in [0, 1)", momentum)
        self.momentum = momentum
        self.register_buffer("entries", unit(torch.rand(n_images, dim) * 2 - 1))

    @torch.no_grad()
    def update(self, rows: Float[Tensor, "b d"], index: Int[Tensor, " b"]) -> None:
        """Average rows in, after the optimizer's step. Of an image that occurs twice the last row counts."""
        place = torch.arange(len(index), device=index.device)
        last = torch.where(index[:, None] == index, place, -1).max(1).values  # a scatter of equal rows has one result
        mixed = self.momentum * self.entries[index] + (1 - self.momentum) * unit(rows[last])
        self.entries[index] = unit(mixed).to(self.entries.dtype)


def shuffle_order(n: int, *marks: Int[Tensor, ""]) -> Int[Tensor, " n"]:
    """0..n-1 in an order that follows from `marks` alone: sorted by an integer hash, without a copy to the host."""
    key = torch.arange(n, device=marks[0].device)
    for mark in (*marks, torch.zeros_like(marks[0])):
        key = (key + mark) * 0x5851F42D4C957F2D + 0x14057B7EF767814F  # Knuth's MMIX step; wraps at 64 bits
        key = key ^ ((key >> 29) & 0x7FFFFFFFF)
    return key.argsort(stable=True)


def unit(x: Float[Tensor, "*a d"]) -> Float[Tensor, "*a d"]:
    """Rows divided by their L2 norm (at least 1e-12), in fp32 or better."""
    return torch.nn.functional.normalize(precise(x), dim=-1, eps=1e-12)


def cosines(a: Float[Tensor, "*a d"], b: Float[Tensor, "b d"]) -> Float[Tensor, "*a b"]:
    """Dot products of unit rows in fp32 or better, also under autocast: in half precision many of them are equal."""
    with torch.autocast(a.device.type, enabled=False):
        return precise(a) @ precise(b).T


def precise(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Half precision raised to fp32; fp32 and fp64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
