"""Labels later: scores with intervals; what is too small is left out with a note, and nothing is trained on them."""

import csv
import json

import pytest
import torch

from sslrepro.cli.main import main
from sslrepro.own.fit import fit_folder
from sslrepro.own.labels import scores
from tests.own.conftest import TINY, fill


def test_folders_and_lists_are_scored_and_change_no_weight(photos, tmp_path, capsys):
    for number in range(8, 16):
        (photos / "wood").mkdir(exist_ok=True)
        for path in photos.glob(f"{number:02}.*"):
            path.rename(photos / "wood" / path.name)
    blind = fit_folder(photos, tmp_path / "a.ssl", epochs=1, **TINY)
    out = tmp_path / "b.ssl"
    run = fit_folder(photos, out, epochs=1, labels="folders", **(TINY | {"say": print}))
    said = capsys.readouterr().out
    assert "20 nearest: " in said and "images named rightly; the largest class is" in said and "have no label" in said
    assert run.about["encoder_sha256"] == blind.about["encoder_sha256"]
    kept = json.loads((out / "labels.json").read_text(encoding="utf-8"))
    assert kept["classes"] == ["2023/sea", "wood"] and kept["scores"]["knn"]["n"] == kept["scores"]["linear"]["n"]
    listed = tmp_path / "labels.csv"
    listed.write_text(
        "file,label\n" + "".join(f"{name},{n % 2}\n" for n, name in enumerate(run.files)), encoding="utf-8"
    )
    assert main(["fit", str(photos), "--out", str(out), "--labels", str(listed)]) == 0
    assert "20 nearest: " in capsys.readouterr().out


def test_any_name_can_be_listed(photos, tmp_path, capsys):
    names = {"01.png": "a, b.png", "05.png": "two\nlines.png", "07.png": 'gr\u00f6\u00dfe \u2028 "x".png'}
    for old, new in names.items():
        (photos / old).rename(photos / new)
    run = fit_folder(photos, tmp_path / "a.ssl", epochs=1, **TINY)
    assert set(names.values()) <= set(run.files)
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label"), *((name, n % 2) for n, name in enumerate(run.files))])
    assert main(["fit", str(photos), "--out", str(run.folder), "--labels", str(tmp_path / "labels.csv")]) == 0
    assert "of 24 images named rightly" in capsys.readouterr().out


def test_small_classes_hide_no_score():
    torch.manual_seed(0)
    x = torch.cat([torch.randn(30, 4), torch.randn(30, 4) + 9, torch.randn(3, 4)])
    found, notes = scores(x, 30 * ["a"] + 30 * ["b"] + 3 * ["c"])
    assert found["knn"].n == 60 and found["linear"].share == 1.0 and 0.8 < found["knn"].low < 1
    assert notes == ["left out, fewer than 5 images: c (3)"]
    assert scores(x[:33], 30 * ["a"] + 3 * ["c"]) == (
        {},
        ["left out, fewer than 5 images: c (3)", "fewer than two classes have 5 images: no scores"],
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "labels must be folders, or a csv file"),
        ("name,class\n", "header of .* must be file,label, got 'name,class'"),
        ("file,label\nnowhere.png,a\n", "line 2 of .* must be a file under"),
        ("file,label\n01.png,a\n01.png,b\n", "line 3 of .* must be a file that is listed once"),
        ("file,label\n01.png\n", "line 2 of .* must be a file and its label"),
        ("file,label\n01.png,a\n", r"labels must be of at least two classes, got \['a'\]"),
    ],
)
def test_wrong_labels_are_said_before_anything_is_trained(tmp_path, text, said):
    images = fill(tmp_path / "photos")
    file = tmp_path / "labels.csv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        fit_folder(images, tmp_path / "x.ssl", labels=file, **TINY)
    assert not (tmp_path / "x.ssl").exists()
