"""IFND's levels of WordNet: the committed numbers are those of the tree, and what the page says follows from them."""

import csv
import importlib.util
from pathlib import Path

import pytest

from benchmarks.wordnet_levels import OUT, levels

ROOT = Path(__file__).parent.parent.parent
TREE = ROOT.parent / "shared" / "data" / "trees" / "imagenet.csv"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("wordnet_levels", ROOT / "book" / "_ext" / "wordnet_levels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_tree_is_counted():
    tree = [{"class": name, "depth3": f"n0 {up}"} for name, up in zip("abcd", ("x", "x", "x", "y"), strict=True)]
    coarse, leaves = levels(tree)
    assert (coarse["categories"], coarse["largest"], coarse["classes_in_largest"]) == (2, "x", 3)
    assert coarse["same_category"] == (9 + 1) / 16 and leaves["same_category"] == 4 / 16 and leaves["largest"] == ""


@pytest.mark.skipif(not TREE.exists(), reason="the tree is not beside the project")
def test_the_committed_numbers_are_those_of_the_tree():
    with TREE.open(encoding="utf-8", newline="") as file:
        lines = levels(list(csv.DictReader(file)))
    with OUT.open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [{name: str(value) for name, value in line.items()} for line in lines]


def test_all_five_levels_have_as_many_categories_as_the_paper_prints(page):
    assert [level.categories for level in page.levels()] == [9, 36, 206, 486, 1000]
    assert all(0 < level.same <= level.constant for level in page.levels())


def test_another_number_of_categories_is_not_shown(page, monkeypatch, tmp_path):
    other = tmp_path / "levels.csv"
    other.write_text(OUT.read_text("utf-8").replace("5,36,", "5,37,"), "utf-8")
    monkeypatch.setattr(page, "FILE", other)
    with pytest.raises(ValueError, match="depth 5 must have 36 categories"):
        page.levels()


def test_who_is_below_a_constant_answer_follows_from_the_numbers(page, monkeypatch):
    assert "In the paper SimCLR is below that, and the best is 1.5 points above it." in page.words()
    first, *_, last = page.levels()
    for n, said in ((500, ""), (960, "SimCLR and IFND are below that"), (970, "and the best is below it too")):
        level = page.Level(3, 9, "whole", n, 1000, 30.0, first.printed)
        monkeypatch.setattr(page, "levels", lambda level=level: [level, last])
        assert f"right for {n / 10:.1f}% of the images" in page.words()
        assert said in page.words() if said else "below" not in page.words()
