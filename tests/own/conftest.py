"""A small folder of images of a reader's own, and a run trained on it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sslrepro.own.fit import fit_folder

TINY = {"side": 16, "encoder": "conv-tiny", "batch_size": 8, "say": None}


def draw(seed: int, side: int = 40) -> Image.Image:
    """A picture with a few coloured forms, no two alike."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side + 8, side), tuple(rng.integers(0, 255, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = rng.integers(0, side - 8, 2).tolist() + rng.integers(6, 20, 2).tolist()
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((x, y, x + w, y + h), tuple(rng.integers(0, 255, 3)))
    return image


def fill(folder: Path, n: int = 24) -> Path:
    (folder / "2023" / "sea").mkdir(parents=True)
    for seed in range(n):
        place = folder / "2023" / "sea" if seed % 3 == 0 else folder
        draw(seed).save(place / f"{seed:02}.{'png' if seed % 2 else 'jpg'}")
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    return fill(tmp_path / "photos")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """(images, photos.ssl) of a run of a few steps: read, do not write."""
    place = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLREPRO_CACHE", str(place / "cache"))
        run = fit_folder(fill(place / "photos"), place / "photos.ssl", epochs=2, **TINY)
    return place / "photos", run.folder
