"""Any tree of images is read: what is in it is said, and what cannot be read named."""

import json
import os
import subprocess
import sys
import tracemalloc

import pytest
import torch
from PIL import Image

from sslrepro.data.decode import decode
from sslrepro.own.images import pixels, survey
from tests.own.conftest import draw


def test_a_tree_without_classes_is_read_and_junk_passed_over(photos):
    for junk in ("__MACOSX/a.jpg", "@eaDir/a.jpg", ".ipynb_checkpoints/a.jpg", "2023/._x.png", "Thumbs.db"):
        (photos / junk).parent.mkdir(parents=True, exist_ok=True)
        draw(0).save(photos / junk, "png")
    (photos / "notes.txt").write_text("no image", encoding="utf-8")
    seen = survey(photos)
    assert len(seen) == 24 and seen.files[0].name == "01.png"
    assert seen.words == "24 images (12 jpeg, 12 png), 40 px"
    seen, data = pixels(seen, 16)
    assert data.images.shape == (24, 3, 16, 16) and set(data.labels.tolist()) == {0}
    for row, file in enumerate(seen.files):
        assert torch.equal(data.images[row], decode(file.path, 16))


def test_a_photo_on_its_side_is_turned_and_counted(photos):
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(99).save(photos / "99.jpg", exif=exif)
    seen = survey(photos)
    turned = next(file for file in seen.files if file.name == "99.jpg")
    assert (turned.width, turned.height, turned.turned) == (40, 48, True)
    assert "1 turned by EXIF" in seen.words


def test_the_middle_of_long_images_is_said(photos):
    Image.new("RGB", (20, 90)).save(photos / "tower.png")
    assert "1 longer than 2:1, of which the middle is seen" in survey(photos).words


def test_unreadable_files_are_named_or_left_out_and_listed(photos):
    (photos / "broken.jpg").write_bytes(b"no image at all")
    whole = (photos / "01.png").read_bytes()
    (photos / "torn.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read .* --skip-bad"):
        survey(photos)
    seen = survey(photos, skip_bad=True)
    (photos / "broken.jpg").unlink()
    with pytest.raises(ValueError, match=r"torn\.png cannot be read .* --skip-bad"):
        pixels(survey(photos), 16)
    kept, data = pixels(seen, 16, skip_bad=True)
    assert len(kept) == len(data) == 24 and [name for name, _ in kept.bad] == ["broken.jpg", "torn.png"]
    assert "2 unreadable, left out" in kept.words


def test_pixels_are_decoded_once_and_again_where_files_changed(photos, monkeypatch):
    told = []
    first = pixels(survey(photos), 16, progress=lambda done, n: told.append(done))[1]
    again = pixels(survey(photos), 16, progress=lambda done, n: told.append(done))[1]
    assert told == list(range(1, 25)) and torch.equal(first.images, again.images)
    assert first.fingerprint == again.fingerprint
    draw(77).save(photos / "01.png")
    assert pixels(survey(photos), 16)[1].fingerprint != first.fingerprint


def test_damaged_cached_pixels_are_decoded_again(photos, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLREPRO_CACHE", str(tmp_path / "cache"))
    whole = pixels(survey(photos), 16)[1].images.clone()
    (store,) = (tmp_path / "cache").glob("own-*.npy")
    content = bytearray(store.read_bytes())
    content[-5] ^= 255
    store.write_bytes(content)
    assert torch.equal(pixels(survey(photos), 16)[1].images, whole)
    about = json.loads(store.with_suffix(".json").read_text(encoding="utf-8"))
    store.with_suffix(".json").write_text(json.dumps(about | {"n": "x"}), encoding="utf-8")
    assert torch.equal(pixels(survey(photos), 16)[1].images, whole)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda place: place / "nowhere", "folder must be an existing folder of images, got"),
        (lambda place: place, r"one that holds images \(.jpg .* got '2 .heic'"),
    ],
)
def test_what_is_no_folder_of_images_is_said(tmp_path, make, said):
    (tmp_path / "a.heic").write_text("x", encoding="utf-8")
    (tmp_path / "b.heic").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        survey(make(tmp_path))


def test_home_is_expanded(photos, monkeypatch):
    monkeypatch.setenv("HOME", str(photos.parent))
    assert len(survey("~/photos")) == 24


def test_names_are_utf8_in_a_locale_that_is_not(photos, tmp_path):
    (photos / "01.png").rename(photos / "gr\u00f6\u00dfe.png")
    words = ["--side", "16", "--encoder", "conv-tiny", "--batch-size", "8", "--epochs", "1", "--out", "x.ssl"]
    script = f"""
from sslrepro.cli.main import main
assert main(["fit", {str(photos)!r}, *{words!r}]) == 0
assert main(["embed", "x.ssl", {str(photos)!r}, "-o", "x.csv"]) == 0
assert main(["near", "x.ssl", "2023/sea/00.jpg", "-k", "23"]) == 0
assert main(["duplicates", "x.ssl", "--above", "0.5", "--turned", "-o", "x.html"]) == 0"""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | plain, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfe.png" in done.stdout
    listed = (tmp_path / "x.ssl" / "embeddings.csv").read_text(encoding="utf-8")
    assert "gr\u00f6\u00dfe.png,48,40" in listed
    assert "/gr\u00f6\u00dfe.png" in (tmp_path / "x.csv").read_text(encoding="utf-8")


def test_files_come_folder_by_folder_as_paths_are_sorted(photos):
    for name in ("a-b/1.png", "a/2.png", "a/b/3.png", "a.c/4.PNG", "a/b.png", ".hidden/5.png", "a/.6.png"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        draw(0).save(photos / name, "png")
    names = [file.name for file in survey(photos).files]
    assert names == [path.relative_to(photos).as_posix() for path in sorted(map(photos.joinpath, names))]
    assert [name for name in names if name.startswith("a")] == [
        "a/2.png", "a/b/3.png", "a/b.png", "a-b/1.png", "a.c/4.PNG",
    ]  # fmt: skip
    linked = photos / "linked"
    linked.symlink_to(photos / "a", target_is_directory=True)
    assert [file.name for file in survey(photos).files] == names


def test_a_file_takes_little_memory_before_it_is_decoded(photos):
    """Less than 300 bytes for a file and 500 while they are listed: 98,000 photos took 50 MiB as paths."""
    n = 2_000
    for number in range(n - len(survey(photos))):
        os.link(photos / "01.png", photos / f"photo-{number:06}.png")
    tracemalloc.start()
    try:
        seen = survey(photos)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen) == n and kept < 300 * n and most < 500 * n
    assert seen.files[-1].path == photos / f"photo-{n - 25:06}.png"
