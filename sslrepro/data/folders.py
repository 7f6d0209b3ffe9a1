"""Image sets from a data root: torchvision's own files, or `ImageFolder` trees of any name.

A root holds one folder per set: `<root>/<set>/<split>/<class>/<image>`, or what torchvision's downloader leaves.
The pixels are decoded once into a cache file beside the set, which carries its fingerprint.

A class tree is a file in the folder of the set. `tree.csv` has the header `class,<level>,...`, from coarse to fine, and
one line for each class with its ancestors by name. Where there is none, `fine_to_coarse.csv` has the columns `fine`,
`coarse_id` and, if there, `coarse`; its one level is called "coarse".
"""

import csv
import difflib
import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from sslrepro.base.errors import one_of, require
from sslrepro.data.dataset import Dataset, fingerprint

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
    folder = _folder(name, root)
    place = _torchvision_place(name, Path(root))
    if place is not None:
        kind, _, *arguments = TORCHVISION[name]
        splits = [_torchvision(kind, place, given, name) for given in arguments]
    else:
        splits = []
        for split, spellings in SPLITS.items():
            if name in ("tinyimagenet", "tiny-imagenet-200"):
                spellings = tuple(sorted(spellings, reverse=True))  # its "test" folder has no labels: val first
            found = [folder / spelling for spelling in spellings if (folder / spelling).is_dir()]
            require(bool(found), "data.read", f"{split} split", f"a folder named {' or '.join(spellings)}", str(folder))
            splits.append(_split(found[0], name, split, side or SIDES.get(name, DEFAULT_SIDE)))
    train, test = splits
    listed = _tree(folder)
    if listed:
        file = _tree_file(folder)
        of_class = next(iter(listed.values())).of_class
        unlisted = sorted(set(train.class_names) - set(of_class))
        require(not unlisted, "data.read", f"classes of {folder}", f"all listed in {file.name}", unlisted[:5])
        more = sorted(set(of_class) - set(train.class_names)) if file.name == TREE else []
        require(not more, "data.read", f"classes in {file}", "classes of the set", more[:5], "Remove their lines.")
        tree = {level: tuple(one.of_class[name] for name in train.class_names) for level, one in listed.items()}
        train, test = replace(train, tree=tree), replace(test, tree=tree)
    require(train.class_names == test.class_names, "data.read", f"classes of {folder}", "the same in both splits",
            sorted(set(train.class_names) ^ set(test.class_names))[:5])  # fmt: skip
    return train, test


def _torchvision_place(name: str, root: Path) -> Path | None:
    """Where torchvision's files of a set lie; None where they do not."""
    places = (root, root / name) if name in TORCHVISION else ()
    return next((place for place in places if (place / TORCHVISION[name][1]).exists()), None)


def _is_set(name: str, root: Path) -> bool:
    return name == "imagefolder" or (root / name).is_dir() or _torchvision_place(name, root) is not None


def _folder(name: str, root: str | Path | None) -> Path:
    """The folder of a set, which torchvision's files may stand beside; raises ValueError where the set is missing."""
    near = difflib.get_close_matches(name, ["shapes", "digits", *SIDES], 1)
    hint = f"Did you mean {near[0]!r}? " if near and near[0] != name else ""
    remedy = f"{hint}{name!r} is not embedded: give DATA=<dir> or SSLREPRO_DATA, a folder that holds {name}/."
    require(root is not None, "data.read", "root", "a folder", None, remedy)
    root = Path(root)
    require(root.is_dir(), "data.read", "root", "an existing folder", str(root))
    remedy = f"{root} holds: {', '.join(sorted(p.name for p in root.iterdir() if p.is_dir())) or 'no folder'}."
    if name in TORCHVISION:
        remedy += f" torchvision can download it: torchvision.datasets.{TORCHVISION[name][0]}(root, download=True)."
    require(_is_set(name, root), "data.read", "set", f"a folder or torchvision files under {root}", name, remedy)
    return root if name == "imagefolder" else root / name


# --- class trees ----------------------------------------------------------------------------------------------------

TREE, FINE_TO_COARSE = "tree.csv", "fine_to_coarse.csv"


@dataclass(frozen=True)
class Level:
    """A level of a class tree: the ancestors' names, and which of them each class has, 0..n-1."""

    names: tuple[str, ...]
    of_class: dict[str, int]


def set_and_level(name: str, root: str | Path | None) -> tuple[str, str]:
    """What a name says: ("cifar100", "coarse") of "cifar100-coarse", (name, "leaf") where a set has that very name.

    Raises ValueError that names the levels where the set has no such one, and for a tree that is not one.
    """
    if root is None or not Path(root).is_dir() or name in SIDES or _is_set(name, Path(root)):
        return name, "leaf"
    root = Path(root)
    dashes = [place for place, letter in enumerate(name) if letter == "-"]
    for base, level in ((name[:dash], name[dash + 1 :]) for dash in reversed(dashes)):
        if not _is_set(base, root):
            continue
        folder = _folder(base, root)
        listed = _tree(folder)
        require(bool(listed), "data.read", "set", f"a folder or torchvision files under {root}", name,
                f"And {base} has no class tree to name a level of: it would be {folder / TREE}.")  # fmt: skip
        return base, one_of(level, listed, "data.read", f"level of {base} (there is no folder {name})")
    return name, "leaf"


def level_of(name: str, level: str, root: str | Path) -> Level:
    """A level of a set's tree; raises ValueError with the levels there are."""
    listed = _tree(_folder(name, root))
    return listed[one_of(level, listed, "data.read", f"level of {name}")]


def levels(name: str, root: str | Path) -> dict[str, int]:
    """Level of a set's class tree -> its classes, coarse to fine, "leaf" last; {} without a tree. Reads no image.

    Raises ValueError for a missing set, a tree that is not one, or a level whose name a folder has already.
    """
    if set_and_level(name, root)[1] != "leaf":
        return {}
    listed = _tree(_folder(name, root))
    for level in listed:
        taken = f"{name}-{level}"
        require(not _is_set(taken, Path(root)), "data.levels", f"level of {name}", "no other set's name", taken,
                f"Rename the folder {taken} or the level.")  # fmt: skip
    return {level: len(one.names) for level, one in listed.items()} | (
        {"leaf": len(next(iter(listed.values())).of_class)} if listed else {}
    )


def _tree_file(folder: Path) -> Path:
    return folder / TREE if (folder / TREE).exists() else folder / FINE_TO_COARSE


def _tree(folder: Path) -> dict[str, Level]:
    """The levels of a set's class tree, coarse to fine; {} where it has none.

    Raises ValueError for a class that is listed twice, a level of one class, and branches that meet again.
    """
    file = _tree_file(folder)
    if not file.exists():
        return {}
    lines = [[cell.strip() for cell in line] for line in csv.reader(file.read_text("utf-8-sig").splitlines()) if line]
    head, lines = (lines[0], lines[1:]) if lines else ([], [])
    for number, line in enumerate(lines, 2):
        whole = len(line) == len(head) and all(line)
        require(whole, "data.tree", f"line {number} of {file}", f"{len(head)} names", ",".join(line))
    if file.name == FINE_TO_COARSE:
        known = {"fine", "coarse_id"} <= set(head)
        require(known, "data.tree", f"header of {file}", "with fine and coarse_id", ",".join(head))
        records = [dict(zip(head, line, strict=True)) for line in lines]
        numbered = all(one["coarse_id"].isdecimal() for one in records)
        require(
            numbered, "data.tree", f"coarse_id in {file}", "whole numbers", [one["coarse_id"] for one in records][:5]
        )
        ranks = {one["coarse_id"]: int(one["coarse_id"]) for one in records}
        pairs = sorted({(one["coarse_id"], one.get("coarse", one["coarse_id"])) for one in records})
        names = dict(pairs)
        require(len(pairs) == len(names) == len(set(names.values())), "data.tree", f"coarse in {file}",
                "one name for each coarse_id", pairs[:5])  # fmt: skip
        lines, head = [[one["fine"], one["coarse_id"]] for one in records], ["class", "coarse"]
    else:
        proper = len(head) >= 2 and head[0] == "class" and len(set(head)) == len(head)
        require(
            proper, "data.tree", f"header of {file}", "class and the levels, coarse to fine, each once", ",".join(head)
        )
        for level in head[1:]:
            good = level != "leaf" and re.fullmatch(r"\w[\w.-]*", level)
            require(bool(good), "data.tree", f"level in {file}", "letters, digits, - . and _, and not 'leaf'", level)
        ranks, names = None, None
    classes = [line[0] for line in lines]
    twice = sorted({one for one in classes if classes.count(one) > 1})
    require(not twice, "data.tree", f"classes in {file}", "listed once each", twice[:5])
    for (upper, coarser), (lower, finer) in pairwise(enumerate(head[1:], 1)):
        above: dict[str, str] = {}
        for line in lines:
            under = above.setdefault(line[lower], line[upper])
            require(under == line[upper], "data.tree", f"{finer} {line[lower]!r} in {file}", f"in one {coarser}",
                    [under, line[upper]])  # fmt: skip
    out = {}
    for place, level in enumerate(head[1:], 1):
        present = sorted({line[place] for line in lines}, key=ranks.__getitem__ if ranks else None)
        require(len(present) >= 2, "data.tree", f"{level} in {file}", "at least two classes", present, "Leave it out.")
        of_class = {line[0]: present.index(line[place]) for line in lines}
        out[level] = Level(tuple(names[one] for one in present) if names else tuple(present), of_class)
    return out


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
    from sslrepro.base.store import write_atomic

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
