"""The map: one page with every image, its neighbours and its name; nothing is fetched."""

import base64
import json
import re
import shutil

import numpy as np
import pytest

from sslrepro.cli.main import main
from sslrepro.own.layouts import LAYOUTS, in_square
from sslrepro.own.map import by_name, library, map_to
from sslrepro.own.run import OwnRun


@pytest.fixture
def quick(monkeypatch):
    """Layouts without the seconds that UMAP takes to compile."""
    monkeypatch.setattr(
        "sslrepro.own.map.LAYOUTS",
        {"one": lambda x, seed: in_square(x.numpy()[:, :2]), "other": lambda x, seed: in_square(x.numpy()[:, 2:4])},
    )


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*)</script>', page).group(1))


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_a_page_holds_everything(trained, quick, tmp_path, capsys):
    shutil.copytree(trained[1], tmp_path / "x.ssl")
    listing = tmp_path / "x.ssl" / "embeddings.csv"
    text = listing.read_text(encoding="utf-8")
    listing.write_text(text.replace("01.png", "</script>é.png"), encoding="utf-8")  # a name that is gone, and HTML
    assert main(["map", str(tmp_path / "x.ssl"), "-o", str(tmp_path / "map.html")]) == 0
    assert re.match(r"24 images, \d\.\d MB -> .*map\.html; 1 files are no longer readable", capsys.readouterr().out)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    data = data_of(page)
    names, near = data["names"], numbers(data["near"], "<i4").reshape(24, 8)
    assert len(names) == 24 and len(data["sheets"]) == 1 and names[0] == "</script>é.png"
    assert all(own not in row and len(set(row)) == 8 for own, row in enumerate(near.tolist()))
    assert {name: len(numbers(at, "<f4")) for name, at in data["layouts"].items()} == {"one": 48, "other": 48}
    own_parts = page
    for script in library():
        assert f"<script>{script}</script>" in page, "Bokeh as it is installed"
        own_parts = own_parts.replace(script, "")
    assert own_parts.count("</script>") == 5 and "<!--" not in own_parts
    assert not re.search(r"(src|href)=\"?http|fetch\(|import\(|XMLHttpRequest", own_parts)


def test_labels_are_a_colouring_of_their_own(trained, quick, tmp_path):
    names = OwnRun(trained[1]).files
    lines = [f"{name},{'sea' if place % 3 else 'dog'}\n" for place, name in enumerate(names[:-1])]
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(lines), encoding="utf-8")
    page = map_to(trained[1], tmp_path / "map.html", labels=tmp_path / "labels.csv", say=None).read_text("utf-8")
    label = data_of(page)["colourings"]["label"]
    assert label["names"] == ["sea", "dog", "no label"]
    assert numbers(label["of"], "<u2").tolist() == [0 if place % 3 else 1 for place in range(23)] + [2]


def test_labels_may_name_images_that_training_left_out(trained, quick, tmp_path, monkeypatch):
    run = OwnRun(trained[1])
    run.about["images"]["left_out"] = ["broken.jpg"]
    (tmp_path / "labels.csv").write_text(
        f"file,label\nbroken.jpg,sea\n{run.files[0]},dog\n{run.files[1]},sea\n", "utf-8"
    )
    page = map_to(run, tmp_path / "map.html", labels=tmp_path / "labels.csv", say=None).read_text("utf-8")
    assert sorted(data_of(page)["colourings"]["label"]["names"]) == ["dog", "no label", "sea"]


def test_no_more_colours_than_can_be_told_apart():
    of, names = by_name([f"label {place:02}" for place in range(30) for _ in range(31 - place)])
    assert len(names) == 20 and names[0] == "label 00" and names[-1] == "others" and set(of) == set(range(20))


def repeats_and_keeps_neighbours_near(folder, name: str) -> bool:
    run = OwnRun(folder)
    x = run.comparable(run.features)
    first = LAYOUTS[name](x)
    nearest = (x @ x.T).fill_diagonal_(-1).argmax(1).numpy()
    distance = np.linalg.norm(first[:, None] - first[None], axis=2)
    near = distance[np.arange(24), nearest].mean() < 0.7 * distance.mean()
    return near and np.abs(first).max() == 1 and np.array_equal(first, LAYOUTS[name](x))


def test_positions_repeat_and_keep_neighbours_near(trained):
    assert repeats_and_keeps_neighbours_near(trained[1], "t-SNE")


def test_so_does_umap(trained, umap_for_one_thread):
    assert repeats_and_keeps_neighbours_near(trained[1], "UMAP")


def test_without_bokeh_one_line_says_what_to_install(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sslrepro.own.map.SCRIPTS", ("gone.min.js",))
    assert main(["map", str(trained[1]), "-o", str(tmp_path / "map.html")]) == 2
    assert "pip install bokeh" in capsys.readouterr().err and not (tmp_path / "map.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "map.png"], "out must be a .html file in an existing folder"),
        (["-o", "no/map.html"], "out must be a .html file in an existing folder"),
        (["-o", "map.html", "--labels", "no.csv"], "map: labels must be folders, or a csv file"),
    ],
)
def test_wrong_input_is_one_line(trained, capsys, words, said):
    assert main(["map", str(trained[1]), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
