"""Images that are read from a file are those that are in memory, to the bit, and take no memory."""

import pickle
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sslrepro.base import memory
from sslrepro.data import folders, quality, sources
from sslrepro.data.dataset import DataConfig, Dataset, fingerprint, subset
from sslrepro.data.datasets import hold_out
from sslrepro.data.recipes import ViewConfig, recipe
from sslrepro.data.sources import StoredImages, blocks_of, decode_into, open_images, value_counts
from sslrepro.data.views import Batches
from sslrepro.training.config import TrainingConfig
from sslrepro.training.monitor import TrainingLog

N, SIDE = 40, 12


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> list[Path]:
    place = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(0)
    for n in range(N):
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(place / f"{n:02}.png")
    return sorted(place.iterdir())


@pytest.fixture
def pair(drawn, tmp_path, monkeypatch) -> tuple[Dataset, Dataset]:
    """The same images in memory and from a file."""
    labels = torch.arange(N) % 4
    decode_into(tmp_path / "a.npy", drawn, labels, SIDE, "sign")
    images, about = open_images(tmp_path / "a.npy", "sign")
    monkeypatch.setattr(sources, "RESIDENT", 0.0)
    stored, _ = open_images(tmp_path / "a.npy", "sign")
    assert isinstance(images, torch.Tensor) and isinstance(stored, StoredImages)
    return tuple(Dataset("a", source, labels, tuple("abcd"), {}, about["fingerprint"]) for source in (images, stored))


@pytest.mark.parametrize(
    "index", [torch.tensor([5, 6, 7, 2, 39, 0, 0, -1]), torch.arange(N), torch.arange(0), 3, -2, slice(4, 9)]
)
def test_every_index_gives_what_memory_gives(pair, index):
    assert torch.equal(pair[0].images[index], pair[1].images[index])


def test_batches_are_the_same_to_the_bit(pair):
    made = [
        Batches(data, recipe(ViewConfig("simclr")), 16, 3, n_support=4, normalise=tuple(map(tuple, data.mean_std())))
        for data in pair
    ]
    for a, b in zip(*(batches.between(0, 5) for batches in made), strict=True):
        assert torch.equal(a.index, b.index) and torch.equal(a.support, b.support)
        assert all(torch.equal(x, y) for x, y in zip(a.views, b.views, strict=True))


def test_what_is_counted_over_all_images_is_the_same(pair):
    a, b = pair
    assert a.mean_std() == b.mean_std() and value_counts(a.images) == value_counts(b.images)
    assert value_counts(b.images.rows(torch.arange(9))) == value_counts(a.images[:9])
    assert fingerprint(a.images, a.labels) == fingerprint(b.images, b.labels) == a.fingerprint == b.fingerprint
    assert quality.warnings_about(a, a) == quality.warnings_about(b, b)
    assert torch.equal(torch.cat(list(blocks_of(b.images))), a.images)


def test_the_mean_of_a_record_is_not_counted_again(pair, monkeypatch):
    monkeypatch.setattr(StoredImages, "_read", lambda *_: pytest.fail("read"))
    assert pair[1].mean_std() == pair[0].mean_std()


def test_subsets_read_nothing_and_are_the_same(pair):
    for a, b in (
        [subset(data, 12, 1) for data in pair],
        [data.rows(torch.tensor([7, 1, 30])) for data in pair],
        [hold_out(data, DataConfig("a", held_out=0.25))[1] for data in pair],
        [data.rows(torch.arange(20, 40)).rows(torch.tensor([3, 0])) for data in pair],
    ):
        assert isinstance(b.images, StoredImages) and torch.equal(a.images, b.images[:]) and a.labels.equal(b.labels)
        assert a.fingerprint == b.fingerprint


def test_another_process_reads_the_same(pair):
    assert torch.equal(pickle.loads(pickle.dumps(pair[1].images))[5], pair[0].images[5])


def test_a_damaged_image_is_noticed_when_it_is_read(pair):
    images = pair[1].images
    raw = bytearray(images.path.read_bytes())
    raw[-5] ^= 1
    images.path.write_bytes(raw)
    assert len(images[:39]) == 39
    with pytest.raises(ValueError, match=r"a\.npy must be as they were written, got 'another image 39'. Delete it"):
        images[torch.tensor([39])]
    images.path.write_bytes(raw[:-700])
    with pytest.raises(ValueError, match=r"must be whole, got 'an end within its images'"):
        images[38]


def test_processes_of_one_machine_share_a_set_that_would_not_fit_twice(pair, monkeypatch):
    monkeypatch.setattr(sources, "RESIDENT", 0.25)
    monkeypatch.setattr(sources, "available_bytes", lambda: 5 * pair[1].images.nbytes)
    assert isinstance(open_images(pair[1].images.path, "sign")[0], torch.Tensor)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert isinstance(open_images(pair[1].images.path, "sign")[0], StoredImages)


def test_a_cache_that_is_shorter_or_of_other_files_is_none(pair, tmp_path):
    store = tmp_path / "a.npy"
    assert open_images(store, "other") is None
    store.with_suffix(".crc32").write_bytes(bytes(4 * N))
    assert open_images(store, "sign") is None


def test_a_kill_while_decoding_leaves_nothing(drawn, tmp_path):
    def stop(done, n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_into(tmp_path / "b.npy", drawn, torch.zeros(N, dtype=torch.int64), SIDE, "sign", progress=stop)
    assert not list(tmp_path.iterdir())


def test_one_colour_is_said_of_stored_images_too(pair):
    log = TrainingLog(pair[1], TrainingConfig())
    assert log._why_equal() == ""
    same = Dataset(
        "a", pair[1].images.rows(torch.zeros(6, dtype=torch.int64)), torch.zeros(6, dtype=torch.int64), ("a",)
    )
    assert "All images are equal" in TrainingLog(same, TrainingConfig())._why_equal()


def test_imagenet_has_its_own_side(drawn, tmp_path):
    for split in ("train", "val"):
        for name in "ab":
            (tmp_path / "imagenet" / split / name).mkdir(parents=True)
            Image.open(drawn[0]).save(tmp_path / "imagenet" / split / name / "0.png")
    assert folders.read("imagenet", tmp_path)[0].images.shape == (2, 3, 224, 224)


def test_limits_of_the_process_bound_what_is_available(tmp_path, monkeypatch):
    for name, text in (("max", "5000"), ("current", "3000"), ("stat", "anon 9\ninactive_file 500\n")):
        (tmp_path / f"memory.{name}").write_text(text, encoding="utf-8")
    assert memory._of_container(tmp_path) == [2500]
    limit = memory._of_machine()[0] // 2
    monkeypatch.setattr(resource, "getrlimit", lambda name: (limit, limit) if name == resource.RLIMIT_AS else (-1, -1))
    assert 0 <= memory.available_bytes() < limit


def test_an_unreadable_image_leaves_no_trace_in_the_fingerprint(drawn, tmp_path):
    labels, (torn, whole) = torch.arange(N) % 4, (tmp_path / "torn.png", tmp_path / "whole.npy")
    torn.write_bytes(b"no image")
    decode_into(whole, drawn[:5] + drawn[6:], torch.cat([labels[:5], labels[6:]]), SIDE, "sign")
    decode_into(tmp_path / "a.npy", [*drawn[:5], torn, *drawn[6:]], labels, SIDE, "sign", skip_bad=True)
    (images, about), (others, good) = (open_images(path, "sign") for path in (tmp_path / "a.npy", whole))
    assert torch.equal(images, others) and about["fingerprint"] == good["fingerprint"]
    assert [place for place, _ in about["bad"]] == [5] and about["n"] == N - 1
