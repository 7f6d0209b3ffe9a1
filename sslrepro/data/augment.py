"""Batched image augmentation: a few matrix products per batch, with parameters drawn per image.

Crop, flip, resize and blur are linear in each axis: one small matrix per image and axis. Brightness, contrast and
saturation are affine in RGB: one 3x3 matrix and one offset per image. Random numbers are drawn on the CPU whatever the
device, so that a batch is the same everywhere.

An image's numbers never depend, not even in the last bit, on how many images it is rendered with. A processor's own
matrix products do not keep that: which of their kernels runs, and so how sums are rounded, depends on the shape of the
call. Here products are exact (`product`), or written out as multiplications and additions, which IEEE 754 rounds alike
wherever in a tensor they stand; exponentials, whose last bit libraries leave open, are taken over whole batches.

Departures from torchvision v2, measured in tests/data/test_augment.py: the colour changes come in a fixed order
(brightness, contrast, saturation, hue), and the first three are clamped once, after the last of them.
"""

import functools
import math

import torch
from torch import Tensor

from sslrepro.base.device import constant
from sslrepro.base.types import Bool, Float, Int

GRAY = (0.2989, 0.587, 0.114)  # ITU-R 601 luma, as in torchvision
WHOLE = 255.0 * 2**17  # just below 2^25, and k / 255 becomes a whole number: 8-bit images are not rounded


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp_min(0)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic with a = -1/2, the kernel of PyTorch's antialiased bicubic."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def resample(
    start: Int[Tensor, " b"], length: Int[Tensor, " b"], n_in: int, n_out: int, cubic: bool = False
) -> Float[Tensor, "b n_out n_in"]:
    """Matrix per image that cuts [start, start + length) out of an axis and resizes it to `n_out` samples.

    Equal to torchvision's `resized_crop(..., antialias=True)` along that axis; samples outside the box weigh 0.
    """
    start, length = (value.to(torch.float32)[:, None, None] for value in (start, length))
    step = length / n_out
    width = step.clamp_min(1)  # antialias: the filter widens when shrinking
    centre = start + (torch.arange(n_out, device=start.device)[:, None] + 0.5) * step
    sample = torch.arange(n_in, device=start.device) + 0.5
    weights = (_cubic if cubic else _triangle)((sample - centre) / width)
    weights = weights * ((sample > start) & (sample < start + length))
    return weights / weights.sum(-1, keepdim=True)


def whole(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Numbers of at most 4 as whole multiples of 1 / `WHOLE`, in float64."""
    return x.double().mul_(WHOLE).round_()


def product(a: Float[Tensor, "b m k"], b: Float[Tensor, "b k n"]) -> Float[Tensor, "b m n"]:
    """Batched matrix product of `whole` numbers: the same, to the bit, in any order of summation and in any batch.

    float64 holds products of whole numbers and their sums exactly below 2^53, so that a row of absolute values that
    multiplies a column may come to 4; weights of a resize or a blur times pixels stay below 2.
    """
    return torch.bmm(a, b).mul_(1 / WHOLE).round_()


@functools.lru_cache
def _reflection(n: int, radius: int, device: torch.device) -> Tensor:
    """[2 radius + 1, n, n] one-hot: offset t, output i -> the input at reflect(i + t)."""
    position = torch.arange(n) + torch.arange(-radius, radius + 1)[:, None]
    position = position.abs()
    position = torch.where(position > n - 1, 2 * (n - 1) - position, position)
    return torch.nn.functional.one_hot(position, n).float().to(device)


def gaussian(sigma: Float[Tensor, " b"], kernel: int) -> Float[Tensor, "b kernel"]:
    """Weights of a Gaussian blur at offsets -(kernel // 2) ... kernel // 2 px; sigma in px, 0 = none."""
    offset = torch.arange(-(kernel // 2), kernel // 2 + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (offset / sigma.clamp_min(1e-3)[:, None]).square())
    return weights / weights.sum(1, keepdim=True)


def blur(weights: Float[Tensor, "b kernel"], n: int) -> Float[Tensor, "b n n"]:
    """Matrix per image of a blur along an axis of `n` px, reflected at the border."""
    reflected = _reflection(n, weights.shape[1] // 2, weights.device)
    matrix = weights[:, 0, None, None] * reflected[0]
    for weight, ones in zip(weights.unbind(1)[1:], reflected[1:], strict=True):
        matrix.addcmul_(weight[:, None, None], ones)  # times 0 or 1: exact, fused or not
    return matrix


def spatial(
    images: Float[Tensor, "b 3 h w"],
    rows: Float[Tensor, "b p h"],
    columns: Float[Tensor, "b p w"],
    smooth: Float[Tensor, "b p p"] | None = None,
) -> Float[Tensor, "b 3 p p"]:
    """Apply one matrix per image along the rows and one along the columns, and then `smooth` along both."""
    b, c, h, w = images.shape
    rows, columns = whole(rows), whole(columns)
    if smooth is not None:
        smooth = whole(smooth)
        rows, columns = product(smooth, rows), product(smooth, columns)
    across = product(columns, whole(images).view(b, c * h, w).transpose(1, 2))  # [b, column, c h]
    down = product(rows, across.view(b, -1, h).transpose(1, 2)).div_(WHOLE)  # [b, row, column c]
    down = down.view(b, rows.shape[1], columns.shape[1], c).permute(0, 3, 1, 2)
    return down.to(torch.float32, memory_format=torch.contiguous_format)


def colour_matrix(
    brightness: Float[Tensor, " b"], contrast: Float[Tensor, " b"], saturation: Float[Tensor, " b"]
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, " b"]]:
    """Brightness, contrast and saturation, in this order, as x -> M x + shift * (luma of the image's mean colour).

    All three are factors >= 0; 1 leaves the image as it is.
    """
    device = brightness.device
    eye, gray = torch.eye(3, device=device), constant(GRAY, device).expand(3, 3)
    s = saturation[:, None, None]
    matrix = s * eye + (1 - s) * gray
    # saturation maps gray to itself, so contrast's pull to the mean luma passes through unchanged
    return matrix * (brightness * contrast)[:, None, None], (1 - contrast) * brightness


def turn_hue(images: Float[Tensor, "b 3 h w"], hue: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Turn the HSV hue of each image by `hue`, a share of the circle in [-0.5, 0.5]; images in [0, 1].

    Cases are told apart by factors of 0 and 1, and remainders taken by floor: each several times faster on the CPU
    than a choice or a remainder, with the same result.
    """
    r, g, b = images.unbind(1)
    value = torch.maximum(torch.maximum(r, g), b)
    chroma = value - torch.minimum(torch.minimum(r, g), b)
    red = (r == value).to(images.dtype)
    green = (g == value).to(images.dtype).mul_(1 - red)
    blue = 1 - red - green
    across = red.mul_(g - b).add_(green * (b - r)).add_(blue * (r - g)).div_(chroma.clamp_min(1e-12))
    sixth = across.add_(green.mul_(2)).add_(blue.mul_(4)).add_(6 * hue[:, None, None])  # of the circle, turned
    out = torch.empty_like(images)
    for channel, offset in enumerate((5.0, 3.0, 1.0)):
        k = sixth + offset
        k.sub_((k / 6).floor_().mul_(6))
        torch.minimum(k, 4 - k, out=k).clamp_(0, 1).mul_(chroma)
        torch.sub(value, k, out=out[:, channel])
    return out


def luma(images: Float[Tensor, "b 3 *place"]) -> Float[Tensor, "b *place"]:
    """Weighted sum of the three channels, with `GRAY`."""
    r, g, b = images.unbind(1)
    return r * GRAY[0] + g * GRAY[1] + b * GRAY[2]


def to_gray(images: Float[Tensor, "b 3 h w"], chosen: Int[Tensor, " n"]) -> Float[Tensor, "b 3 h w"]:
    """Replace the images in the given places by their luma in all three channels, in place."""
    images[chosen] = luma(images[chosen])[:, None].expand(-1, 3, -1, -1)
    return images


def recolour(
    images: Float[Tensor, "b 3 h w"], matrix: Float[Tensor, "b 3 3"], shift: Float[Tensor, " b"]
) -> Float[Tensor, "b 3 h w"]:
    """Apply `colour_matrix` and clamp to [0, 1]."""
    b, c, h, w = images.shape
    flat = images.reshape(b, c, h * w)
    out = (shift * luma(flat.mean(2)))[:, None, None] + matrix[:, :, :1] * flat[:, :1]
    for channel in range(1, c):
        out += matrix[:, :, channel, None] * flat[:, channel, None]
    return out.clamp_(0, 1).view(b, c, h, w)


def solarise(images: Float[Tensor, "b 3 h w"], chosen: Bool[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Invert the pixels >= 0.5 of the chosen images."""
    return torch.where(chosen[:, None, None, None] & (images >= 0.5), 1 - images, images)


def crop_boxes(
    n: int, side: int, scale: tuple[float, float], ratio: tuple[float, float], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(top, left, height, width) of random resized crops in px: torchvision's rule, ten tries then the whole image."""
    tries = 10
    area = torch.empty(n, tries).uniform_(*scale, generator=generator) * side * side
    log_ratio = torch.empty(n, tries).uniform_(math.log(ratio[0]), math.log(ratio[1]), generator=generator)
    width = (area * log_ratio.exp()).sqrt().round().long()
    height = (area / log_ratio.exp()).sqrt().round().long()
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = fits.long().argmax(1, keepdim=True)
    none = ~fits.any(1)
    width = width.gather(1, first)[:, 0].masked_fill(none, side)
    height = height.gather(1, first)[:, 0].masked_fill(none, side)
    place = torch.rand(2, n, generator=generator)
    top = (place[0] * (side - height + 1)).long()
    left = (place[1] * (side - width + 1)).long()
    return top, left, height, width
