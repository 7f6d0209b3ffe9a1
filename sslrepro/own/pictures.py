"""Small pictures of image files, inside a page: data URIs, upright, aspect kept."""

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from sslrepro.data.decode import eight_bit, opaque, open_image


def thumbnail(path: Path, side: int) -> Image.Image | None:
    """An image at most `side` px wide and high; None where it cannot be read (moved, deleted, damaged)."""
    try:
        with warnings.catch_warnings(), open_image(path) as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded at the size that is wanted, not whole
            image = opaque(eight_bit(ImageOps.exif_transpose(file), path))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    image.thumbnail((side, side))
    return image


def data_uri(image: Image.Image, quality: int = 80) -> str:
    """An image as a JPEG inside a page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
