"""`scenes`: several objects of `shapes` per image, with boxes, masks and multi-labels, drawn and never downloaded.

Same shapes, colours, textures and noise as `shapes` (data/shapes.py), smaller against the image. Later objects may
cover earlier ones; a box and a mask are those of the part that can be seen. It is no `Dataset`, which holds one label
per image and trains encoders. Detectors are tuned on it (parts/detector_tuning.py), and it is one of the sets that
transfer is measured on (data/downstream.py).
"""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sslrepro.base.types import Bool, Float, Int, UInt8
from sslrepro.base.values import NOT_NEGATIVE, Range, check_values, setting
from sslrepro.data import shapes

VERSION = 1  # raise when a change alters pixels or objects

SCALE = (0.25, 0.42)  # half size of an object as a share of half the image
SEEN = 12  # least pixels of an object that can be seen ...
SHARE = 0.6  # ... and the least share of its pixels that later objects leave


@dataclass(frozen=True)
class SceneConfig:
    """Which scenes.

    n_train, n_test  images of the two splits
    side             side in pixels
    classes          the first so many leaves of `shapes`: 16 are its solid shapes
    most             most objects per image; 1 to this many are tried, those that would hide others are left out
    seed             which draw
    """

    n_train: int = setting(512, Range(1, 1e6))
    n_test: int = setting(256, Range(1, 1e6))
    side: int = setting(32, Range(24, 1e3))
    classes: int = setting(16, Range(2, len(shapes.LEAVES)))
    most: int = setting(3, Range(1, 20))
    seed: int = setting(0, NOT_NEGATIVE)

    def __post_init__(self) -> None:
        check_values(self, "data.scenes")


@dataclass(frozen=True)
class Scenes:
    """Images with their objects, in one split; the objects of image i are `boxes[i]`, `labels[i]` and `masks[i]`.

    images       uint8, 0..255
    boxes        per image float [n 4]: x1 y1 x2 y2 in pixels, x2 and y2 exclusive: the tight box of the visible mask
    labels       per image int [n], 0..n_classes-1
    masks        per image bool [n h w], disjoint; an empty tuple for a set that has boxes only
    class_names  name of each class
    fingerprint  16 hex digits over images, boxes, labels and masks
    """

    name: str
    images: UInt8[Tensor, "n 3 h w"]
    boxes: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @functools.cached_property
    def multilabels(self) -> Bool[Tensor, "n c"]:
        """Whether image i shows an object of class c."""
        present = torch.zeros(len(self), self.n_classes, dtype=torch.bool)
        for row, labels in zip(present, self.labels, strict=True):
            row[labels] = True
        return present

    @functools.cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(str((tuple(self.images.shape), self.class_names)).encode())
        for tensor in (self.images, *self.boxes, *self.labels, *self.masks):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(np.ascontiguousarray(tensor.numpy()).data)
        return digest.hexdigest()[:16]


def tight_boxes(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """x1 y1 x2 y2 of the pixels of each mask, x2 and y2 exclusive; no mask may be empty.

    >>> tight_boxes(torch.tensor([[[0, 0, 0], [0, 1, 1]]], dtype=torch.bool)).tolist()
    [[1.0, 1.0, 3.0, 2.0]]
    """
    columns, rows = masks.any(1).long(), masks.any(2).long()
    ends = (
        columns.argmax(1),
        rows.argmax(1),
        columns.shape[1] - columns.flip(1).argmax(1),
        rows.shape[1] - rows.flip(1).argmax(1),
    )
    return torch.stack(ends, dim=1).float()


def draw(
    labels: Int[Tensor, "n m"], count: Int[Tensor, " n"], side: int, generator: torch.Generator
) -> tuple[UInt8[Tensor, "n 3 h w"], Bool[Tensor, "n m h w"]]:
    """Images and visible masks; image i tries the first `count[i]` of its labels, back to front.

    An object is left out where it would show fewer than `SEEN` pixels or leave an earlier one fewer than `SEEN` pixels
    or `SHARE` of its own; its mask is then empty. The first object of an image is always drawn.
    """
    n, most = labels.shape
    x, y = shapes.pixels(labels[:, 0], side)

    def colour() -> Tensor:
        return torch.rand(n, 3, 1, 1, generator=generator)

    def texture(u: Tensor, v: Tensor, low: float, high: float) -> Tensor:
        return shapes.waves(u, v, low, high, generator)[:, None] * (colour() - 0.5)

    canvas = shapes.DARK * colour() + shapes.TEXTURE * (texture(x, y, 0.2, 0.5) + texture(x, y, 1.0, 4.0))
    whole = torch.zeros(n, most, side, side, dtype=torch.bool)
    visible = whole.clone()
    for k in range(most):
        field, u, v, size = shapes.place(labels[:, k], x, y, SCALE, generator)
        paint = 1 - shapes.DARK * colour() + shapes.TEXTURE * texture(u, v, 1.0, 3.0)
        mask = field < 0  # covers half of the pixel or more
        left = visible & ~mask[:, None]
        pixels, all_pixels = left.sum((2, 3)), whole.sum((2, 3))
        hides = ((pixels < SEEN) | (pixels < SHARE * all_pixels)) & (all_pixels > 0)
        drawn = (k < count) & (mask.sum((1, 2)) >= SEEN) & ~hides.any(1)
        if k == 0:
            drawn = torch.ones_like(drawn)
        rows = drawn[:, None, None]
        visible = torch.where(rows[:, None], left, visible)
        whole[:, k] = visible[:, k] = mask & rows
        inside = shapes.cover(field, size) * rows[:, None]
        canvas = canvas * (1 - inside) + paint * inside
    canvas = canvas + shapes.NOISE * torch.randn(n, 3, side, side, generator=generator)
    return (canvas.clamp(0, 1) * 255).round().to(torch.uint8), visible


@functools.lru_cache(maxsize=4)
def make(config: SceneConfig) -> tuple[Scenes, Scenes]:
    """Train and test split of `scenes`; both are fresh draws that share no random number.

    >>> train, _ = make(SceneConfig(n_train=4, n_test=1))
    >>> train.images.shape, train.boxes[0].shape[1], bool(train.multilabels[0, train.labels[0]].all())
    (torch.Size([4, 3, 32, 32]), 4, True)
    """
    names = tuple(f"{variant} {shape}" for _, shape, variant in shapes.LEAVES[: config.classes])
    splits = []
    for part, n in enumerate((config.n_train, config.n_test)):
        generator = torch.Generator().manual_seed(2 * config.seed + part + 2_000_003)
        total = n * config.most  # as many of each class as divides, over all tries
        labels = (torch.arange(total) % config.classes)[torch.randperm(total, generator=generator)]
        count = torch.randint(1, config.most + 1, (n,), generator=generator)
        drawn = [
            draw(*chunk, config.side, generator)
            for chunk in zip(labels.view(n, -1).split(1024), count.split(1024), strict=True)
        ]
        images, visible = (torch.cat(tensors) for tensors in zip(*drawn, strict=True))
        kept = visible.any(3).any(2)  # [n most]
        masks = tuple(all_masks[rows] for all_masks, rows in zip(visible, kept, strict=True))
        of_image = tuple(row[rows] for row, rows in zip(labels.view(n, -1), kept, strict=True))
        splits.append(Scenes("scenes", images, tuple(map(tight_boxes, masks)), of_image, masks, names))
    return tuple(splits)
