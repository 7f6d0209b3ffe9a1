"""Data sets: embedded, from image folders, from torchvision's files; their cache; and errors that name the path."""

import csv
import hashlib
import os
import pickle
import shutil
import urllib.request
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets as torchvision_sets

from sslrepro.data import folders, load, resolve, shapes, sources
from sslrepro.data.dataset import DataConfig, Dataset, fingerprint, resize, subset
from sslrepro.data.decode import decode

TINY = DataConfig("shapes", n_train=96, n_test=60, side=10)


def pixels(data: Dataset) -> list[bytes]:
    return [image.numpy().tobytes() for image in data.images]


def same(a: Dataset, b: Dataset) -> bool:
    return (
        torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and (a.class_names, a.tree, a.fingerprint) == (b.class_names, b.tree, b.fingerprint)
    )


def fresh(config: DataConfig) -> tuple[Dataset, Dataset]:
    shapes.make.cache_clear()
    return load(config)


# ---- shapes --------------------------------------------------------------------------------------------------------


def test_shapes_is_a_pure_function_of_its_configuration():
    first = fresh(TINY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        again = fresh(TINY)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    for other in (replace(TINY, seed=1), replace(TINY, seed=2)):
        assert not set(pixels(first[0])) & set(pixels(fresh(other)[0])), other


@pytest.mark.parametrize("n_test", [60, 96], ids=["other size", "same size"])
def test_shapes_splits_and_seeds_share_no_image(n_test):
    """Splits of one size would be equal if they were drawn from one seed."""
    splits = [split for seed in range(4) for split in fresh(replace(TINY, seed=seed, n_test=n_test))]
    every = [image for split in splits for image in pixels(split)]
    assert len(set(every)) == len(every) == 4 * (96 + n_test)
    assert len({split.fingerprint for split in splits}) == 8


def test_shapes_test_split_does_not_follow_the_size_of_the_training_split():
    assert same(fresh(TINY)[1], fresh(replace(TINY, n_train=200))[1])


@pytest.mark.parametrize("n, classes", [(96, 48), (100, 48), (48, 48), (50, 16), (9, 2)])
def test_shapes_classes_are_balanced_and_shuffled(n, classes):
    train, test = load(replace(TINY, n_train=n, n_test=classes, classes=classes))
    for split, size in ((train, n), (test, classes)):
        counts = torch.bincount(split.labels, minlength=classes)
        assert len(counts) == classes and counts.sum() == size and counts.max() - counts.min() <= 1
    assert not torch.equal(train.labels, torch.arange(n) % classes)


@pytest.mark.parametrize("side", [8, 9, 32])
@pytest.mark.parametrize("n", [48, 77])
def test_shapes_has_any_side_and_count(side, n):
    train, test = load(DataConfig("shapes", n_train=n, n_test=49, side=side))
    for split, size in ((train, n), (test, 49)):
        assert split.images.shape == (size, 3, side, side) and split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64 and len(split) == len(split.index) == size


def test_shapes_defaults():
    train, test = load(DataConfig())
    assert (len(train), len(test), train.images.shape[-1], train.n_classes) == (4096, 2048, 16, 48)


def test_shapes_has_a_class_tree_of_three_levels():
    train, test = load(TINY)
    assert train.n_classes >= 48 and len(set(train.class_names)) == train.n_classes
    assert train.tree == test.tree and train.class_names == test.class_names
    levels = [*train.tree.values(), tuple(range(train.n_classes))]  # coarse to fine
    assert len(levels) >= 3 and all(len(level) == train.n_classes for level in levels)
    for coarse, fine in pairwise(levels):
        assert len(set(coarse)) < len(set(fine))
        assert len(set(zip(fine, coarse, strict=True))) == len(set(fine)), "a fine class has one parent"
        children = Counter(parent for _, parent in set(zip(fine, coarse, strict=True)))
        assert min(children.values()) >= 2
    assert all(set(level) == set(range(len(set(level)))) for level in levels)
    for name, shape in zip(train.class_names, train.tree["shape"], strict=True):
        assert name.split()[1] == [s for family in shapes.FAMILIES.values() for s in family][shape]


def test_shapes_with_fewer_classes():
    train, _ = load(replace(TINY, classes=16))
    assert train.n_classes == 16 and set(train.labels.tolist()) == set(range(16))
    assert all(len(level) == 16 for level in train.tree.values())
    assert set(train.tree["shape"]) == set(range(16)), "one variant of every shape"


def test_every_leaf_looks_different():
    """The same nuisances, another leaf: the object is what changes (grey levels per pixel, mean of ten draws)."""

    def drawn(leaf: int) -> torch.Tensor:
        seeds = [torch.Generator().manual_seed(seed) for seed in range(10)]
        return torch.cat([shapes.draw(torch.tensor([leaf]), 16, seed) for seed in seeds]).float().flatten()

    flat = torch.stack([drawn(leaf) for leaf in range(48)])
    distance = torch.cdist(flat, flat, p=1) / flat.shape[1]
    twins = {(a, b) for a, b in (distance < 0.4).nonzero().tolist() if a < b}  # the nearest others are 0.6 apart
    names = [" ".join(leaf[:0:-1]) for leaf in shapes.LEAVES]
    assert not twins, [(names[a], names[b], round(distance[a, b].item(), 3)) for a, b in sorted(twins)]


def test_labels_at():
    train, _ = load(TINY)
    assert torch.equal(train.labels_at("leaf"), train.labels)
    for level, of_leaf in train.tree.items():
        assert train.labels_at(level).tolist() == [of_leaf[label] for label in train.labels.tolist()]
    assert len(train.labels_at("family").unique()) == 4
    with pytest.raises(ValueError, match=r"Dataset\(shapes\): level must be one of leaf, family, shape, got 'famly'"):
        train.labels_at("famly")


@pytest.mark.parametrize(
    "changes, wording",
    [
        ({"classes": 1}, r"data\.shapes: classes must be 2\.\.48, or 0 for all, got 1"),
        ({"classes": 49}, r"data\.shapes: classes must be 2\.\.48"),
        ({"side": 7}, r"data\.shapes: side must be >= 8 px, got 7"),
        ({"n_train": 47}, r"data\.shapes: n_train must be >= the 48 classes, got 47"),
        ({"n_test": 9, "classes": 10}, r"data\.shapes: n_test must be >= the 10 classes, got 9"),
        ({"n_train": -1}, r"data\.load: n_train must be in \[0,"),
        ({"n_test": -1}, r"data\.load: n_test must be in \[0,"),
        ({"side": -8}, r"data\.load: side must be in \[0,"),
        ({"classes": -2}, r"data\.load: classes must be >= 0"),
    ],
)
def test_shapes_refuses(changes, wording):
    with pytest.raises(ValueError, match=wording):
        load(replace(TINY, **changes))


# ---- digits --------------------------------------------------------------------------------------------------------


def rows(data: Dataset) -> Counter:
    return Counter(
        (image[0].numpy().tobytes(), label) for image, label in zip(data.images, data.labels.tolist(), strict=True)
    )


def test_digits_are_scikit_learns_in_a_split_that_follows_the_seed():
    raw = load_digits()
    scaled = np.round(raw.images * 255 / 16).astype(np.uint8)
    every = Counter(zip((image.tobytes() for image in scaled), raw.target.tolist(), strict=True))
    tests = []
    for seed in (0, 1, 2):
        train, test = load(DataConfig("digits", seed=seed))
        assert (len(train), len(test)) == (1297, 500)
        assert rows(train) + rows(test) == every, "each image is in exactly one split, with its own label"
        assert same(load(DataConfig("digits", seed=seed))[1], test)
        tests.append(test)
    assert len({test.fingerprint for test in tests}) == 3
    assert sum((rows(tests[0]) & rows(tests[1])).values()) < 250, "about 139 of 500 by chance"


def test_digits_are_gray_images_of_ten_classes():
    train, test = load(DataConfig("digits"))
    assert train.images.shape[1:] == (3, 8, 8) and train.images.min() == 0 and train.images.max() == 255
    assert torch.equal(train.images[:, 0], train.images[:, 1]) and torch.equal(train.images[:, 0], train.images[:, 2])
    assert train.class_names == tuple("0123456789") and train.tree == {}
    for split, least in ((train, 100), (test, 30)):
        assert torch.bincount(split.labels).min() > least


# ---- subsets, sides, fingerprints ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10, 25, 400])
def test_a_subset_is_balanced_and_deterministic(n):
    train, _ = load(DataConfig("digits"))
    part = subset(train, n, seed=3)
    counts = torch.bincount(part.labels, minlength=10)
    assert counts.sum() == n and counts.max() - counts.min() <= 1
    assert not rows(part) - rows(train), "images keep their labels"
    assert same(subset(train, n, seed=3), part)
    other = subset(train, n, seed=4)
    assert other.fingerprint != part.fingerprint and rows(other) != rows(part)
    assert part.fingerprint == fingerprint(part.images, part.labels) != train.fingerprint


def test_a_subset_of_unbalanced_classes_is_as_balanced_as_it_can_be():
    labels = torch.tensor([0] * 3 + [1] * 30 + [2] * 40)
    images = torch.arange(73, dtype=torch.uint8)[:, None, None, None].expand(73, 3, 2, 2).contiguous()
    part = subset(Dataset("made", images, labels, ("a", "b", "c")), 23, seed=0)
    assert torch.bincount(part.labels).tolist() == [3, 10, 10]
    assert torch.equal(labels[part.images[:, 0, 0, 0].long()], part.labels)


@pytest.mark.parametrize("n", [0, 1297, 5000])
def test_the_whole_set_is_not_drawn_from(n):
    train, _ = load(DataConfig("digits"))
    assert subset(train, n, seed=1) is train


def test_load_takes_subsets_of_both_splits():
    whole = load(DataConfig("digits", seed=5))
    train, test = load(DataConfig("digits", seed=5, n_train=40, n_test=20, side=12))
    assert train.images.shape == (40, 3, 12, 12) and test.images.shape == (20, 3, 12, 12)
    assert same(train, subset(resize(whole[0], 12), 40, seed=5))
    assert same(test, subset(resize(whole[1], 12), 20, seed=5))


@pytest.mark.parametrize("side", [5, 8, 21])
def test_resized(side):
    train, _ = load(TINY)
    out = resize(train, side)
    expected = [
        np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((side, side), Image.Resampling.BILINEAR))
        for image in train.images
    ]
    assert out.images.dtype == torch.uint8
    difference = out.images.permute(0, 2, 3, 1).int() - torch.from_numpy(np.stack(expected)).int()
    assert difference.abs().max() <= 1, "antialiased bilinear, as in PIL, up to rounding"
    assert torch.equal(out.labels, train.labels) and out.tree == train.tree and out.class_names == train.class_names
    assert out.fingerprint == fingerprint(out.images, out.labels) != train.fingerprint
    assert resize(train, 0) is train and resize(train, 10) is train


def test_fingerprints_change_with_pixels_labels_and_shape():
    images, labels = torch.zeros(4, 3, 2, 2, dtype=torch.uint8), torch.arange(4)
    changed = images.clone()
    changed[3, 2, 1, 1] = 1
    fingerprints = {
        fingerprint(images, labels),
        fingerprint(changed, labels),
        fingerprint(images, labels.flip(0)),
        fingerprint(images.view(4, 3, 4, 1), labels),
        fingerprint(images[:3], labels[:3]),
    }
    assert len(fingerprints) == 5 and all(len(mark) == 16 and int(mark, 16) >= 0 for mark in fingerprints)
    assert fingerprint(images.clone(), labels.clone()) in fingerprints


def test_mean_std_and_to():
    train, _ = load(TINY)
    mean, std = train.mean_std()
    values = train.images.numpy().astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1) / 255
    assert np.allclose(mean, values.mean(1)) and np.allclose(std, values.std(1), rtol=1e-3)
    assert same(train.to("cpu"), train) and train.to("cpu").name == "shapes" and train.device.type == "cpu"
    assert torch.equal(train.take(torch.tensor([5, 2])), train.images[[5, 2]])


@pytest.mark.parametrize("config", [TINY, DataConfig("digits"), DataConfig("shapes", n_train=4608, side=16, seed=3)])
def test_mean_and_deviation_are_those_of_the_pixels_to_the_bit(config):
    """What runs divide by, in fp32, is what a double-precision copy of all pixels gives."""
    for split in load(config):
        pixels = split.images.double() / 255
        expected = pixels.mean((0, 2, 3)).float(), pixels.std((0, 2, 3)).float()
        assert all(torch.equal(torch.tensor(a), b) for a, b in zip(split.mean_std(), expected, strict=True))
        assert split.mean_std() is split.mean_std(), "counted once"


def test_a_channel_of_one_value_has_a_deviation_of_1():
    images = torch.randint(0, 256, (5, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[:, 2] = 51
    mean, std = Dataset("flat", images, torch.zeros(5, dtype=torch.int64), ("only",)).mean_std()
    assert (mean[2], std[2]) == (0.2, 1.0) and min(std[:2]) > 0.1


def test_resolve_records_the_content(tmp_path):
    assert resolve(TINY).fingerprint == f"shapes-v{shapes.VERSION}"
    assert resolve(DataConfig("digits")).fingerprint == "digits-v1"
    make_folders(tmp_path / "birds")
    config = DataConfig("birds", side=8)
    resolved = resolve(config, tmp_path)
    train, test = load(resolved, tmp_path)
    assert resolved.fingerprint == f"{train.fingerprint}-{test.fingerprint}"
    assert resolve(resolved, tmp_path) == resolved
    assert resolve(replace(config, n_train=2), tmp_path).fingerprint == resolved.fingerprint
    write(tmp_path / "birds/test/ant/0.png", picture(99))
    with pytest.raises(ValueError, match=r"data\.load\(birds\): content must be .*The images changed"):
        load(resolved, tmp_path)
    with pytest.raises(ValueError, match=r"data\.load\(digits\): content must be digits-v0, got 'digits-v1'"):
        load(DataConfig("digits", fingerprint="digits-v0"))


# ---- image folders -------------------------------------------------------------------------------------------------


def picture(seed: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def make_folders(folder: Path, splits=("train", "test"), classes=("ant", "bee", "cow"), n: int = 3) -> None:
    """Pictures whose seed says where they lie: 1000 split + 100 class + number."""
    for s, split in enumerate(splits):
        for c, name in enumerate(classes):
            for i in range(n):
                write(folder / split / name / f"{i}.png", picture(1000 * s + 100 * c + i))


def no_decoding(monkeypatch) -> None:
    def fail(path, side):
        raise AssertionError(f"{path} was decoded")

    for reader in (folders, sources):
        monkeypatch.setattr(reader, "decode", fail)


@pytest.fixture
def root(tmp_path) -> Path:
    make_folders(tmp_path / "birds")
    return tmp_path


def caches(split: str = "train", side: int = 8) -> list[Path]:
    return list(Path(os.environ["SSLREPRO_CACHE"]).glob(f"birds-{split}-{side}px-*.npy"))


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "val"), ("training", "validation")])
def test_folders_are_read_in_order(tmp_path, splits):
    make_folders(tmp_path / "birds", splits)
    for s, split in enumerate(folders.read("birds", tmp_path, 8)):
        assert split.name == "birds" and split.class_names == ("ant", "bee", "cow") and split.tree == {}
        assert split.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        expected = [picture(1000 * s + 100 * c + i).transpose(2, 0, 1) for c in range(3) for i in range(3)]
        assert torch.equal(split.images, torch.from_numpy(np.stack(expected)))
        assert split.fingerprint == fingerprint(split.images, split.labels)
        assert split.images.is_contiguous() and split.labels.dtype == torch.int64


def test_a_test_folder_goes_before_a_val_folder(tmp_path):
    make_folders(tmp_path / "birds", ("train", "val", "test"))
    _, test = folders.read("birds", tmp_path, 8)
    assert torch.equal(test.images[0], torch.from_numpy(picture(2000)).permute(2, 0, 1))


def test_imagefolder_is_the_root_itself(root):
    train, _ = folders.read("imagefolder", root / "birds", 8)
    assert torch.equal(train.images, folders.read("birds", root, 8)[0].images)


def test_nested_images_and_other_endings_are_found(tmp_path):
    make_folders(tmp_path / "birds", n=1)
    write(tmp_path / "birds/train/ant/deeper/1.BMP", picture(7))
    (tmp_path / "birds/train/ant/notes.txt").write_text("not an image")
    train, _ = folders.read("birds", tmp_path, 8)
    assert train.labels.tolist() == [0, 0, 1, 2]
    assert torch.equal(train.images[1], torch.from_numpy(picture(7)).permute(2, 0, 1))


def test_gray_images_become_three_equal_channels(root):
    gray = picture(1)[:, :, 0]
    write(root / "birds/train/ant/0.png", gray)
    train, _ = folders.read("birds", root, 8)
    assert torch.equal(train.images[0], torch.from_numpy(gray).expand(3, 8, 8))


def test_16_bit_gray_images_keep_their_contrast(root):
    gray = picture(1)[:, :, 0]
    write(root / "birds/train/ant/0.png", gray.astype(np.uint16) * 257)
    train, _ = folders.read("birds", root, 8)
    assert (train.images[0].int() - torch.from_numpy(gray).expand(3, 8, 8).int()).abs().max() <= 1


def test_mixed_sizes_shorter_side_then_the_centre(root):
    wide, tall = np.zeros((2, 24, 24, 3), dtype=np.uint8)
    wide, tall = wide[:8].copy(), tall[:, :8].copy()
    wide[:, 8:16], tall[8:16] = picture(1), picture(2)
    write(root / "birds/train/ant/0.png", wide)
    write(root / "birds/train/ant/1.png", tall)
    write(root / "birds/train/ant/2.png", np.full((30, 50, 3), 77, dtype=np.uint8))
    write(root / "birds/train/bee/0.png", np.full((3, 2, 3), 99, dtype=np.uint8))
    train, _ = folders.read("birds", root, 8)
    assert torch.equal(train.images[0], torch.from_numpy(picture(1)).permute(2, 0, 1))
    assert torch.equal(train.images[1], torch.from_numpy(picture(2)).permute(2, 0, 1))
    assert (train.images[2] == 77).all() and (train.images[3] == 99).all()


def test_sides(root):
    assert folders.read("birds", root)[0].images.shape[-1] == 64
    assert load(DataConfig("birds", side=12), root)[0].images.shape[-2:] == (12, 12)
    (root / "birds").rename(root / "cifar10")
    assert load(DataConfig("cifar10"), root)[0].images.shape[-1] == 32


# ---- the cache -----------------------------------------------------------------------------------------------------


def test_the_cache_is_read_instead_of_the_images_and_nothing_is_written_into_the_root(root, monkeypatch):
    before = sorted(root.rglob("*"))
    first = folders.read("birds", root, 8)
    assert sorted(root.rglob("*")) == before
    assert len(caches("train")) == len(caches("test")) == 1
    no_decoding(monkeypatch)
    again = folders.read("birds", root, 8)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    with pytest.raises(AssertionError, match="was decoded"):
        folders.read("birds", root, 9)  # another side has another cache


@pytest.mark.parametrize("change", ["pixels", "one more", "one less", "renamed class"])
def test_a_changed_folder_renews_the_cache(root, change, monkeypatch, tmp_path_factory):
    before = folders.read("birds", root, 8)
    ant = root / "birds/train/ant"
    if change == "pixels":
        write(ant / "1.png", picture(55))
    elif change == "one more":
        write(ant / "9.png", picture(55))
    elif change == "one less":
        (ant / "1.png").unlink()
    else:
        ant.rename(root / "birds/train/ape")
        (root / "birds/test/ant").rename(root / "birds/test/ape")
    train, _ = folders.read("birds", root, 8)
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(root, copy, dirs_exist_ok=True)
    assert same(train, folders.read("birds", copy, 8)[0]), "as if there had been no cache"
    assert not same(train, before[0])
    assert (train.fingerprint == before[0].fingerprint) == (change == "renamed class")
    no_decoding(monkeypatch)
    assert same(folders.read("birds", root, 8)[0], train), "the new cache was written"


def test_a_rewritten_image_of_equal_size_renews_the_cache(root):
    path = root / "birds/train/ant/1.bmp"
    write(path, picture(1))
    before, _ = folders.read("birds", root, 8)
    size, time = path.stat().st_size, path.stat().st_mtime_ns
    write(path, picture(2))
    os.utime(path, ns=(time + 1_000_000, time + 1_000_000))
    assert path.stat().st_size == size
    assert folders.read("birds", root, 8)[0].fingerprint != before.fingerprint


def damaged(path: Path, how: str) -> None:
    raw = path.read_bytes()
    header = 120  # of numpy's format, after its 8 bytes of magic
    path.write_bytes(
        {
            "empty": b"",
            "foreign": b"not a cache at all" * 20,
            "cut": raw[:-40],
            "header only": raw[: 8 + header],
            "half a header": raw[: 8 + header // 2],
            "pixels": raw[:-200] + bytes([raw[-200] ^ 255]) + raw[-199:],
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "foreign", "cut", "header only", "half a header", "pixels"])
def test_a_damaged_cache_is_decoded_again(root, how, monkeypatch):
    first, _ = folders.read("birds", root, 8)
    damaged(caches()[0], how)
    assert same(folders.read("birds", root, 8)[0], first)
    no_decoding(monkeypatch)
    assert same(folders.read("birds", root, 8)[0], first), "and written again"


def test_a_cache_folder_that_cannot_be_written_is_done_without(root, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SSLREPRO_CACHE", str(tmp_path / "file"))
    first = folders.read("birds", root, 8)
    assert all(same(a, b) for a, b in zip(first, folders.read("birds", root, 8), strict=True))


def test_two_folders_of_one_name_have_two_caches(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    make_folders(other / "birds")
    write(other / "birds/train/ant/1.png", picture(55))
    first, second = folders.read("birds", root, 8)[0], folders.read("birds", other, 8)[0]
    assert len(caches()) == 2 and not same(first, second) and same(folders.read("birds", root, 8)[0], first)


# ---- class trees and lists -----------------------------------------------------------------------------------------


def coarse_list(folder: Path, rows: dict[str, int]) -> None:
    with (folder / "fine_to_coarse.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fine_id", "fine", "coarse_id", "coarse"])
        writer.writerows([i, fine, coarse, f"group {coarse}"] for i, (fine, coarse) in enumerate(rows.items()))


def test_fine_to_coarse_gives_a_tree(tmp_path):
    make_folders(tmp_path / "cifar100")
    coarse_list(tmp_path / "cifar100", {"bee": 1, "cow": 0, "ant": 1})
    for split in load(DataConfig("cifar100", n_train=6, side=8), tmp_path):
        assert split.tree == {"coarse": (1, 1, 0)}
        assert torch.equal(split.labels_at("coarse"), (split.labels < 2).long())


def test_a_class_without_a_coarse_class_is_named(tmp_path):
    make_folders(tmp_path / "cifar100")
    coarse_list(tmp_path / "cifar100", {"bee": 1, "cow": 0})
    with pytest.raises(ValueError, match=r"fine_to_coarse\.csv.*ant"):
        folders.read("cifar100", tmp_path, 8)


@pytest.fixture
def tiny_imagenet(tmp_path) -> Path:
    """As distributed: train/<class>/images, a flat val with a list, and a test folder without labels."""
    folder = tmp_path / "tinyimagenet"
    for c, name in enumerate(("n01", "n02")):
        for i in range(3):
            write(folder / f"train/{name}/images/{name}_{i}.png", picture(100 * c + i))
        (folder / f"train/{name}/{name}_boxes.txt").write_text("n01_0.png\t0\t0\t7\t7\n")
    for i in range(4):
        write(folder / f"val/images/val_{i}.png", picture(1000 + i))
        write(folder / f"test/images/test_{i}.png", picture(2000 + i))
    annotate(folder, ["n02", "n01", "n02", "n01"])
    return tmp_path


def annotate(folder: Path, labels: list[str]) -> None:
    lines = [f"val_{i}.png\t{name}\t0\t0\t7\t7\n" for i, name in enumerate(labels)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))


def test_tiny_imagenet_as_distributed(tiny_imagenet):
    train, test = folders.read("tinyimagenet", tiny_imagenet, 8)
    assert train.class_names == test.class_names == ("n01", "n02")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1] and test.labels.tolist() == [1, 0, 1, 0]
    expected = np.stack([picture(1000 + i).transpose(2, 0, 1) for i in range(4)])
    assert torch.equal(test.images, torch.from_numpy(expected))
    assert folders.read("tinyimagenet", tiny_imagenet)[0].images.shape[-1] == 64


def test_a_changed_list_of_labels_renews_the_cache(tiny_imagenet):
    _, before = folders.read("tinyimagenet", tiny_imagenet, 8)
    annotate(tiny_imagenet / "tinyimagenet", ["n01", "n01", "n02", "n02"])
    _, after = folders.read("tinyimagenet", tiny_imagenet, 8)
    assert after.labels.tolist() == [0, 0, 1, 1]
    assert after.fingerprint != before.fingerprint


# ---- torchvision's files -------------------------------------------------------------------------------------------


def listed(folder: Path, files: dict[str, bytes]) -> list[list[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [[name, hashlib.md5(content).hexdigest()] for name, content in files.items()]


def cifar_files(kind, place: Path, labels: str, monkeypatch=None) -> np.ndarray:
    """A set in torchvision's layout, two images per file; `monkeypatch` makes torchvision expect its checksums."""
    train = [name for name, _ in kind.train_list]
    test = [name for name, _ in kind.test_list]
    data = np.random.default_rng(0).integers(0, 256, (2 * (len(train) + len(test)), 3072), dtype=np.uint8)
    files = {}
    for number, name in enumerate([*train, *test]):
        entry = {"data": data[2 * number : 2 * number + 2], labels: [number % 3, 3], "coarse_labels": [0, 1]}
        files[name] = pickle.dumps(entry)
    sums = listed(place / kind.base_folder, files)
    key = kind.meta["key"]
    [[meta, mark]] = listed(place / kind.base_folder, {kind.meta["filename"]: pickle.dumps({key: list("abcd")})})
    if monkeypatch:
        monkeypatch.setattr(kind, "train_list", sums[: len(train)])
        monkeypatch.setattr(kind, "test_list", sums[len(train) :])
        monkeypatch.setattr(kind, "meta", {"filename": meta, "key": key, "md5": mark})
    return data.reshape(-1, 3, 32, 32)


@pytest.fixture
def offline(monkeypatch):
    def fail(*arguments, **named):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(urllib.request, "urlopen", fail)


@pytest.mark.parametrize("below", ["", "cifar10"], ids=["in the root", "in a folder of the set"])
def test_cifar10_as_torchvision_leaves_it(tmp_path, below, monkeypatch, offline):
    data = cifar_files(torchvision_sets.CIFAR10, tmp_path / below, "labels", monkeypatch)
    train, test = load(DataConfig("cifar10"), tmp_path)
    assert torch.equal(train.images, torch.from_numpy(data[:10])) and torch.equal(
        test.images, torch.from_numpy(data[10:])
    )
    assert train.labels.tolist() == [0, 3, 1, 3, 2, 3, 0, 3, 1, 3] and test.labels.tolist() == [2, 3]
    assert train.class_names == test.class_names == tuple("abcd") and train.labels.dtype == torch.int64
    assert train.fingerprint == fingerprint(train.images, train.labels) != test.fingerprint
    small, _ = load(DataConfig("cifar10", side=16, n_train=4), tmp_path)
    assert small.images.shape == (4, 3, 16, 16)
    assert not list(tmp_path.rglob("*.cache"))


def test_cifar100_as_torchvision_leaves_it(tmp_path, monkeypatch, offline):
    data = cifar_files(torchvision_sets.CIFAR100, tmp_path, "fine_labels", monkeypatch)
    train, test = load(DataConfig("cifar100"), tmp_path)
    assert torch.equal(train.images, torch.from_numpy(data[:2])) and torch.equal(
        test.images, torch.from_numpy(data[2:])
    )
    assert train.labels.tolist() == [0, 3] and train.class_names == tuple("abcd")


def test_stl10_as_torchvision_leaves_it(tmp_path, monkeypatch, offline):
    kind = torchvision_sets.STL10
    data = np.random.default_rng(0).integers(0, 256, (5, 3, 96, 96), dtype=np.uint8)
    stored = data.transpose(0, 1, 3, 2)  # column by column, as the binary files are
    files = {
        "train_X.bin": stored[:3].tobytes(),
        "train_y.bin": bytes([1, 2, 10]),
        "unlabeled_X.bin": b"",
        "test_X.bin": stored[3:].tobytes(),
        "test_y.bin": bytes([7, 1]),
    }
    sums = listed(tmp_path / kind.base_folder, files)
    (tmp_path / kind.base_folder / kind.class_names_file).write_text("\n".join("abcdefghij"))
    monkeypatch.setattr(kind, "train_list", sums[:3])
    monkeypatch.setattr(kind, "test_list", sums[3:])
    train, test = load(DataConfig("stl10"), tmp_path)
    assert torch.equal(train.images, torch.from_numpy(data[:3])) and torch.equal(
        test.images, torch.from_numpy(data[3:])
    )
    assert train.labels.tolist() == [0, 1, 9] and test.labels.tolist() == [6, 0]
    assert train.class_names == tuple("abcdefghij")


def test_torchvision_files_with_a_wrong_checksum_are_refused_offline(tmp_path, offline):
    cifar_files(torchvision_sets.CIFAR10, tmp_path, "labels")
    with pytest.raises((ValueError, RuntimeError), match="corrupted"):
        load(DataConfig("cifar10"), tmp_path)


# ---- errors --------------------------------------------------------------------------------------------------------


def refused(name: str, root: Path | None, *words: object) -> None:
    """Reading the set raises ValueError, and its text holds all the words."""
    with pytest.raises(ValueError) as caught:
        load(DataConfig(name, side=8), root)
    for word in words:
        assert str(word) in str(caught.value), (word, str(caught.value))


def test_no_root():
    refused("birds", None, "data.read: root must be a folder, got None", "'birds' is not embedded", "birds/")


def test_an_unknown_name_names_the_nearest():
    refused("shape", None, "shape", "Did you mean 'shapes'?")


def test_missing_root(tmp_path):
    refused("birds", tmp_path / "none", "data.read: root must be an existing folder", tmp_path / "none")


def test_missing_set_lists_what_the_root_holds(root):
    (root / "file.txt").write_text("")
    (root / "fish").mkdir()
    refused("bird", root, f"under {root}", "'bird'", f"{root} holds: birds, fish.")
    refused("cifar10", root, "holds: birds, fish.", "torchvision.datasets.CIFAR10(root, download=True)")
    shutil.rmtree(root)
    root.mkdir()
    refused("bird", root, f"{root} holds: no folder.")


@pytest.mark.parametrize(
    "split, named", [("train", "train or training or trainval"), ("test", "test or val or validation")]
)
def test_missing_split(root, split, named):
    shutil.rmtree(root / "birds" / split)
    refused("birds", root, f"data.read: {split} split must be a folder named {named}", root / "birds")


@pytest.mark.parametrize("left", ["nothing", "a text file"])
def test_a_class_without_images(root, left):
    folder = root / "birds/test/bee"
    shutil.rmtree(folder)
    folder.mkdir()
    if left == "a text file":
        (folder / "notes.txt").write_text("none")
    refused("birds", root, f"class folder {folder} must be one with at least one image", ".png")


def test_one_class_only(root):
    for name in ("bee", "cow"):
        shutil.rmtree(root / "birds/train" / name)
    refused("birds", root, f"classes of {root}/birds/train must be >= 2 sub-folders, got 1")


def test_classes_differ_between_splits(root):
    (root / "birds/test/cow").rename(root / "birds/test/cat")
    refused("birds", root, f"classes of {root}/birds must be the same in both splits", "['cat', 'cow']")


@pytest.mark.parametrize("content", [b"this is text", b"", b"\x89PNG\r\n\x1a\n"], ids=["text", "empty", "cut"])
def test_an_unreadable_image(root, content):
    path = root / "birds/train/bee/1.png"
    path.write_bytes(content)
    refused("birds", root, f"data.read: image {path} cannot be read", "Remove or replace it.")
    assert not caches()


def test_half_an_image_is_unreadable(root):
    path = root / "birds/train/bee/1.png"
    path.write_bytes(path.read_bytes()[:-60])
    refused("birds", root, f"image {path} cannot be read")


def test_an_image_that_is_a_broken_link(root):
    path = root / "birds/train/bee/1.png"
    path.unlink()
    path.symlink_to(root / "gone.png")
    refused("birds", root, path)


def test_an_image_that_is_in_the_list_but_not_there(tiny_imagenet):
    path = tiny_imagenet / "tinyimagenet/val/images/val_2.png"
    path.unlink()
    refused("tinyimagenet", tiny_imagenet, path)


# ---- what cameras, archivers and other programs leave ---------------------------------------------------------------


def test_what_other_programs_leave_is_no_class_and_no_image(root):
    first = folders.read("birds", root, 8)
    for split in ("train", "test"):
        for junk in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
            shutil.copytree(root / "birds" / split / "ant", root / "birds" / split / junk)
            shutil.copytree(root / "birds" / split / "ant", root / "birds" / split / "bee" / junk)
        write(root / "birds" / split / "ant" / "._1.png", picture(7))
        (root / "birds" / split / "ant" / "Thumbs.db").write_bytes(b"no image")
    assert all(same(a, b) for a, b in zip(first, folders.read("birds", root, 8), strict=True))


def quarters(side: int = 16) -> np.ndarray:
    """An image whose four quarters differ, top left brightest."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[: side // 2, : side // 2] = 250
    pixels[: side // 2, side // 2 :] = 120
    pixels[side // 2 :, : side // 2] = 60
    return pixels


def test_a_turned_photograph_is_read_upright(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by a quarter, clockwise
    Image.fromarray(quarters()).save(tmp_path / "turned.png", exif=exif)
    upright = np.rot90(quarters(), -1)
    assert (decode(tmp_path / "turned.png", 16).permute(1, 2, 0).numpy() == upright).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_hidden_colours_of_transparent_pixels_do_not_show(tmp_path, mode):
    from PIL import Image

    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[:4, :4] = (255, 0, 0, 0)  # red, and wholly transparent
    image = Image.fromarray(pixels, "RGBA").convert("LA" if mode == "LA" else "RGBA")
    if mode == "P":
        image = Image.fromarray((pixels[..., 3] > 0).astype(np.uint8), "P")
        image.putpalette([255, 0, 0, 0, 0, 0])
    image.save(tmp_path / "x.png", **({"transparency": 0} if mode == "P" else {}))
    out = decode(tmp_path / "x.png", 8)
    assert (out[:, :4, :4] == 255).all(), "the stated background, white"
    assert (out[:, 4:, 4:] == 0).all()


@pytest.mark.parametrize(
    "values, message", [(np.full((8, 8), 0.5, np.float32), "float"), (np.full((8, 8), 70_000, np.int32), "0..65535")]
)
def test_images_of_unknown_range_are_refused_by_name(tmp_path, values, message):
    from PIL import Image

    path = tmp_path / "x.tif"
    Image.fromarray(values).save(path)
    with pytest.raises(ValueError, match=message) as error:
        decode(path, 8)
    assert str(path) in str(error.value)


def test_a_decompression_bomb_is_one_line(tmp_path, monkeypatch):
    from PIL import Image

    path = write(tmp_path / "x.png", picture(1)) or tmp_path / "x.png"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="is refused") as error:
        decode(path, 8)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "written, name",
    [("holiday/", "holiday"), ("./holiday", "holiday"), ("my photos", "my photos"), ("Ünïcode-2", "Ünïcode-2")],
)
def test_one_folder_has_one_name(written, name):
    assert DataConfig(written).name == name == DataConfig(name).name


@pytest.mark.parametrize(
    "name", ["a/b", "/abs/olute", "..", "../up", "", "x" * 250, "a\0b", "<b>x</b>", "a\\b", None, 3]
)
def test_what_no_folder_of_a_root_is_called_is_refused(name, without_shape_checks):
    with pytest.raises(ValueError, match="data: name must be") as error:
        DataConfig(name)
    is_path = isinstance(name, str) and bool(set("/\\") & set(name))
    assert ("--root <parent>" in str(error.value)) == is_path


def test_a_home_folder_is_understood(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    there = folders.read("birds", f"~/{root.name}", 8)
    assert all(same(a, b) for a, b in zip(there, folders.read("birds", root, 8), strict=True))


@pytest.mark.parametrize("content", [b"class,a\nx,\0y\n", b"class,a\nx," + b"y" * 200_000, b"\xff\xfe\xfa", "folder"])
def test_a_tree_file_that_is_none_is_one_line(root, content):
    place = root / "birds" / "tree.csv"
    place.mkdir() if content == "folder" else place.write_bytes(content)
    with pytest.raises(ValueError, match="data") as error:
        folders.levels("birds", root)
    assert str(place) in str(error.value) and len(str(error.value)) < 1_000
