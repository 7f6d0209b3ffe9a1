"""Batched image augmentation: a few matrix products per batch, with parameters drawn per image.

Crop, flip, resize and blur are linear in each axis: one small matrix per image and axis. Brightness, contrast and
saturation are affine in RGB: one 3x3 matrix and one offset per image. Random numbers are drawn on the CPU whatever the
device, so that a batch is the same everywhere.

Departures from torchvision v2, measured in tests/test_augment.py: the colour changes come in a fixed order
(brightness, contrast, saturation, hue), and the first three are clamped once, after the last of them.
"""

import functools
import math

import torch
from torch import Tensor

from sslrepro.base.device import constant
from sslrepro.base.types import Bool, Float, Int

GRAY = (0.2989, 0.587, 0.114)  # ITU-R 601 luma, as in torchvision


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


@functools.lru_cache
def _reflected(n: int, radius: int, device: torch.device) -> Tensor:
    """[2 radius + 1, n, n] one-hot: offset t, output i -> the input at reflect(i + t)."""
    position = torch.arange(n) + torch.arange(-radius, radius + 1)[:, None]
    position = position.abs()
    position = torch.where(position > n - 1, 2 * (n - 1) - position, position)
    return torch.nn.functional.one_hot(position, n).float().to(device)


def blur(sigma: Float[Tensor, " b"], n: int, kernel: int) -> Float[Tensor, "b n n"]:
    """Matrix per image of a Gaussian blur along an axis of `n` px, reflected at the border; sigma in px, 0 = none."""
    offset = torch.arange(-(kernel // 2), kernel // 2 + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (offset / sigma.clamp_min(1e-3)[:, None]).square())
    weights = weights / weights.sum(1, keepdim=True)
    return torch.einsum("bt,tij->bij", weights, _reflected(n, kernel // 2, sigma.device))


def spatial(
    images: Float[Tensor, "b 3 h w"], rows: Float[Tensor, "b p h"], columns: Float[Tensor, "b p w"]
) -> Float[Tensor, "b 3 p p"]:
    """Apply one matrix per image along the rows and one along the columns."""
    b, c, h, w = images.shape
    across = torch.bmm(images.view(b, c * h, w), columns.transpose(1, 2)).view(b, c, h, -1)
    side = across.shape[-1]
    down = torch.bmm(rows, across.transpose(1, 2).reshape(b, h, c * side))
    return down.view(b, -1, c, side).transpose(1, 2)


def colour_matrix(
    brightness: Float[Tensor, " b"], contrast: Float[Tensor, " b"], saturation: Float[Tensor, " b"]
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, " b"]]:
    """Brightness, contrast and saturation, in this order, as x -> M x + shift * (luma of the image's mean colour).

    All three are factors >= 0; 1 leaves the image as it is.
    """
    device = brightness.device
    eye, luma = torch.eye(3, device=device), constant(GRAY, device).expand(3, 3)
    s = saturation[:, None, None]
    matrix = s * eye + (1 - s) * luma
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


def to_gray(images: Float[Tensor, "b 3 h w"], chosen: Int[Tensor, " n"]) -> Float[Tensor, "b 3 h w"]:
    """Replace the images in the given places by their luma in all three channels, in place."""
    luma = torch.einsum("bchw,c->bhw", images[chosen], constant(GRAY, images.device))
    images[chosen] = luma[:, None].expand(-1, 3, -1, -1)
    return images


def recolour(
    images: Float[Tensor, "b 3 h w"], matrix: Float[Tensor, "b 3 3"], shift: Float[Tensor, " b"]
) -> Float[Tensor, "b 3 h w"]:
    """Apply `colour_matrix` and clamp to [0, 1]."""
    b, c, h, w = images.shape
    flat = images.reshape(b, c, h * w)
    luma = flat.mean(2) @ constant(GRAY, images.device)
    offset = (shift * luma)[:, None, None].expand(b, c, 1)
    return torch.baddbmm(offset, matrix, flat).clamp_(0, 1).view(b, c, h, w)


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
