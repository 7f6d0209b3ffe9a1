"""A folder `photos.ssl/`, opened: the encoder, the features of its images by file name, and what new images look like.

photos.ssl/
    encoder.safetensors   the encoder's weights; those of a ResNet have torchvision's own names
    model.json            side, mean and std, encoder, method, epochs, where it was made; its last write completes it
    embeddings.npy, .csv  features [n f] float32; file, width and height of each row
    embeddings.parquet    both in one table, where pyarrow is installed
    log.csv, report.html  the course of training
    run/                  what training goes on from: configuration, checkpoint, log
"""

import csv
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import nn

from sslrepro.base.errors import require
from sslrepro.base.store import read_json
from sslrepro.base.types import Float
from sslrepro.data.decode import EXTENSIONS, images_under
from sslrepro.data.views import prepare_views
from sslrepro.own.images import SKIP, ImageFile, decode_files, headers
from sslrepro.parts.encoders import encoder
from sslrepro.parts.extract import eval_mode
from sslrepro.parts.memory import unit
from sslrepro.parts.mining import nearest

MODEL, ENCODER, ROWS, LISTING = "model.json", "encoder.safetensors", "embeddings.npy", "embeddings.csv"
TABLE = "embeddings.parquet"
BLOCK = 128  # images decoded at once


class OwnRun:
    """An encoder trained on a reader's own images, and their features.

        folder   `photos.ssl`, as `sslrepro.fit("~/photos")` or `sslrepro fit ~/photos` left it

    about      what model.json says
    encoder    the network, in eval mode
    files      names of the training images, relative to `images_folder`
    features   [n f] float32, a row for each

    Raises ValueError for a folder that is none, or whose training did not end.

    >>> import tempfile
    >>> from PIL import Image
    >>> from sslrepro import fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for n in range(16):
    ...         Image.effect_noise((12, 12), 10 * n).save(f"{folder}/{n:02}.png")
    ...     run = fit(folder, f"{folder}/own.ssl", epochs=1, side=8, encoder="conv-tiny", say=None)
    ...     run.embed([f"{folder}/03.png"]).shape, len(run.nearest(f"{folder}/03.png", 3))
    (torch.Size([1, 32]), 3)
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        require(
            (self.folder / MODEL).is_file(),
            "own",
            "run",
            "a folder that `sslrepro fit` has finished",
            str(folder),
            "It holds a model.json."
            if not (self.folder / "run").is_dir()
            else "Its training did not end: the same `sslrepro fit` goes on.",
        )
        self.about: dict[str, Any] = read_json(self.folder / MODEL)

    @functools.cached_property
    def encoder(self) -> nn.Module:
        """The network, in eval mode, weights loaded strictly."""
        path = self.folder / ENCODER
        content = path.read_bytes()
        whole = hashlib.sha256(content).hexdigest() == self.about["encoder_sha256"]
        require(
            whole,
            "own",
            str(path),
            f"the file that {MODEL} was written with",
            "another",
            "The same `sslrepro fit` writes both anew.",
        )
        with torch.random.fork_rng(devices=[]):
            net = encoder(self.about["encoder"])
        try:
            net.load_state_dict(from_safetensors(content), strict=True)
        except SafetensorError as error:
            raise ValueError(f"own: {path} cannot be read ({error}).") from None
        return net.eval()

    @functools.cached_property
    def listing(self) -> list[ImageFile]:
        """The training images, a row of `features` each."""
        folder = self.images_folder
        with (self.folder / LISTING).open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            return [ImageFile(folder, name, int(width), int(height), "", False) for name, width, height in rows]

    @property
    def images_folder(self) -> Path:
        """Where the training images were."""
        return Path(self.about["images"]["folder"])

    @property
    def files(self) -> list[str]:
        return [file.name for file in self.listing]

    @functools.cached_property
    def features(self) -> Float[torch.Tensor, "n f"]:
        rows = torch.from_numpy(np.load(self.folder / ROWS))
        require(len(rows) == len(self.listing), "own", ROWS, f"as long as {LISTING}, {len(self.listing)}", len(rows))
        return rows

    @property
    def normalise(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) per channel on the 0..1 scale."""
        return tuple(self.about["mean"]), tuple(self.about["std"])

    def embed(self, paths: str | Path | Sequence[str | Path], device: str = "cpu") -> Float[torch.Tensor, "n f"]:
        """Features [n f], float32 on the CPU, of image files, in their order.

        paths   image files, or one file

        Raises ValueError that names a file that is missing or cannot be read.
        """
        paths = [paths] if isinstance(paths, str | Path) else paths
        files, _ = headers([Path(path).expanduser() for path in paths], remedy="")
        return self.features_of(files, device)

    def features_of(self, files: Sequence[ImageFile], device: str = "cpu") -> Float[torch.Tensor, "n f"]:
        """As `embed`, of files whose headers were read."""
        blocks = [files[first : first + BLOCK] for first in range(0, len(files), BLOCK)]
        parts = [self.features_of_images(decode_files(block, self.about["side"]), device) for block in blocks]
        return torch.cat(parts) if parts else torch.empty(0, self.about["features"])

    def features_of_images(self, images: torch.Tensor, device: str = "cpu") -> Float[torch.Tensor, "n f"]:
        """As `embed`, of uint8 images [n 3 side side] in memory."""
        net = self.encoder.to(device)
        with eval_mode(net):
            parts = [
                net(prepare_views(part.to(device).float().div(255), self.normalise)).float().cpu()
                for part in images.split(BLOCK)
            ]
        return torch.cat(parts)

    def comparable(self, x: Float[torch.Tensor, "n f"]) -> Float[torch.Tensor, "n f"]:
        """Unit rows whose dot products say how alike images are: features less the training images' mean.

        Features behind a ReLU share a large mean, and plain cosines of all pairs would be near 1.
        """
        return unit(x - self.features.mean(0))

    def nearest(self, image: str | Path, k: int = 10) -> list[tuple[str, float]]:
        """The k training images that are most alike an image file: (name, similarity in -1..1), best first.

        A file that is not there may be the name of a training image. An image is not its own neighbour. Raises
        ValueError where k is not 1..n or the file cannot be read.
        """
        path, trained = Path(image).expanduser(), self.images_folder / image
        ((file,), _) = headers([path if path.exists() or not trained.is_file() else trained], remedy="")
        n = len(self.listing)
        most = n - 1
        require(type(k) is int and 1 <= k <= most, "near", "k", f"1..{most}, the images of {self.folder}", k)
        query = self.comparable(self.features_of([file]))
        value, place = nearest(query, self.comparable(self.features), k + 1)
        own = file.path.resolve()
        near = [(self.listing[at], v) for at, v in zip(place[0].tolist(), value[0].tolist(), strict=True)]
        return [(other.name, v) for other, v in near if other.path.resolve() != own][:k]


def image_files(
    places: Sequence[str | Path], skip_bad: bool = False, owner: str = "embed", remedy: str = SKIP
) -> tuple[tuple[ImageFile, ...], tuple[tuple[str, str], ...]]:
    """(images, bad) of files and folders, folders searched at any depth, in order; see `images.headers`.

    Raises ValueError for a place that is not there, or a folder without images.
    """
    paths: list[Path] = []
    for place in places:
        place = Path(place).expanduser()
        require(place.exists(), owner, "images", "existing files or folders", str(place))
        under = images_under(place) if place.is_dir() else [place]
        require(bool(under), owner, f"folder {place}", f"one that holds images ({' '.join(EXTENSIONS)})", "none")
        paths += under
    return headers(paths, skip_bad, remedy=remedy)
