"""Copies are found, shown side by side and listed; on a planted set recall and precision are measured."""

import csv
import shutil

import pytest
import torch
from PIL import Image

from sslrepro.cli.main import main
from sslrepro.own.duplicates import _pairs, duplicates
from sslrepro.own.fit import fit_folder
from tests.own.conftest import TINY, draw, fill
from tests.own.planted import at_thresholds, by_hash, f1, judged, plant, untrained


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """(images, run) where two images have copies, one of them turned."""
    place = tmp_path_factory.mktemp("copied")
    images = fill(place / "photos")
    shutil.copy(images / "01.png", images / "<i>copy.png")
    draw(5).resize((24, 20)).save(images / "small.png")
    square = draw(60).crop((0, 0, 40, 40))
    square.save(images / "square.png")
    square.transpose(Image.Transpose.ROTATE_90).save(images / "turned.png")
    return images, fit_folder(images, place / "photos.ssl", epochs=1, **TINY)


def names(groups):
    return [[copy.file.name for copy in group] for group in groups]


def test_copies_are_grouped_the_largest_first(copied):
    groups = names(duplicates(copied[1], 0.98))
    assert groups[0] == ["01.png", "<i>copy.png"] and ["05.png", "small.png"] in groups
    assert not any("turned.png" in group for group in groups)
    assert ["square.png", "turned.png"] in [sorted(group) for group in names(duplicates(copied[1], 0.98, turned=True))]


def test_a_block_of_similarities_stays_small_however_many_images(monkeypatch, without_shape_checks):
    x = torch.nn.functional.normalize(torch.randn(60, 3, generator=torch.Generator().manual_seed(0)))
    sizes = []

    class Rows:
        def __len__(self):
            return len(x)

        def __getitem__(self, where):
            sizes.append(len(x[where]))
            return x[where]

    whole = sorted(_pairs(x, x, 0.9))
    monkeypatch.setattr("sslrepro.own.duplicates.AT_ONCE", 7 * 60)
    assert [pair[:2] for pair in sorted(_pairs(Rows(), x, 0.9))] == [pair[:2] for pair in whole] and len(whole) > 9
    assert max(sizes) == 7


def test_images_beside_the_trained_ones_are_looked_at_too(copied, tmp_path):
    draw(9).save(tmp_path / "nine.png")
    groups = names(duplicates(copied[1], 0.9999, [tmp_path, copied[0]]))
    assert ["2023/sea/09.png", str(tmp_path / "nine.png")] in [sorted(group, key=len) for group in groups]


def test_the_page_and_the_list(copied, tmp_path, capsys):
    out = copied[1].folder
    assert main(["duplicates", str(out), "--above", "0.98", "-o", str(tmp_path / "dup.html")]) == 0
    said = capsys.readouterr().out
    page = (tmp_path / "dup.html").read_text(encoding="utf-8")
    n = int(said.split()[0])
    assert page.count("<section>") == n and "&lt;i&gt;copy.png" in page and "<i>copy" not in page
    assert page.count("data:image/jpeg;base64,") == int(said.split()[3]) and "http" not in page
    assert main(["duplicates", str(out), "--above", "0.98", "-o", str(tmp_path / "dup.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "dup.csv").open(encoding="utf-8")))
    assert rows[0] == {"group": "1", "file": "01.png", "width": "48", "height": "40", "similarity": "1.0000"}
    capsys.readouterr()
    assert main(["duplicates", str(out), "--above", "0.9999"]) == 0
    assert capsys.readouterr().out.startswith("01.png  <i>copy.png\n1 groups of 2 images above 0.9999")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--above", "2"], r"above must be in [-1, 1], got 2.0"),
        (["--above", "nan"], r"above must be in [-1, 1], got nan"),
        (["--above", "-1"], "above must be a threshold that few pairs exceed, got -1.0. More than"),
        (["-o", "x.txt"], "ending of the output must be one of .csv, .html"),
        (["nowhere"], "images must be existing files or folders"),
    ],
)
def test_wrong_input_is_one_line(copied, capsys, monkeypatch, words, said):
    monkeypatch.setattr("sslrepro.own.duplicates.MOST", 2)
    assert main(["duplicates", str(copied[1].folder), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_planted_copies_are_found_better_than_by_a_random_encoder(tmp_path):
    """Each encoder at the threshold that is best for it."""
    images = fill(tmp_path / "photos", 60)
    run = fit_folder(images, tmp_path / "x.ssl", epochs=40, side=24, encoder="conv", batch_size=20, say=None)
    sources = [images / name for name in run.files[::5]]
    truth = plant(sources, tmp_path / "planted")
    trained, random = (
        max(at_thresholds(each, tmp_path / "planted", truth).values(), key=f1) for each in (run, untrained(run))
    )
    hashed = judged(by_hash([*sources, *sorted((tmp_path / "planted").iterdir())]), truth)
    assert f1(trained) > f1(random) > 0
    assert trained["recompressed"] == trained["resized"] == hashed["recompressed"] == 1.0
