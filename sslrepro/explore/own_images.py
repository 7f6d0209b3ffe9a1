"""Images of a reader's own: data sets by name or folder, and what an encoder makes of them."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sslrepro.base.errors import known_keys, require
from sslrepro.base.paths import data_root
from sslrepro.base.types import Float
from sslrepro.data.dataset import DataConfig, Dataset, fingerprint
from sslrepro.data.datasets import load as load_splits
from sslrepro.methods.base import Method
from sslrepro.parts.extract import encode_images
from sslrepro.training.stored import stored_method


def load(name: str | Path | DataConfig, root: str | Path | None = None, **how: Any) -> tuple[Dataset, Dataset]:
    """Train and test split of a data set: uint8 images [n 3 h w], 0..255, and labels [n].

        name   "digits" or "shapes" (embedded: nothing is downloaded), a set in `root` such as "cifar10", or a folder
               "~/pictures/holiday" that holds train/<class>/<image> and test/<class>/<image>
               or a whole `DataConfig`
        root   folder of data sets; default $SSLREPRO_DATA
        how    fields of `DataConfig`: n_train, n_test (images, class-balanced; 0: all), side (px; 0: as stored),
               classes (of shapes), seed (of the draw)

    Raises ValueError for an unknown name or field (with the nearest), a missing folder or split, an empty class, or
    an image that cannot be read.

    >>> train, test = load("digits", n_train=100)
    >>> train.images.shape, train.images.dtype, train.n_classes, len(test)
    (torch.Size([100, 3, 8, 8]), torch.uint8, 10, 500)
    """
    known_keys(how, ("n_train", "n_test", "side", "classes", "seed"), "load", "field")
    if isinstance(name, DataConfig):
        return load_splits(name, data_root(root))
    folder = Path(name).expanduser()
    if isinstance(name, Path) or folder.parent != Path("."):
        require(folder.is_dir(), "load", "folder", "an existing folder", str(folder))
        root, name = folder.resolve().parent, folder.resolve().name
    return load_splits(DataConfig(name=str(name), **how), data_root(root))


def embed(
    encoder: nn.Module | str | Path,
    images: Dataset | torch.Tensor,
    normalise: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
    device: str = "cpu",
) -> Float[torch.Tensor, "n f"]:
    """Features [n f], float32 on the CPU, of un-augmented images, in their order; the encoder is left as it was.

        encoder     a network, a `Method` (its encoder is used, not the head), or a stored run by folder or name
        images      a data set, or a uint8 tensor [n 3 h w], 0..255
        normalise   (mean, std) per channel on the 0..1 scale, of the images that the encoder was trained on; default
                    that of a stored run's training images, else of `images` themselves

    Raises ValueError for images of another kind or shape, and for a run that is not there.

    >>> import torch
    >>> from sslrepro.parts.encoders import encoder
    >>> embed(encoder("conv-tiny"), torch.zeros(5, 3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([5, 32])
    """
    if isinstance(encoder, str | Path):
        _, encoder, (seen, _) = stored_method(encoder, data_root())
        normalise = seen.mean_std() if normalise is None else normalise
    if isinstance(images, torch.Tensor):
        right = images.dtype == torch.uint8 and images.ndim == 4 and images.shape[1] == 3
        require(
            right,
            "embed",
            "images",
            "a data set or a uint8 tensor [n 3 h w], 0..255",
            f"{images.dtype} {list(images.shape)}",
        )
        nobody = torch.zeros(len(images), dtype=torch.int64)
        images = Dataset("images", images, nobody, ("any",), {}, fingerprint(images, nobody))
    net = (encoder.encoder if isinstance(encoder, Method) else encoder).to(device)
    mean, std = images.mean_std() if normalise is None else normalise
    std = [s if s > 0 else 1.0 for s in std]  # images of one colour
    return encode_images(net, images.to(device), (tuple(mean), tuple(std))).cpu()
