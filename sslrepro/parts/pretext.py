"""Versions of a view that pretext tasks ask about, built from the view itself."""

from collections.abc import Sequence

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


def drawn_numbers(index: Int[Tensor, " b"], n: int, mark: Int[Tensor, ""]) -> Int[Tensor, "b n"]:
    """n numbers >= 0 for each image, that follow from its index and the step's mark alone: an integer hash.

    So a draw is the same wherever in a batch, and on whichever process, the image stands; nothing waits for the device.
    """
    key = index[:, None] + torch.zeros(1, n, dtype=torch.int64, device=index.device)
    for part in (mark, torch.arange(n, device=index.device), torch.zeros_like(mark)):
        key = (key + part) * 0x5851F42D4C957F2D + 0x14057B7EF767814F  # Knuth's MMIX step; wraps at 64 bits
        key = key ^ ((key >> 29) & 0x7FFFFFFFF)
    return (key >> 20) & 0x7FFFFFFF  # the low bits of such a product are the poor ones
