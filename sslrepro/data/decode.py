"""An image file as a uint8 tensor: upright, opaque, three channels, shorter side to the asked side, then the centre."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from sslrepro.base.errors import require
from sslrepro.base.types import UInt8

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".gif", ".tif", ".tiff")
JUNK = ("__MACOSX", "@eaDir", "Thumbs.db")  # what file managers and archivers leave among images
BACKGROUND = (255, 255, 255)  # behind transparent pixels, whose hidden colours are arbitrary
VERSION = 2  # of the decoder: pixels cached by another one are decoded again


def is_junk(name: str) -> bool:
    """Whether a folder or file is hidden (`.ipynb_checkpoints`, `._x.png`) or left by another program."""
    return name.startswith(".") or name in JUNK


def images_under(folder: Path) -> list[Path]:
    """Every image file at any depth, sorted by path; hidden ones and what other programs left are passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS and not any(map(is_junk, path.relative_to(folder).parts))
    )


def eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """The image with 8 bits a channel; raises ValueError for one whose range of values cannot be known.

    16-bit gray (0..65,535) is scaled; `Image.convert` would clip it to white. Float images and 32-bit ones with values
    outside that range are refused: nobody can tell what their white is.
    """
    remedy = "Save it with 8 or 16 bits a channel."
    require(image.mode != "F", "data.read", f"image {path}", "of 8 or 16 bits a channel", "32-bit float values", remedy)
    if not image.mode.startswith("I"):
        return image
    values = np.array(image, dtype=np.float64)
    low, high = values.min(), values.max()
    fits = bool(0 <= low and high <= 65_535)
    require(fits, "data.read", f"image {path}", "with values in 0..65535", f"{low:.0f}..{high:.0f}", remedy)
    return Image.fromarray((values / 257).round().astype(np.uint8))


def opaque(image: Image.Image) -> Image.Image:
    """The image in RGB, transparent pixels composited on `BACKGROUND`."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image).convert("RGB")
    return image.convert("RGB")


def decode(path: Path, side: int) -> UInt8[torch.Tensor, "3 s s"]:
    """One image, turned upright by its EXIF orientation, its shorter side resized to `side` px, cropped to the centre.

    Raises ValueError that names the path for what cannot be read, is too large to be an honest image (Pillow's limit
    for decompression bombs), or has values of unknown range.
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = opaque(eight_bit(ImageOps.exif_transpose(file), path))
            if image.size != (side, side):
                scale = side / min(image.size)
                width, height = (max(side, round(length * scale)) for length in image.size)
                image = image.resize((width, height), Image.Resampling.BILINEAR)
                left, top = (width - side) // 2, (height - side) // 2
                image = image.crop((left, top, left + side, top + side))
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"data.read: image {path} is refused ({error}). Shrink or remove it.") from None
    except (OSError, SyntaxError, ValueError) as error:
        if str(error).startswith("data.read: "):
            raise
        raise ValueError(f"data.read: image {path} cannot be read ({error}). Remove or replace it.") from None
