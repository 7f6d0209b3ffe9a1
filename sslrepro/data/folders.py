"""Image sets from a data root: torchvision's own files, or `ImageFolder` trees of any name.

A root holds one folder per set: `<root>/<set>/<split>/<class>/<image>`, or what torchvision's downloader leaves.
The pixels are decoded once into a cache file beside the set, which carries its fingerprint.
"""

import csv
import difflib
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from sslrepro.check import require
from sslrepro.data.datasets import Dataset, fingerprint

SPLITS = {"train": ("train", "training", "trainval"), "test": ("test", "val", "validation")}
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".gif", ".tif", ".tiff")
SIDES = {
    "cifar10": 32,
    "cifar100": 32,
    "stl10": 96,
    "tinyimagenet": 64,
    "tiny-imagenet-200": 64,
}  # px, where none is asked for
DEFAULT_SIDE = 64
# torchvision's files, by set: (class, folder or file it leaves, arguments of the train and the test split)
TORCHVISION = {
    "cifar10": ("CIFAR10", "cifar-10-batches-py", {"train": True}, {"train": False}),
    "cifar100": ("CIFAR100", "cifar-100-python", {"train": True}, {"train": False}),
    "stl10": ("STL10", "stl10_binary", {"split": "train"}, {"split": "test"}),
}


def read(name: str, root: str | Path | None, side: int = 0) -> tuple[Dataset, Dataset]:
    """Train and test split of a set under a data root, decoded or from the cache.

        name   the set's folder in the root; "imagefolder" is the root itself
        side   px after resizing; 0 = the set's own, or 64 for folders of mixed sizes

    Raises ValueError that names the path for a missing root or set, a class without images, a missing split, an
    unreadable image.
    """
    near = difflib.get_close_matches(name, ["shapes", "digits", *SIDES], 1)
    hint = f"Did you mean {near[0]!r}? " if near and near[0] != name else ""
    remedy = f"{hint}{name!r} is not embedded: give DATA=<dir> or SSLREPRO_DATA, a folder that holds {name}/."
    require(root is not None, "data.read", "root", "a folder", None, remedy)
    root = Path(root)
    require(root.is_dir(), "data.read", "root", "an existing folder", str(root))
    if name in TORCHVISION:
        kind, leaves, *arguments = TORCHVISION[name]
        for place in (root, root / name):
            if (place / leaves).exists():
                return tuple(_torchvision(kind, place, given, name) for given in arguments)
    folder = root if name == "imagefolder" else root / name
    remedy = f"{root} holds: {', '.join(sorted(p.name for p in root.iterdir() if p.is_dir())) or 'no folder'}."
    if name in TORCHVISION:
        remedy += f" torchvision can download it: torchvision.datasets.{TORCHVISION[name][0]}(root, download=True)."
    require(folder.is_dir(), "data.read", "set", f"a folder or torchvision files under {root}", name, remedy)
    splits = []
    for split, spellings in SPLITS.items():
        if name in ("tinyimagenet", "tiny-imagenet-200"):
            spellings = tuple(sorted(spellings, reverse=True))  # its "test" folder has no labels: val first
        found = [folder / spelling for spelling in spellings if (folder / spelling).is_dir()]
        require(bool(found), "data.read", f"{split} split", f"a folder named {' or '.join(spellings)}", str(folder))
        splits.append(_split(found[0], name, split, side or SIDES.get(name, DEFAULT_SIDE)))
    train, test = splits
    coarse = folder / "fine_to_coarse.csv"
    if coarse.exists():
        rows = list(csv.DictReader(coarse.read_text().splitlines()))
        of_fine = {row["fine"]: int(row["coarse_id"]) for row in rows}
        unlisted = sorted(set(train.class_names) - set(of_fine))
        require(not unlisted, "data.read", f"classes of {folder}", f"all listed in {coarse.name}", unlisted[:5])
        tree = {"coarse": tuple(of_fine[name] for name in train.class_names)}
        train, test = replace(train, tree=tree), replace(test, tree=tree)
    require(train.class_names == test.class_names, "data.read", f"classes of {folder}", "the same in both splits",
            sorted(set(train.class_names) ^ set(test.class_names))[:5])  # fmt: skip
    return train, test


def _torchvision(kind: str, place: Path, given: dict, name: str) -> Dataset:
    import torchvision

    try:
        raw = getattr(torchvision.datasets, kind)(str(place), download=False, **given)
    except RuntimeError as error:
        raise ValueError(f"data.read: torchvision cannot read {kind} under {place} ({error}).") from None
    pixels = raw.data if raw.data.shape[1] == 3 else raw.data.transpose(0, 3, 1, 2)
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    labels = torch.as_tensor(raw.labels if hasattr(raw, "labels") else raw.targets, dtype=torch.int64)
    return Dataset(name, images, labels, tuple(raw.classes), {}, fingerprint(images, labels))


def _listing(folder: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """Class names and (image, class) of a split, sorted by path."""
    annotations = folder / "val_annotations.txt"
    if annotations.exists():  # Tiny-ImageNet as distributed: one flat folder and a list
        of_file = dict(line.split("\t")[:2] for line in annotations.read_text().splitlines())
        classes = sorted(set(of_file.values()))
        return classes, [(folder / "images" / file, classes.index(of_file[file])) for file in sorted(of_file)]
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    require(len(classes) >= 2, "data.read", f"classes of {folder}", ">= 2 sub-folders", len(classes))
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        mine = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in EXTENSIONS)
        require(bool(mine), "data.read", f"class folder {folder / name}", "one with at least one image", "none",
                f"Known endings: {' '.join(EXTENSIONS)}.")  # fmt: skip
        files += [(path, label) for path in mine]
    return classes, files


def _decode(path: Path, side: int) -> Tensor:
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):  # 16-bit gray: convert() would clip it to white
                image = Image.fromarray((np.array(image, dtype=np.float64) / 257).round().astype(np.uint8))
            image = image.convert("RGB")
            if image.size != (side, side):  # shorter side to `side`, then the centre
                scale = side / min(image.size)
                width, height = (max(side, round(length * scale)) for length in image.size)
                image = image.resize((width, height), Image.Resampling.BILINEAR)
                left, top = (width - side) // 2, (height - side) // 2
                image = image.crop((left, top, left + side, top + side))
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"data.read: image {path} cannot be read ({error}). Remove or replace it.") from None


def _split(folder: Path, name: str, split: str, side: int) -> Dataset:
    from sslrepro.store import write_atomic

    classes, files = _listing(folder)
    for path, _ in files:
        require(path.is_file(), "data.read", "image", "an existing file", str(path), "Remove its link or list entry.")
    stamps = [(str(p.relative_to(folder)), label, p.stat().st_size, p.stat().st_mtime_ns) for p, label in files]
    signature = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
    cache = folder.parent / f".sslrepro-{folder.name}-{side}px.cache"
    if cache.exists():
        try:
            with safe_open(cache, "pt") as file:
                about = file.metadata()
                images, labels = file.get_tensor("images"), file.get_tensor("labels")
                if about["signature"] == signature and about["fingerprint"] == fingerprint(images, labels):
                    names = tuple(json.loads(about["classes"]))
                    return Dataset(name, images, labels, names, {}, about["fingerprint"])
        except (SafetensorError, KeyError, TypeError, ValueError):
            pass  # damaged or foreign: decode again
    from tqdm import tqdm

    decoded = (_decode(path, side) for path, _ in files)
    images = torch.stack(list(tqdm(decoded, f"decode {name}/{split}", len(files), unit="img", leave=False)))
    labels = torch.tensor([label for _, label in files])
    mark = fingerprint(images, labels)
    about = {"signature": signature, "fingerprint": mark, "classes": json.dumps(classes)}
    if os.access(cache.parent, os.W_OK):  # a read-only root is decoded every time
        write_atomic(cache, to_safetensors({"images": images, "labels": labels}, about))
    return Dataset(name, images, labels, tuple(classes), {}, mark)
