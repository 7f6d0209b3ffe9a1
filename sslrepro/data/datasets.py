"""Data sets by name: embedded ones, and those of a data root."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sslrepro.base.errors import require
from sslrepro.data.dataset import SHAPES, DataConfig, Dataset, fingerprint, resize, subset


def digits(config: DataConfig) -> tuple[Dataset, Dataset]:
    """scikit-learn's 1,797 real 8x8 digits as RGB; the train/test split (1,297/500) follows `config.seed`."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = torch.from_numpy((raw.images * (255 / 16)).round().astype(np.uint8))[:, None].repeat(1, 3, 1, 1)
    labels = torch.from_numpy(raw.target.astype(np.int64))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed))
    names = tuple(str(digit) for digit in range(10))
    return tuple(
        Dataset("digits", images[rows], labels[rows], names, {}, fingerprint(images[rows], labels[rows]))
        for rows in (order[:1297].sort().values, order[1297:].sort().values)
    )


def whole_splits(config: DataConfig, root: str | Path | None = None) -> tuple[Dataset, Dataset, str]:
    """Both splits before any subset is taken, with leaf labels, and the fingerprint of their content.

    Embedded sets are pure functions of the configuration and a version, so theirs is the version. That of a set at a
    level of its tree goes on with the level, its tree's mark, and its classes: "<leaves'>-coarse-<8 hex>-20-of-100".
    Raises ValueError when the configuration carries another fingerprint.
    """
    from sslrepro.data import folders, shapes

    if config.name in SHAPES:
        (train, test), mark = shapes.make(replace(config, fingerprint="", held_out=0.0)), f"shapes-v{shapes.VERSION}"
    elif config.name == "digits":
        (train, test), mark = digits(config), "digits-v1"
    else:
        name, level = folders.set_and_level(config.name, root)
        train, test = folders.read(name, root, config.side)
        mark = f"{train.fingerprint}-{test.fingerprint}"
        if level != "leaf":
            ancestors = folders.level_of(name, level, root)
            more = sorted(set(ancestors.of_class) - set(train.class_names))
            require(not more, f"data.load({config.name})", "classes of the tree", "classes of the set", more[:5])
            of_tree = hashlib.sha256(str(train.tree[level]).encode()).hexdigest()[:8]
            mark += f"-{level}-{of_tree}-{len(ancestors.names)}-of-{train.n_classes}"
    require(
        config.fingerprint in ("", mark),
        f"data.load({config.name})",
        "content",
        config.fingerprint,
        mark,
        "The images changed since the run was configured: restore them, or start a new run.",
    )
    return train, test, mark


def load(config: DataConfig, root: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """Train and test split named by `config`; `root` is the folder that holds sets which are not embedded.

    Raises ValueError for an unknown name (with the nearest), a missing root, an empty class or an unreadable image.
    """
    train, test = train_and_test(config, root)
    return hold_out(train, config) if config.held_out else (train, test)


def hold_out(train: Dataset, config: DataConfig) -> tuple[Dataset, Dataset]:
    """The training images in two at random, whatever their labels: those kept, and the share `held_out`."""
    n, n_apart = len(train), int(config.held_out * len(train))
    allowed = f"a share that leaves images on both sides of {n}"
    require(0 < n_apart < n, "data.load", "held_out", allowed, config.held_out)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(config.seed))
    return train.rows(order[n_apart:].sort().values), train.rows(order[:n_apart].sort().values)


def train_and_test(config: DataConfig, root: str | Path | None) -> tuple[Dataset, Dataset]:
    """Both splits of a configuration, nothing held out."""
    train, test, _ = whole_splits(config, root)
    if config.name in SHAPES:
        return train, test
    train = subset(resize(train, config.side), config.n_train, config.seed)
    test = subset(resize(test, config.side), config.n_test, config.seed)
    if config.name == train.name:
        return train, test
    from sslrepro.data import folders

    name, level = folders.set_and_level(config.name, root)  # subsets were chosen by leaves: all levels have the same
    names = folders.level_of(name, level, root).names
    return train.at_level(level, names), test.at_level(level, names)


def resolve(config: DataConfig, root: str | Path | None = None) -> DataConfig:
    """The configuration with the fingerprint of the content it names."""
    if config.name in SHAPES and not config.fingerprint:
        from sslrepro.data import shapes

        return replace(config, fingerprint=f"shapes-v{shapes.VERSION}")  # no need to draw the images
    return replace(config, fingerprint=whole_splits(config, root)[2])
