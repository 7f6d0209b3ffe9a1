"""Image sets from a data root: torchvision's own files, or `ImageFolder` trees of any name.

A root holds one folder per set: `<root>/<set>/<split>/<class>/<image>`, or what torchvision's downloader leaves.
The pixels are decoded once into a file of the user's cache folder, which carries their fingerprint; nothing is ever
written into the root. A class tree is a file in the folder of the set (data/trees.py).
"""

import difflib
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from sslrepro.base.errors import one_of, require
from sslrepro.base.memory import available_bytes
from sslrepro.base.paths import cache_folder
from sslrepro.base.store import lock_folder
from sslrepro.data.dataset import Dataset, fingerprint
from sslrepro.data.decode import EXTENSIONS, VERSION, decode, images_under, is_junk
from sslrepro.data.sources import decode_into, open_images
from sslrepro.data.trees import TREE, Level, read_tree, tree_file

SPLITS = {"train": ("train", "training", "trainval"), "test": ("test", "val", "validation")}
UNLABELLED = "`python -m sslrepro fit FOLDER` trains on images without classes or a test split."
SIDES = {
    "cifar10": 32,
    "cifar100": 32,
    "stl10": 96,
    "tinyimagenet": 64,
    "tiny-imagenet-200": 64,
    "imagenet": 224,
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
    place = _torchvision_place(name, root_path(root))
    if place is not None:
        kind, _, *arguments = TORCHVISION[name]
        splits = [_torchvision(kind, place, split, name) for split in arguments]
    else:
        splits = []
        for split in SPLITS:
            place = _split_folder(folder, name, split)
            splits.append(_split(place, name, split, side or SIDES.get(name, DEFAULT_SIDE)))
    train, test = splits
    listed = read_tree(folder)
    if listed:
        file = tree_file(folder)
        of_class = next(iter(listed.values())).of_class
        unlisted = sorted(set(train.class_names) - set(of_class))
        require(not unlisted, "data.read", f"classes of {folder}", f"all listed in {file.name}", unlisted[:5])
        more = sorted(set(of_class) - set(train.class_names)) if file.name == TREE else []
        require(not more, "data.read", f"classes in {file}", "classes of the set", more[:5], "Remove their lines.")
        tree = {
            level: tuple(ancestors.of_class[name] for name in train.class_names) for level, ancestors in listed.items()
        }
        train, test = replace(train, tree=tree), replace(test, tree=tree)
    require(
        train.class_names == test.class_names,
        "data.read",
        f"classes of {folder}",
        "the same in both splits",
        sorted(set(train.class_names) ^ set(test.class_names))[:5],
    )
    return train, test


def _split_folder(folder: Path, name: str, split: str) -> Path:
    spellings = SPLITS[split]
    if name in ("tinyimagenet", "tiny-imagenet-200"):
        spellings = tuple(sorted(spellings, reverse=True))  # its "test" folder has no labels: val first
    present = [folder / spelling for spelling in spellings if (folder / spelling).is_dir()]
    require(
        bool(present),
        "data.read",
        f"{split} split",
        f"a folder named {' or '.join(spellings)}",
        str(folder),
        UNLABELLED,
    )
    return present[0]


def sizes(name: str, root: str | Path | None) -> dict[str, int]:
    """Images of each split of a set of folders, by their names alone; {} for torchvision's files. Decodes nothing.

    Raises ValueError as `read` does for a missing root, set or split, and for a class without images.
    """
    folder = _folder(name, root)
    if _torchvision_place(name, root_path(root)) is not None:
        return {}
    return {split: len(_listing(_split_folder(folder, name, split))[1]) for split in SPLITS}


def root_path(root: str | Path) -> Path:
    """A data root as a path, `~` expanded."""
    return Path(root).expanduser()


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
    root = root_path(root)
    require(root.is_dir(), "data.read", "root", "an existing folder", str(root))
    remedy = f"{root} holds: {', '.join(sorted(p.name for p in root.iterdir() if p.is_dir())) or 'no folder'}."
    if name in TORCHVISION:
        remedy += f" torchvision can download it: torchvision.datasets.{TORCHVISION[name][0]}(root, download=True)."
    require(_is_set(name, root), "data.read", "set", f"a folder or torchvision files under {root}", name, remedy)
    return root if name == "imagefolder" else root / name


def set_and_level(name: str, root: str | Path | None) -> tuple[str, str]:
    """What a name says: ("cifar100", "coarse") of "cifar100-coarse", (name, "leaf") where a set has that very name.

    Raises ValueError that names the levels where the set has no such one, and for a tree that is not one.
    """
    if root is None or not root_path(root).is_dir() or name in SIDES or _is_set(name, root_path(root)):
        return name, "leaf"
    root = root_path(root)
    dashes = [place for place, letter in enumerate(name) if letter == "-"]
    for base, level in ((name[:dash], name[dash + 1 :]) for dash in reversed(dashes)):
        if not _is_set(base, root):
            continue
        folder = _folder(base, root)
        listed = read_tree(folder)
        require(
            bool(listed),
            "data.read",
            "set",
            f"a folder or torchvision files under {root}",
            name,
            f"And {base} has no class tree to name a level of: it would be {folder / TREE}.",
        )
        return base, one_of(level, listed, "data.read", f"level of {base} (there is no folder {name})")
    return name, "leaf"


def level_of(name: str, level: str, root: str | Path) -> Level:
    """A level of a set's tree; raises ValueError with the levels there are."""
    listed = read_tree(_folder(name, root))
    return listed[one_of(level, listed, "data.read", f"level of {name}")]


def levels(name: str, root: str | Path) -> dict[str, int]:
    """Level of a set's class tree -> its classes, coarse to fine, "leaf" last; {} without a tree. Reads no image.

    Raises ValueError for a missing set, a tree that is not one, or a level whose name a folder has already.
    """
    if set_and_level(name, root)[1] != "leaf":
        return {}
    listed = read_tree(_folder(name, root))
    for level in listed:
        taken = f"{name}-{level}"
        require(
            not _is_set(taken, root_path(root)),
            "data.levels",
            f"level of {name}",
            "no other set's name",
            taken,
            f"Rename the folder {taken} or the level.",
        )
    return {level: len(ancestors.names) for level, ancestors in listed.items()} | (
        {"leaf": len(next(iter(listed.values())).of_class)} if listed else {}
    )


def _torchvision(kind: str, place: Path, split: dict, name: str) -> Dataset:
    import torchvision

    try:
        raw = getattr(torchvision.datasets, kind)(str(place), download=False, **split)
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
        of_file = dict(line.split("\t")[:2] for line in annotations.read_text(encoding="utf-8").splitlines())
        classes = sorted(set(of_file.values()))
        return classes, [(folder / "images" / file, classes.index(of_file[file])) for file in sorted(of_file)]
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not is_junk(path.name))
    require(len(classes) >= 2, "data.read", f"classes of {folder}", ">= 2 sub-folders", len(classes), UNLABELLED)
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        mine = images_under(folder / name)
        require(
            bool(mine),
            "data.read",
            f"class folder {folder / name}",
            "one with at least one image",
            "none",
            f"Known endings: {' '.join(EXTENSIONS)}.",
        )
        files += [(path, label) for path in mine]
    return classes, files


def _split(folder: Path, name: str, split: str, side: int) -> Dataset:
    classes, files = _listing(folder)
    for path, _ in files:
        require(path.is_file(), "data.read", "image", "an existing file", str(path), "Remove its link or list entry.")
    stamps = [(str(p.relative_to(folder)), label, p.stat().st_size, p.stat().st_mtime_ns) for p, label in files]
    signature = hashlib.sha256(json.dumps([VERSION, stamps]).encode()).hexdigest()
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    store = cache_folder() / f"{name}-{split}-{side}px-{place}.npy"
    paths, labels = [path for path, _ in files], torch.tensor([label for _, label in files])
    try:
        with lock_folder(store.with_suffix(".lock")):  # one process of a machine decodes, the others find it
            stored = open_images(store, signature)
            if stored is None:
                with tqdm(desc=f"decode {name}/{split}", total=len(files), unit="img", leave=False) as bar:
                    decode_into(store, paths, labels, side, signature, progress=lambda *_: bar.update())
                stored = open_images(store, signature)
        if stored is not None:
            return Dataset(name, stored[0], labels, tuple(classes), {}, stored[1]["fingerprint"])
    except OSError as error:  # a full disk or an unwritable folder: sets that fit are decoded every time
        n_bytes = 3 * side * side * len(files)
        require(
            n_bytes <= available_bytes(),
            "data.read",
            f"cache {store.parent}",
            f"a folder that takes {n_bytes:,} bytes",
            error.strerror,
            "SSLREPRO_CACHE names another.",
        )
    decoded = tqdm(
        (decode(path, side) for path in paths), f"decode {name}/{split}", len(files), unit="img", leave=False
    )
    images = torch.stack(list(decoded))
    return Dataset(name, images, labels, tuple(classes), {}, fingerprint(images, labels))
