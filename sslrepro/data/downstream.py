"""Images that no encoder here was trained on, with their labels: what transfer is measured on.

Embedded, twelve as in the papers: scikit-learn's digits; `shapes` with labels of other levels, unseen variants and
other nuisances; `scenes`, which has several labels per image. Any set of a data root can stand beside them.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import UInt8
from sslrepro.data import scenes, shapes
from sslrepro.data.dataset import DataConfig, Dataset, balanced_subset
from sslrepro.data.datasets import load

OTHER_IMAGES = 50_000  # added to a run's seed: images that pretraining cannot have drawn
BY_CLASS = ("leaves", "variants", "aircraft", "pets", "caltech101", "flowers")  # mean over classes; the rest top-1
NOISE = 0.12  # deviation of the noise of `noisy`, on the 0..1 scale
SHAPES_OF = {"leaves": 48, "families": 4, "variants": 3, "hollow": 16, "bitten": 16}


def _inverted(images: Tensor, seed: int) -> Tensor:
    return 255 - images


def _gray(images: Tensor, seed: int) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (images.float() * weights).sum(1, keepdim=True).round().to(torch.uint8).expand_as(images).contiguous()


def _noisy(images: Tensor, seed: int) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images.float() + 255 * NOISE * noise).round().clamp(0, 255).to(torch.uint8)


def _blurred(images: Tensor, seed: int) -> Tensor:
    padded = torch.nn.functional.pad(images.float(), (1, 1, 1, 1), mode="replicate")
    return torch.nn.functional.avg_pool2d(padded, 3, 1).round().to(torch.uint8)


def _upside(images: Tensor, seed: int) -> Tensor:
    return images.flip(2)


NUISANCES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "inverted": _inverted,  # objects darker than their background
    "gray": _gray,
    "noisy": _noisy,
    "blurred": _blurred,  # means over 3 x 3 px
    "upside": _upside,  # upside down
}
EMBEDDED = ("digits", *SHAPES_OF, *NUISANCES, "scenes")


@dataclass(frozen=True)
class Downstream:
    """One split of a set: images, and class numbers [n] or, with several labels per image, bool [n c]."""

    images: UInt8[Tensor, "n 3 h w"]
    y: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def several(self) -> bool:
        """Whether an image can have several labels."""
        return self.y.dtype == torch.bool

    def as_dataset(self) -> Dataset:
        """The images as a set whose labels nobody should read."""
        return Dataset("downstream", self.images, torch.zeros(len(self), dtype=torch.int64), ("any",))


def downstream(
    name: str, n_train: int, n_test: int, side: int, seed: int, root: str | Path | None = None
) -> tuple[Downstream, Downstream]:
    """Train and test split of a set by name.

        n_train, n_test   images, as many of every class as there are; 0 = all of a set of the root
        side              px; `scenes` has twice as many
        seed              of the run: embedded sets are drawn anew for each, and never as the run's own images

    Raises ValueError for a set that is neither embedded nor in the root.

    >>> train, test = downstream("leaves", 96, 48, 16, 0)
    >>> len(train), int(test.y.max())
    (96, 47)
    """
    draw = seed + OTHER_IMAGES
    if name in EMBEDDED:
        least = SHAPES_OF.get(name, 16)
        require(
            min(n_train, n_test) >= least,
            "data.downstream",
            "n_train and n_test",
            f">= {least}, the classes",
            (n_train, n_test),
        )
    if name == "scenes":
        config = scenes.SceneConfig(n_train=n_train, n_test=n_test, side=max(24, 2 * side), seed=draw)
        return tuple(Downstream(split.images, split.multilabels) for split in scenes.make(config))
    if name in SHAPES_OF:
        return tuple(
            _part_of_shapes(name, split, n)
            for split, n in zip(_leaves(3 * n_train, 3 * n_test, side, draw), (n_train, n_test), strict=True)
        )
    if name in NUISANCES:
        splits = shapes.make(DataConfig("shapes", n_train, n_test, side, 16, draw))
        return tuple(
            Downstream(NUISANCES[name](split.images, draw + part), split.labels) for part, split in enumerate(splits)
        )
    if name == "digits":
        train, test = load(DataConfig("digits", side=side, seed=draw))
        return tuple(
            Downstream(split.images[rows], split.labels[rows])
            for split, rows in (
                (train, balanced_subset(train.labels, n_train, draw)),
                (test, balanced_subset(test.labels, n_test, draw)),
            )
        )
    known = root is not None or name in TORCHVISION
    require(
        known,
        "data.downstream",
        "set",
        f"one of {', '.join(EMBEDDED)}, or one of a data root",
        name,
        "Give DATA=<dir> or SSLREPRO_DATA, a folder that holds it.",
    )
    if name in TORCHVISION:
        return by_torchvision(name, n_train, n_test, side, seed, root)
    splits = load(DataConfig(name, n_train, n_test, side, seed=seed), root)
    return tuple(Downstream(split.images, split.labels) for split in splits)


@functools.lru_cache(maxsize=2)
def _leaves(n_train: int, n_test: int, side: int, seed: int) -> tuple[Dataset, Dataset]:
    return shapes.make(DataConfig("shapes", n_train, n_test, side, len(shapes.LEAVES), seed))


def _part_of_shapes(name: str, split: Dataset, n: int) -> Downstream:
    """The first n images that `name` has, of images of all leaves, with its labels."""
    leaf, of_shape = split.labels, 16
    variant = leaf // of_shape  # leaves are variant-major
    rows = torch.arange(len(split))
    if name in ("hollow", "bitten"):
        rows = rows[variant == shapes.VARIANTS.index(name)]
    rows = rows[:n]
    family = torch.tensor(split.tree["family"])[leaf]
    y = {"leaves": leaf, "families": family, "variants": variant}.get(name, leaf % of_shape)
    return Downstream(split.images[rows], y[rows])


# the papers' sets that torchvision reads: class, arguments of train (joined) and of test, and how they get to the root
TORCHVISION = {
    "food101": ("Food101", [{"split": "train"}], {"split": "test"}),
    "sun397": ("SUN397", [{}], None),
    "places365": ("Places365", [{"split": "train-standard", "small": True}], {"split": "val", "small": True}),
    "cars": ("StanfordCars", [{"split": "train"}], {"split": "test"}),
    "aircraft": ("FGVCAircraft", [{"split": "trainval"}], {"split": "test"}),
    "voc2007": ("VOCDetection", [{"year": "2007", "image_set": "trainval"}], {"year": "2007", "image_set": "test"}),
    "dtd": ("DTD", [{"split": "train"}, {"split": "val"}], {"split": "test"}),
    "pets": ("OxfordIIITPet", [{"split": "trainval"}], {"split": "test"}),
    "caltech101": ("Caltech101", [{}], None),
    "flowers": ("Flowers102", [{"split": "train"}, {"split": "val"}], {"split": "test"}),
}
VOC_CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
               "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")  # fmt: skip
TRAIN_EACH = {"caltech101": 30, "sun397": 50}  # images of each class for training where there are no official splits


def by_torchvision(
    name: str, n_train: int, n_test: int, side: int, seed: int, root: str | Path | None
) -> tuple[Downstream, Downstream]:
    """A set of the papers' from the files that torchvision's downloader leaves under the root.

    The shorter side becomes `side` px and the middle is cut out. Without official splits (Caltech-101, SUN397) the
    training images are drawn by class. An object marked difficult counts as present in VOC's labels. Raises ValueError
    that says how to get a set that is missing. Birdsnap has no reader; as a folder of the root it is read as any set.
    """
    kind, of_train, of_test = TORCHVISION[one_of(name, TORCHVISION, "data.downstream", "set")]
    folder = Path(root).expanduser() if root is not None else None
    if folder is not None and any((folder / name / split).is_dir() for split in ("train", "trainval")):
        splits = load(DataConfig(name, n_train, n_test, side, seed=seed), root)  # an image folder of that name
        return tuple(Downstream(split.images, split.labels) for split in splits)
    trains = [_raw(kind, name, folder, words) for words in of_train]
    if of_test is None:
        (raw,) = trains
        labels = torch.tensor([raw[i][1] for i in range(len(raw))])
        total = TRAIN_EACH[name] * len(labels.unique())
        chosen = balanced_subset(labels, total, 0)
        rest = torch.ones(len(labels), dtype=torch.bool)
        rest[chosen] = False
        pools = ([(raw, int(i)) for i in chosen], [(raw, int(i)) for i in rest.nonzero()[:, 0]])
    else:
        test = _raw(kind, name, folder, of_test)
        pools = ([(raw, i) for raw in trains for i in range(len(raw))], [(test, i) for i in range(len(test))])
    return tuple(_decoded(pool, n, side, seed) for pool, n in zip(pools, (n_train, n_test), strict=True))


def _raw(kind: str, name: str, folder: Path | None, words: dict):
    import torchvision

    remedy = f"Get it by hand: torchvision.datasets.{kind}(<root>, download=True), or as its help says."
    require(
        folder is not None and folder.is_dir(),
        "data.downstream",
        f"root of {name}",
        "an existing folder",
        str(folder),
        remedy,
    )
    try:
        return getattr(torchvision.datasets, kind)(str(folder), download=False, **words)
    except (RuntimeError, FileNotFoundError) as error:
        text = f"data.downstream: {name} must be under {folder} as torchvision leaves it ({error}). {remedy}"
        raise ValueError(text) from None


def _decoded(pool: list, n: int, side: int, seed: int) -> Downstream:
    from torchvision.transforms import functional

    if n and n < len(pool):
        rows = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:n].sort().values.tolist()
        pool = [pool[i] for i in rows]
    images, labels = [], []
    for raw, i in pool:
        image, label = raw[i]
        image = functional.resize(image.convert("RGB"), side, functional.InterpolationMode.BICUBIC)
        images.append(functional.pil_to_tensor(functional.center_crop(image, [side, side])))
        labels.append(_present(label) if isinstance(label, dict) else torch.tensor(label))
    return Downstream(torch.stack(images), torch.stack(labels))


def _present(annotation: dict) -> Tensor:
    """Which of VOC's classes an annotation lists."""
    shown = {entry["name"] for entry in annotation["annotation"]["object"]}
    return torch.tensor([name in shown for name in VOC_CLASSES])
