"""An image file as a uint8 tensor: upright, opaque, three channels, shorter side to the asked side, then the centre.

Gray becomes three equal channels; images of 2, 4 or 12 bands that are no colours and no transparency are refused.
"""

import contextlib
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from sslrepro.base.errors import require
from sslrepro.base.types import UInt8

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".gif", ".tif", ".tiff", ".npy")
JUNK = ("__MACOSX", "@eaDir", "Thumbs.db")  # what file managers and archivers leave among images
BANDS = 277  # TIFF's tag of the samples per pixel
SCALE = "Save it with 8 or 16 bits a channel."
BACKGROUND = (255, 255, 255)  # behind transparent pixels, whose hidden colours are arbitrary
VERSION = 2  # of the decoder: pixels cached by another one are decoded again


def is_junk(name: str) -> bool:
    """Whether a folder or file is hidden (`.ipynb_checkpoints`, `._x.png`) or left by another program."""
    return name.startswith(".") or name in JUNK


def images_under(folder: Path) -> list[Path]:
    """The files of `image_names`, as paths."""
    return [folder / name for name in image_names(folder)]


def image_names(folder: Path) -> list[str]:
    """Every image file at any depth, relative to the folder, sorted by path; hidden and junk files are passed over.

    Arrays (`.npy`) count where there is nothing else: beside images they are something about them. Links to folders are
    not followed. A name takes a tenth of the memory that a `Path` does, which counts where there are a million.
    """
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_junk(name)]
        within = os.path.relpath(place, folder) + os.sep if place != str(folder) else ""
        names += [within + name for name in files if not is_junk(name) and _ending(name) in EXTENSIONS]
    names.sort(key=lambda name: name.replace(os.sep, "\0"))  # folder by folder, as paths are sorted
    return [name for name in names if _ending(name) != ".npy"] or names


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def open_image(path: Path) -> Image.Image:
    """An image file, its pixels not read yet; `.npy` arrays [h w], [h w 1], [1 h w] (gray), [h w 3] or [3 h w] too.

    Raises ValueError for other numbers of channels, for arrays that are not uint8 or uint16 gray, and Pillow's own
    errors for what it cannot read.
    """
    if path.suffix.lower() == ".npy":
        return _of_array(path)
    if path.suffix.lower() in (".tif", ".tiff"):
        with contextlib.suppress(OSError, SyntaxError, struct.error):  # what is wrong there, Pillow says
            if (bands := _tiff_bands(path)) > 4:
                _require_colours(path, bands)
    try:
        image = Image.open(path)
    except UnidentifiedImageError:
        if path.suffix.lower() in (".tif", ".tiff"):
            _require_colours(path, _tiff_bands(path))
        raise
    if image.format == "TIFF" and (bands := image.tag_v2.get(BANDS, 1)) > len(image.getbands()):
        _require_colours(path, bands)  # Pillow drops what is no colour and no transparency
    return image


def _of_array(path: Path) -> Image.Image:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    require(
        array.ndim in (2, 3) and min(array.shape, default=0) > 0,
        "data.read",
        f"image {path}",
        "an array [h w], [h w c] or [c h w]",
        list(array.shape),
    )
    array = array[..., None] if array.ndim == 2 else array
    last = array.shape[2] in (1, 3) or (array.shape[0] not in (1, 3) and array.shape[2] < array.shape[0])
    array = array if last else array.transpose(1, 2, 0)
    _require_colours(path, array.shape[2])
    gray = array.shape[2] == 1
    fits = array.dtype == np.uint8 or (gray and array.dtype == np.uint16)
    require(fits, "data.read", f"image {path}", "of uint8 values, or uint16 gray", str(array.dtype), SCALE)
    pixels = int(np.prod(array.shape[:2]))
    if Image.MAX_IMAGE_PIXELS and pixels > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{pixels:,} pixels")
    image = Image.fromarray(np.ascontiguousarray(array[..., 0] if gray else array))
    image.format = "NPY"
    return image


def _require_colours(path: Path, channels: int) -> None:
    remedy = "Views change colours, which other bands do not have: save three of them as colours, or one as gray."
    require(
        channels in (1, 3), "data.read", f"channels of {path}", "1 (gray) or 3 (red, green, blue)", channels, remedy
    )


def _tiff_bands(path: Path) -> int:
    """What the header of a TIFF says; 1 where it says nothing. Pillow reads tags also of files it cannot decode."""
    with path.open("rb") as file:
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
    return int(tags.get(BANDS, 1))


def eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """The image with 8 bits a channel; raises ValueError for one whose range of values cannot be known.

    16-bit gray (0..65,535) is scaled; `Image.convert` would clip it to white. Float images and 32-bit ones with values
    outside that range are refused: nobody can tell what their white is.
    """
    require(image.mode != "F", "data.read", f"image {path}", "of 8 or 16 bits a channel", "32-bit float values", SCALE)
    if not image.mode.startswith("I"):
        return image
    values = np.array(image, dtype=np.float64)
    low, high = values.min(), values.max()
    fits = bool(0 <= low and high <= 65_535)
    require(fits, "data.read", f"image {path}", "with values in 0..65535", f"{low:.0f}..{high:.0f}", SCALE)
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
        with warnings.catch_warnings(), open_image(path) as file:
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
