"""A data set is uint8 images, in memory or in a file, with labels, index and, where there is one, a class tree."""

import functools
import math
import re
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Int, UInt8
from sslrepro.base.values import LESS_THAN_ALL, NOT_NEGATIVE, Range, check_values, setting
from sslrepro.data.sources import Images, fingerprint, rows_of, value_counts

__all__ = ["SHAPES", "DataConfig", "Dataset", "balanced_subset", "fingerprint", "resize", "set_name", "subset"]


@dataclass(frozen=True)
class Dataset:
    """One split: its images in memory on one device, or in a file from which batches are put there.

    images        uint8, 0..255, always 3 channels; a tensor, or what reads its rows from a file (data/sources.py)
    labels        leaf class of each image, 0..n_classes-1 (read by metrics and declared oracles only)
    class_names   name of each leaf class
    tree          level name -> ancestor id of each leaf class, from coarse to fine; empty where there is none
    fingerprint   16 hex digits over pixels and labels: part of every run's identity
    """

    name: str
    images: Images
    labels: Int[Tensor, " n"]
    class_names: tuple[str, ...]
    tree: dict[str, tuple[int, ...]] = field(default_factory=dict)
    fingerprint: str = ""

    def require_sound(self, owner: str) -> None:
        """Raise ValueError unless images are bytes and every one has a label of a class."""
        kind, shape, n = self.images.dtype, list(self.images.shape), len(self.labels)
        require(kind == torch.uint8, owner, "images", "uint8 in 0..255 [n 3 h w]", f"{kind} {shape}")
        require(n == len(self), owner, "labels", f"one for each of {len(self)} images", n)
        ends = [int(end) for end in (self.labels.min(), self.labels.max())] if n else [0, 0]
        classes = f"in 0..{self.n_classes - 1}, the classes of the images"
        require(0 <= ends[0] and ends[1] < self.n_classes, owner, "labels", classes, ends)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def index(self) -> Int[Tensor, " n"]:
        return torch.arange(len(self), device=self.device)

    def take(self, index: Int[Tensor, " b"]) -> UInt8[Tensor, "b 3 h w"]:
        """Images by data-set index: the one seam behind which sets larger than memory stand."""
        return self.images[index]

    def rows(self, index: Int[Tensor, " b"]) -> "Dataset":
        """The images of the given indices as a set of their own, in that order."""
        index = index.to(self.device)
        return replace(self, images=rows_of(self.images, index), labels=self.labels[index], fingerprint="")

    def labels_at(self, level: str) -> Int[Tensor, " n"]:
        """Labels at a level of the class tree ("leaf" is always there)."""
        if level == "leaf":
            return self.labels
        one_of(level, ["leaf", *self.tree], f"Dataset({self.name})", "level")
        return torch.tensor(self.tree[level], device=self.device)[self.labels]

    def at_level(self, level: str, names: tuple[str, ...]) -> "Dataset":
        """The same images with the labels of a level of the class tree, whose ancestors have `names`."""
        labels = self.labels_at(level)
        name = f"{self.name}-{level}"
        return Dataset(name, self.images, labels, names, {}, fingerprint(self.images, labels))

    def mean_std(self) -> tuple[list[float], list[float]]:
        """Per-channel mean and standard deviation of the pixels on the 0..1 scale, rounded once from exact numbers.

        A channel of one value alone has a deviation of 1, so that dividing by it leaves the channel at 0.
        """
        return self._mean_std

    @functools.cached_property
    def _mean_std(self) -> tuple[list[float], list[float]]:
        means, deviations = [], []
        for bins in value_counts(self.images):
            n, first = sum(bins), sum(value * k for value, k in enumerate(bins))
            second = sum(value * value * k for value, k in enumerate(bins))
            spread = n * second - first * first  # n (n - 1) times the variance
            means.append(first / (255 * n))
            deviations.append(math.sqrt(spread / (255 * 255 * n * (n - 1))) if spread else 1.0)
        return means, deviations

    def to(self, device: torch.device | str) -> "Dataset":
        """The same set on another device."""
        fields = {name: getattr(self, name) for name in ("name", "class_names", "tree", "fingerprint")}
        return Dataset(images=self.images.to(device), labels=self.labels.to(device), **fields)


SHAPES = ("shapes", "shapes-family", "shapes-shape")  # drawn, not read: one set of images, labels of three levels


def set_name(name: str) -> str:
    """A set's name as a folder of the root has it: `holiday/` and `./holiday` are `holiday`.

    Raises ValueError for a path, or what no file can be called: the name is part of run folders and pages.
    """
    plain = name.removeprefix("./").rstrip("/") if isinstance(name, str) else ""
    remedy = "For a folder elsewhere give --root <parent> --data <last>." if "/" in plain or "\\" in plain else ""
    good = bool(re.fullmatch(r"\w[\w .,+()-]*", plain)) and len(plain) <= 100
    require(
        good,
        "data",
        "name",
        "the name of a set or of one folder in the root, of at most 100 letters, digits, spaces and . , + - _ ( )",
        name,
        remedy,
    )
    return plain


@dataclass(frozen=True)
class DataConfig:
    """Which data a run uses; every field is part of the run's identity.

    name      an embedded set (digits, shapes, shapes-family, shapes-shape) or one from a data root (cifar10, cifar100,
              stl10, tinyimagenet, imagefolder, or the name of any folder in the root); <set>-<level> is the same
              images with the labels of a level of the set's class tree (data/folders.py)
    n_train   images taken from the training split, 0 = all
    n_test    images taken from the test split, 0 = all
    side      side in pixels after resizing, 0 = as stored
    classes   leaf classes of the `shapes` sets; other sets keep all of theirs (0)
    seed      which draw: of the images themselves (shapes), of the split (digits), of the subset (n_train > 0)
    fingerprint  filled in by `load`; a root whose content changed gives another run
    held_out  share of the training images that is kept from training and stands in for the test split, which is then
              not read: for choosing settings (study/trials.py)
    """

    name: str = "shapes"
    n_train: int = setting(0, Range(0, 1e8))
    n_test: int = setting(0, Range(0, 1e8))
    side: int = setting(0, Range(0, 1e4))
    classes: int = setting(0, NOT_NEGATIVE)
    seed: int = setting(0, NOT_NEGATIVE)
    fingerprint: str = ""
    held_out: float = setting(0.0, LESS_THAN_ALL, before=0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", set_name(self.name))
        check_values(self, "data.load")


def balanced_subset(labels: Int[Tensor, " n"], n: int, seed: int) -> Int[Tensor, " m"]:
    """Sorted places of `n` random images (or of all), as many of every class as its size allows, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    labels = labels.cpu()[shuffled]
    rank = torch.zeros_like(labels)  # how many of its class come before an image
    for leaf in labels.unique():
        mine = labels == leaf
        rank[mine] = torch.arange(int(mine.sum()))
    return shuffled[torch.argsort(rank, stable=True)[:n]].sort().values


def subset(data: Dataset, n: int, seed: int) -> Dataset:
    """A class-balanced random subset of `n` images (0 or n >= len: the whole set)."""
    if n == 0 or n >= len(data):
        return data
    keep = balanced_subset(data.labels, n, seed)
    images, labels = rows_of(data.images, keep), data.labels[keep]
    return Dataset(data.name, images, labels, data.class_names, data.tree, fingerprint(images, labels))


def resize(data: Dataset, side: int) -> Dataset:
    """The set at another resolution: antialiased bilinear, square."""
    if side in (0, data.images.shape[-1]):
        return data
    shrunk = torch.nn.functional.interpolate(
        data.images.float(), size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )
    images = shrunk.round().clamp(0, 255).to(torch.uint8)
    return Dataset(data.name, images, data.labels, data.class_names, data.tree, fingerprint(images, data.labels))
