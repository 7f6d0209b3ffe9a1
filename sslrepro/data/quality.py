"""What is wrong with a set of images before anything is trained on it."""

import hashlib
from collections import Counter

import numpy as np
import torch

from sslrepro.data.dataset import Dataset


def _marks(data: Dataset) -> list[bytes]:
    """A hash of each image's pixels."""
    pixels = np.ascontiguousarray(data.images.cpu().numpy())
    return [hashlib.blake2b(image.data, digest_size=16).digest() for image in pixels]


def constant_images(data: Dataset) -> int:
    """How many images have one value in every pixel and channel."""
    flat = data.images.flatten(1)
    return int((flat.amin(1) == flat.amax(1)).sum())


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
