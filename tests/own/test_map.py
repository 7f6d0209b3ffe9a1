"""The map: one page with every image, its neighbours and its name; nothing is fetched."""

import json
import re
import shutil

import numpy as np
import pytest

from sslrepro.cli.main import main
from sslrepro.own.map import positions
from sslrepro.own.run import OwnRun


def data_of(page: str) -> dict:
    return json.loads(re.search(r"^const D = (.*);$", page, re.M).group(1))


def test_a_page_holds_everything(trained, tmp_path, capsys):
    shutil.copytree(trained[1], tmp_path / "x.ssl")
    listing = tmp_path / "x.ssl" / "embeddings.csv"
    text = listing.read_text(encoding="utf-8")
    listing.write_text(text.replace("01.png", "</script>é.png"), encoding="utf-8")  # a name that is gone, and HTML
    assert main(["map", str(tmp_path / "x.ssl"), "-o", str(tmp_path / "map.html")]) == 0
    assert re.match(r"24 images, 0\.\d MB -> .*map\.html; 1 files are no longer readable", capsys.readouterr().out)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    data = data_of(page)
    assert len(data["names"]) == len(data["at"]) == len(data["near"]) == 24 and len(data["sheets"]) == 1
    assert data["names"][0] == "</script>é.png" and page.count("</script>") == 1
    assert all(own not in near and len(near) == 8 for own, near in enumerate(data["near"]))
    assert not re.search(r"(src|href)=\"?http|fetch\(|import\(", page)


def test_positions_repeat_and_keep_neighbours_near(trained):
    run = OwnRun(trained[1])
    first = positions(run)
    assert np.array_equal(first, positions(run)) and np.abs(first).max() == 1
    x = run.comparable(run.features)
    nearest = (x @ x.T).fill_diagonal_(-1).argmax(1).numpy()
    distance = np.linalg.norm(first[:, None] - first[None], axis=2)
    assert distance[np.arange(24), nearest].mean() < 0.7 * distance.mean()


@pytest.mark.parametrize(("words", "said"), [
    (["-o", "map.png"], "out must be a .html file in an existing folder"),
    (["-o", "no/map.html"], "out must be a .html file in an existing folder"),
])  # fmt: skip
def test_wrong_input_is_one_line(trained, capsys, words, said):
    assert main(["map", str(trained[1]), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
