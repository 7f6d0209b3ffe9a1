"""Features of new images by file name, and the images most alike one."""

import csv
import shutil

import numpy as np
import pytest
import torch

from sslrepro.cli.main import main
from sslrepro.own.run import OwnRun
from tests.own.conftest import draw


def test_features_are_written_as_csv_and_npy(trained, tmp_path, capsys):
    images, out = trained
    new = tmp_path / "néw, photos"
    new.mkdir()
    draw(50).save(new / "=a, b.png")
    draw(51).save(new / "b.jpg")
    assert main(["embed", str(out), str(new), str(images / "01.png"), "-o", str(tmp_path / "emb.csv")]) == 0
    assert "3 images, 32 features" in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "emb.csv").open(encoding="utf-8")))
    assert rows[0][:4] == ["file", "width", "height", "f0"] and rows[1][:3] == [str(new / "=a, b.png"), "48", "40"]
    x = torch.tensor([[float(v) for v in row[3:]] for row in rows[1:]])
    run = OwnRun(out)
    assert torch.equal(x, run.embed([new / "=a, b.png", new / "b.jpg", images / "01.png"]))
    assert main(["embed", str(out), str(new), "-o", str(tmp_path / "emb.npy")]) == 0
    assert np.array_equal(np.load(tmp_path / "emb.npy"), x[:2].numpy())
    assert (tmp_path / "emb.files.csv").read_text(encoding="utf-8").startswith("file,width,height\n")


def test_parquet_needs_pyarrow_or_says_so(trained, tmp_path, capsys):
    images, out = trained
    words = ["embed", str(out), str(images / "01.png"), "-o", str(tmp_path / "emb.parquet")]
    try:
        import pyarrow.parquet
    except ImportError:
        assert main(words) == 2
        assert ".parquet needs pyarrow, which is not installed. `pip install pyarrow`" in capsys.readouterr().err
        return
    assert main(words) == 0
    table = pyarrow.parquet.read_table(tmp_path / "emb.parquet")
    assert table.column_names == ["file", "width", "height", "features"]


def test_a_training_image_is_known_by_its_name(trained, tmp_path, monkeypatch, capsys):
    images, out = trained
    monkeypatch.chdir(tmp_path)
    answers = []
    for image in ("2023/sea/00.jpg", str(images / "2023" / "sea" / "00.jpg")):
        assert main(["near", str(out), image, "-k", "3"]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1] and "00.jpg" not in answers[0]


def test_only_commands_that_leave_files_out_offer_it(trained, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"no image")
    for words, offered in (
        (["near"], False),
        (["duplicates"], False),
        (["embed", "-o", str(tmp_path / "x.csv")], True),
    ):
        assert main([words[0], str(trained[1]), str(tmp_path / "bad.png"), *words[1:]]) == 2
        said = capsys.readouterr().err
        assert "cannot be read" in said and ("--skip-bad" in said) == offered, said


def test_near_lists_others_and_a_copy_first(trained, tmp_path, capsys):
    images, out = trained
    shutil.copy(images / "01.png", tmp_path / "copy.png")
    assert main(["near", str(out), str(tmp_path / "copy.png"), "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].split() == ["1.000", "01.png"]
    assert main(["near", str(out), str(images / "01.png"), "-k", "23"]) == 0
    others = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert len(set(others)) == 23 and "01.png" not in others


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["near", "{run}", "{images}/01.png", "-k", "24"], "k must be 1..23"),
        (["near", "{run}", "{images}/nowhere.png"], "image must be an existing file"),
        (["near", "{images}", "{images}/01.png"], "run must be a folder that `sslrepro fit` has finished"),
        (
            ["embed", "{run}", "{images}", "-o", "{tmp}/emb.txt"],
            "ending of the output must be one of .csv, .npy, .parquet",
        ),
        (["embed", "{run}", "{images}", "-o", "{tmp}/no/emb.csv"], "out must be a file in an existing folder"),
        (["embed", "{run}", "{images}/nowhere", "-o", "{tmp}/emb.csv"], "images must be existing files or folders"),
        (["embed", "{run}", "{tmp}", "-o", "{tmp}/emb.csv"], "one that holds images"),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(trained, tmp_path, capsys, words, said):
    places = {"images": trained[0], "run": trained[1], "tmp": tmp_path}
    assert main([word.format(**places) for word in words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_an_encoder_that_is_not_the_models_is_refused(trained, tmp_path):
    shutil.copytree(trained[1], tmp_path / "x.ssl")
    content = bytearray((tmp_path / "x.ssl" / "encoder.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "x.ssl" / "encoder.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"must be the file that model\.json was written with"):
        _ = OwnRun(tmp_path / "x.ssl").encoder
