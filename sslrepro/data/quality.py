"""What is wrong with a set of images before anything is trained on it."""

import hashlib
from collections import Counter

import numpy as np
import torch

from sslrepro.data.dataset import Dataset
from sslrepro.data.sources import blocks_of


def _marks(data: Dataset) -> list[bytes]:
    """A hash of each image's pixels."""
    blocks = (np.ascontiguousarray(block.cpu().numpy()) for block in blocks_of(data.images))
    return [hashlib.blake2b(image.data, digest_size=16).digest() for pixels in blocks for image in pixels]


def constant_images(data: Dataset) -> int:
    """How many images have one value in every pixel and channel."""
    flat = (block.flatten(1) for block in blocks_of(data.images))
    return sum(int((block.amin(1) == block.amax(1)).sum()) for block in flat)


def warnings_about(train: Dataset, test: Dataset) -> list[str]:
    """One line for each thing that makes numbers say less than they seem to; [] for honest images.

    Counts images of one colour, images that are equal to another of their split, and test images that are among the
    training images.
    """
    known = Counter(_marks(train))
    leaked = sum(mark in known for mark in _marks(test))
    repeated = sum(known.values()) - len(known)
    present = len(torch.unique(train.labels))
    out = []
    if len(known) == 1:
        out.append(f"all {len(train):,} training images are equal: nothing can be learned from them")
    elif repeated:
        out.append(f"{repeated:,} of {len(train):,} training images repeat another: they are negatives of themselves")
    if len(known) > 1 and (n := constant_images(train)):
        out.append(f"{n:,} of {len(train):,} training images have one colour alone")
    if leaked:
        out.append(f"{leaked:,} of {len(test):,} test images are also training images: accuracies count them as found")
    if present == 1:
        out.append("all training images are of one class: accuracies are 100% whatever is learned")
    return [f"data {train.name}: {line}." for line in out]
