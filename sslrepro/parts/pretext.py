"""Versions of a view that pretext tasks ask about, built from the view itself."""

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Float, Int


def turn_images(view: Float[Tensor, "b c h w"], degrees: Sequence[int]) -> Float[Tensor, "t c h w"]:
    """Every image turned counter-clockwise by each of some multiples of 90 degrees (RotNet, Sec. 3.1).

        returns   one copy of the batch per angle: all images turned by the first, then all by the second, and so on

    Exact: pixels move, none is interpolated. Raises ValueError for another angle, and for images that are not square.

    >>> turn_images(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), (0, 90))[1]
    tensor([[[2., 4.],
             [1., 3.]]])
    """
    right = all(angle % 90 == 0 for angle in degrees)
    require(right, "turn_images", "degrees", "multiples of 90", list(degrees))
    require(view.shape[2] == view.shape[3], "turn_images", "view", "of square images", list(view.shape))
    turned = torch.cat([view.rot90(angle // 90, (2, 3)) for angle in degrees])
    return turned.contiguous(memory_format=layout(view))


def layout(images: Float[Tensor, "b c h w"]) -> torch.memory_format:
    """The memory format of images, for what is built from them: the next convolution's."""
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def cut_tiles(view: Float[Tensor, "b c h w"], grid: int, share: float, mark: Int[Tensor, ""]) -> Tensor:
    """The tiles of a jigsaw: of each cell of a grid over the view a smaller square, so that edges do not fit (PIRL).

        grid      cells in a row and in a column, >= 1, at most the side; pixels that are left over are cut off
        share     side of a tile in that of its cell, in (0, 1]; at least 1 px
        mark      of the step: where in its cell a tile lies follows from it, for all images alike
        returns   grid * grid * b tiles [c t t]: the first cell of all images, then the second, row by row

    Raises ValueError for more cells than pixels, and for images that are not square.

    >>> view = torch.arange(16.0).view(1, 1, 4, 4)
    >>> cut_tiles(view, 2, 1.0, torch.tensor(0))[1]
    tensor([[[2., 3.],
             [6., 7.]]])
    """
    side = view.shape[2]
    require(side == view.shape[3], "cut_tiles", "view", "of square images", list(view.shape))
    require(1 <= grid <= side, "cut_tiles", "grid", f"1..{side}, the pixels of a side", grid)
    require(0 < share <= 1, "cut_tiles", "share", "in (0, 1]", share)
    cell = side // grid
    tile, start = max(1, round(cell * share)), (side - grid * cell) // 2
    number = torch.arange(grid, device=view.device)
    cells = number.repeat_interleave(grid), number.repeat(grid)  # row and column of each cell
    room = cell - tile + 1
    shift = drawn_numbers(torch.arange(2, device=view.device), grid * grid, mark) % room  # [2 cells]: down, right
    inside = torch.arange(tile, device=view.device)
    rows, columns = (start + cell * at[:, None] + by[:, None] + inside for at, by in zip(cells, shift, strict=True))
    tiles = view[:, :, rows[:, :, None], columns[:, None, :]]  # [b c cells t t]
    return tiles.permute(2, 0, 1, 3, 4).flatten(0, 1).contiguous(memory_format=layout(view))


def standard_tiles(tiles: Float[Tensor, "t c p p"]) -> Float[Tensor, "t c p p"]:
    """Each tile of mean 0 and deviation 1 in every colour, so that its place does not show in them (Jigsaw, Sec. 3).

    A tile of one colour becomes 0.

    >>> standard_tiles(torch.tensor([[[[1.0, 3.0], [3.0, 1.0]]]]))
    tensor([[[[-1.,  1.],
              [ 1., -1.]]]])
    """
    centred = tiles - tiles.mean((2, 3), keepdim=True)
    return centred / centred.square().mean((2, 3), keepdim=True).sqrt().clamp_min(1e-6)


@functools.lru_cache(maxsize=2)
def _all_permutations(n: int) -> np.ndarray:
    return np.array(list(itertools.permutations(range(n))), dtype=np.int8)


def distant_permutations(n_tiles: int, n: int, first: int) -> Int[Tensor, "n t"]:
    """Permutations of tiles that are unlike each other: the next has the largest mean Hamming distance to those before.

        n_tiles   2..9
        n         1..n_tiles!
        first     number of the permutation to begin with, in their lexical order, modulo how many there are
        returns   row by row, which tile goes to each place

    Ties go to the first in lexical order (Noroozi and Favaro, Alg. 1, whose first permutation is random). Raises
    ValueError for more permutations than there are.

    >>> distant_permutations(3, 3, 0)
    tensor([[0, 1, 2],
            [1, 2, 0],
            [2, 0, 1]])
    """
    require(2 <= n_tiles <= 9, "distant_permutations", "n_tiles", "2..9", n_tiles)
    most = math.factorial(n_tiles)
    require(1 <= n <= most, "distant_permutations", "n", f"1..{most}, the permutations of {n_tiles} tiles", n)
    every = _all_permutations(n_tiles)
    places, chosen = np.ascontiguousarray(every.T), [first % most]
    distance = np.zeros(most, dtype=np.int64)  # to those chosen, summed; the mean has the same order
    while len(chosen) < n:
        for place in places:
            distance += place != place[chosen[-1]]
        distance[chosen[-1]] = -most * n_tiles  # not again
        chosen.append(int(distance.argmax()))
    return torch.from_numpy(every[chosen].astype(np.int64))


def drawn_numbers(index: Int[Tensor, " b"], n: int, mark: Int[Tensor, ""]) -> Int[Tensor, "b n"]:
    """n numbers >= 0 for each image, that follow from its index and the step's mark alone: an integer hash.

    So a draw is the same wherever in a batch, and on whichever process, the image stands; nothing waits for the device.
    """
    key = index[:, None] + torch.zeros(1, n, dtype=torch.int64, device=index.device)
    for part in (mark, torch.arange(n, device=index.device), torch.zeros_like(mark)):
        key = (key + part) * 0x5851F42D4C957F2D + 0x14057B7EF767814F  # Knuth's MMIX step; wraps at 64 bits
        key = key ^ ((key >> 29) & 0x7FFFFFFFF)
    return (key >> 20) & 0x7FFFFFFF  # the low bits of such a product are the poor ones
