"""Class trees of image sets: their files, sets at a level of a tree, and the table over levels on them."""

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sslrepro import claims, methods
from sslrepro.base.store import write_json
from sslrepro.data import folders, load, resolve
from sslrepro.data.dataset import DataConfig
from sslrepro.report.headings import LEFT_OUT, mapped_setting
from sslrepro.report.table_page import caption, table
from sslrepro.study import plans
from sslrepro.study.profiles import on_dataset, profile
from sslrepro.study.results import Results

LEAVES = ("asp", "bat", "cod", "doe", "eel", "fox", "gnu", "hen")
TREE = """class,kingdom,order,family
hen,feathered,birds,fowl
asp,bare,crawlers,snakes
bat,furry,flyers,bats
cod,bare,swimmers,fish
doe,furry,walkers,deer
eel,bare,swimmers,fish
fox,furry,walkers,dogs
gnu,furry,walkers,deer
"""
ORDER = ("birds", "crawlers", "flyers", "swimmers", "walkers")


def without_order(text: str = TREE) -> str:
    return "".join(",".join(line.split(",")[:2]) + "\n" for line in text.splitlines())


@pytest.fixture
def root(tmp_path) -> Path:
    """`zoo`: eight classes of unequal size, every picture one of its kind, with a tree of three coarse levels."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 4), ("test", 2)):
        for place, name in enumerate(LEAVES):
            folder = tmp_path / "zoo" / split / name
            folder.mkdir(parents=True)
            for number in range(n + place % 2):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (tmp_path / "zoo" / "tree.csv").write_text(TREE)
    return tmp_path


def tree(root: Path, text: str, name: str = "tree.csv") -> None:
    (root / "zoo" / name).write_text(text)


def ancestor(leaf: str, level: int) -> str:
    return next(line.split(",")[level] for line in TREE.splitlines() if line.startswith(f"{leaf},"))


# --- sets at a level ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zoo-kingdom", "zoo-order", "zoo-family"])
@pytest.mark.parametrize(("n_train", "side"), [(0, 8), (11, 6)])
def test_a_level_is_the_same_images_with_the_ancestors_labels(root, name, n_train, side):
    config = DataConfig("zoo", n_train=n_train, n_test=10, side=side, seed=3)
    place = TREE.splitlines()[0].split(",").index(name.removeprefix("zoo-"))
    for leaf, coarse in zip(load(config, root), load(replace(config, name=name), root), strict=True):
        assert torch.equal(leaf.images, coarse.images), "chosen by the leaves"
        assert [coarse.class_names[label] for label in coarse.labels] == [
            ancestor(leaf.class_names[label], place) for label in leaf.labels
        ]
        assert torch.equal(coarse.labels, leaf.labels_at(name.removeprefix("zoo-")))
        assert coarse.name == name and coarse.tree == {} and coarse.n_classes == len(set(coarse.class_names))
        assert coarse.fingerprint != leaf.fingerprint
    if n_train:
        sizes = Counter(load(config, root)[0].labels.tolist())
        assert set(sizes.values()) == {1, 2}, "balanced over the leaves"


def test_names_and_sizes_are_read_without_the_images(root, monkeypatch):
    monkeypatch.setattr(folders, "_split", lambda *arguments: pytest.fail("images were read"))
    assert list(folders.levels("zoo", root).items()) == [("kingdom", 3), ("order", 5), ("family", 6), ("leaf", 8)]
    assert folders.level_of("zoo", "order", root).names == ORDER
    assert folders.levels("zoo-order", root) == {}, "no tree of its own"
    tree(
        root,
        "fine,coarse_id,coarse\n" + "".join(f"{leaf},{1 - i % 2},g{1 - i % 2}\n" for i, leaf in enumerate(LEAVES)),
        "fine_to_coarse.csv",
    )
    assert "coarse" not in folders.levels("zoo", root), "tree.csv goes first"
    (root / "zoo" / "tree.csv").unlink()
    assert folders.levels("zoo", root) == {"coarse": 2, "leaf": 8}
    assert folders.level_of("zoo", "coarse", root).names == ("g0", "g1"), "by id, not by their first line"
    (root / "zoo" / "fine_to_coarse.csv").unlink()
    assert folders.levels("zoo", root) == {}


def test_the_fingerprint_tells_the_level_and_the_tree(root):
    leaf, kingdom, order = (
        resolve(DataConfig(name, side=8), root).fingerprint for name in ("zoo", "zoo-kingdom", "zoo-order")
    )
    assert re.fullmatch(rf"{leaf}-kingdom-[0-9a-f]{{8}}-3-of-8", kingdom)
    assert re.fullmatch(rf"{leaf}-order-[0-9a-f]{{8}}-5-of-8", order)
    tree(root, TREE.replace("asp,bare", "asp,feathered"))
    moved = resolve(DataConfig("zoo-kingdom", side=8), root).fingerprint
    assert moved != kingdom and moved.endswith("-3-of-8")
    assert resolve(DataConfig("zoo", side=8), root).fingerprint == leaf, "a tree changes no run on leaves"
    with pytest.raises(ValueError, match="images changed"):
        load(DataConfig("zoo-kingdom", side=8, fingerprint=kingdom), root)


def test_a_folder_of_the_very_name_goes_first(root):
    shutil.copytree(root / "zoo", root / "zoo-order")
    assert folders.set_and_level("zoo-order", root) == ("zoo-order", "leaf")
    assert folders.set_and_level("zoo-order-family", root) == ("zoo-order", "family"), "of the longer name"
    assert load(DataConfig("zoo-order-family", side=8), root)[0].n_classes == 6
    assert load(DataConfig("zoo-order", side=8), root)[0].class_names == LEAVES


def test_a_level_with_a_folders_name_is_refused_where_it_is_planned(root):
    (root / "zoo-order").mkdir()
    with pytest.raises(ValueError, match=r"level of zoo must be no other set's name, got 'zoo-order'\. Rename"):
        folders.levels("zoo", root)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "zoo-ordr",
            r"level of zoo \(there is no folder zoo-ordr\) must be one of kingdom, order, family, got 'ordr'.*'order'",
        ),
        ("zoo-leaf", "one of kingdom, order, family"),
        ("zoos-order", r"set must be a folder or torchvision files .* got 'zoos-order'"),
    ],
)
def test_a_wrong_level_names_those_there_are(root, name, message):
    with pytest.raises(ValueError, match=message):
        load(DataConfig(name, side=8), root)


def test_a_level_of_a_set_without_a_tree_names_the_file(root):
    (root / "zoo" / "tree.csv").unlink()
    with pytest.raises(ValueError, match=r"got 'zoo-order'\. And zoo has no class tree .*zoo/tree\.csv"):
        load(DataConfig("zoo-order", side=8), root)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("gnu,furry,walkers,deer\n", "", r"all listed in tree\.csv, got \['gnu'\]"),
    ("gnu,furry", "cod,furry", r"listed once each, got \['cod'\]"),
    ("class,kingdom,order,family\n", "", "header of .*tree.csv must be class and the levels"),
    ("class,kingdom,order", "class,order,order", "each once"),
    ("kingdom,order,family", "kingdom,leaf,family", "not 'leaf', got 'leaf'"),
    ("kingdom,order,family", "kingdom,a/b,family", "got 'a/b'"),
    ("gnu,furry,walkers,deer", "gnu,furry,walkers", "line 9 of .*tree.csv must be 4 names, got 'gnu,furry,walkers'"),
    ("gnu,furry,walkers,deer", "gnu,furry,,deer", "line 9 of .* must be 4 names"),
    ("gnu,furry,walkers", "gnu,bare,walkers", r"order 'walkers' in .* must be in one kingdom, got \['furry', 'bare'\]"),
    ("gnu,furry,walkers,deer", "gnu,furry,flyers,deer", "family 'deer' in .* must be in one order"),
    ("hen,", "yak,e,e,e\nhen,", r"classes of the set, got \['yak'\]\. Remove"),
])  # fmt: skip
def test_a_tree_that_is_none(root, old, new, message):
    assert old in TREE
    tree(root, TREE.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        folders.read("zoo", root, 8)


def test_a_level_of_one_class_is_refused(root):
    tree(root, "class,all\n" + "".join(f"{leaf},thing\n" for leaf in LEAVES))
    with pytest.raises(ValueError, match=r"all in .* must be at least two classes, got \['thing'\]\. Leave it out"):
        folders.levels("zoo", root)


@pytest.mark.parametrize("names", [("a", "b", "a", "c"), ("a", "a", "a", "a")])
def test_a_coarse_class_has_one_name(root, names):
    (root / "zoo" / "tree.csv").unlink()
    lines = [f"{leaf},{i % 2},{names[i % 4]}\n" for i, leaf in enumerate(LEAVES)]
    tree(root, "fine,coarse_id,coarse\n" + "".join(lines), "fine_to_coarse.csv")
    with pytest.raises(ValueError, match="coarse in .* must be one name for each coarse_id"):
        folders.levels("zoo", root)


def test_torchvisions_files_may_have_a_tree_beside_them(root, monkeypatch):
    plain = folders.read("zoo", root, 8)[0]
    monkeypatch.setitem(folders.TORCHVISION, "zoo", ("Zoo", "zoo-files", {"train": True}, {"train": False}))
    monkeypatch.setattr(folders, "_torchvision", lambda *arguments: replace(plain, tree={}))
    (root / "zoo-files").touch()
    assert folders.read("zoo", root)[0].tree == plain.tree != {}
    assert load(DataConfig("zoo-family"), root)[0].n_classes == 6
    shutil.rmtree(root / "zoo")
    assert folders.read("zoo", root)[0].tree == {} == folders.levels("zoo", root)


def test_blank_lines_and_a_byte_order_mark_are_no_part_of_a_tree(root):
    tree(root, "\ufeff" + TREE.replace("\n", "\n\n").replace(",", " , "))
    assert folders.levels("zoo", root)["order"] == 5


# --- the table over levels ------------------------------------------------------------------------------------------


def test_which_level_stands_for_which_row():
    base = on_dataset(profile("cpu"), "wild")
    some = replace(base, levels={"d3": 9, "d6": 25, "d9": 127, "d12": 300, "d15": 800, "leaf": 1000})
    assert [some.level(n) for n in (4, 16, 48)] == ["d3", "d9", "leaf"], "sqrt(9 * 1000) is 95"
    near = replace(base, levels={"d3": 9, "d6": 50, "d9": 170, "leaf": 1000})
    assert near.level(16) == "d9", "170 is nearer on the log scale, 50 on the plain one"
    same = replace(base, levels={"a": 20, "b": 20, "c": 100, "leaf": 100})
    assert [same.level(n) for n in (4, 16, 48)] == ["a", "", "leaf"], "levels as coarse or fine as another are none"
    none = replace(base, levels={"a": 100, "leaf": 100})
    assert [none.level(n) for n in (4, 16, 48)] == ["", "", ""]


def test_rows_of_a_tree_have_its_images_and_settings(root):
    plan = plans.plan_table("ifnd_granularity", "smoke", 1, "zoo", root)
    rows = {row: tasks[0].config for row, tasks in plan.rows.items()}
    assert [config.data.name for config in rows.values()] == ["zoo-kingdom", "zoo-order", "zoo"] and plan.left_out == {}
    images = [config.data for config in rows.values()]
    assert len({(data.n_train, data.n_test, data.side, data.seed) for data in images}) == 1
    assert len({str(config.settings) for config in rows.values()}) == 1, "clusters are per leaf at every level"
    printed = methods.settings("ifnd").clusters
    assert rows["imagenet_d3"].settings["clusters"] == tuple(round(n * 8 / 1000) for n in printed), "of 8 leaves"
    assert plan.of("imagenet_d3", "supcon")[0].config.data == rows["imagenet_d3"].data
    assert len({data.fingerprint for data in images}) == 3 and rows["imagenet_d9"].data.fingerprint != ""


def test_a_known_set_keeps_its_size_at_every_level():
    gpu = replace(profile("gpu"), levels={"kind": 2, "leaf": 10})
    coarse, leaf = (gpu.at({"classes": n}) for n in (4, 48))
    assert coarse.data.name == "cifar10-kind" and leaf.data == gpu.data
    assert coarse.n_train == leaf.n_train == 50_000 and coarse.classes == leaf.classes == 10
    assert gpu.config("nnclr", 0, {"classes": 4}).settings == gpu.config("nnclr", 0, {"classes": 48}).settings


@pytest.fixture
def short(root) -> Path:
    """`zoo` with one coarse level only."""
    tree(root, without_order())
    return root


def test_without_a_middle_level_its_row_is_left_out_with_the_reason(short, capsys):
    plan = plans.plan_table("ifnd_granularity", "smoke", 1, "zoo", short)
    assert list(plan.rows) == ["imagenet_d3", "imagenet_d18"]
    assert (
        list(plan.left_out) == ["imagenet_d9"] and plans.reason_missing("ifnd_granularity", "smoke", "zoo", short) == ""
    )
    empty = Results(plan, {})
    reason = "the class tree of zoo has no middle level"
    assert mapped_setting(empty, "imagenet_d9") == f"{LEFT_OUT}: {reason}"
    assert [mapped_setting(empty, row) for row in ("imagenet_d3", "imagenet_d18")] == ["classes 3", "classes 8"]
    assert reason in table(empty).text and "zoo, zoo-kingdom" in caption(empty)
    from sslrepro.cli.main import main

    main(["reproduce", "ifnd_granularity", "--profile", "smoke", "--dataset", "zoo", "--root", str(short), "--dry-run"])
    output = capsys.readouterr().out
    assert f"imagenet_d9 left out: {reason}" in output and "ifnd-zoo-kingdom-s0" in output and "zoo-order" not in output


def test_claims_that_need_the_row_are_not_judged(short, monkeypatch):
    plan = plans.plan_table("ifnd_granularity", "smoke", 3, "zoo", short)
    judged = replace(plan, profile=replace(plan.profile, judged=True))
    results = Results(judged, {})
    cells = {
        (plan.definition.id, row, column): claims.Cell(value, 0.1, 3)
        for row, value in (("imagenet_d3", 90.0), ("imagenet_d18", 50.0))
        for column in plan.definition.columns
    }
    monkeypatch.setattr(Results, "cells", lambda self: cells)
    monkeypatch.setattr(Results, "elsewhere", [])
    verdicts = {verdict.claim: verdict for verdict in results.verdicts()}
    for claim in plan.definition.adapted:
        assert verdicts[claim].verdict == "not judged" and "imagenet_d9" in verdicts[claim].reason


def test_without_a_tree_there_is_one_clear_error(root):
    (root / "zoo" / "tree.csv").unlink()
    message = r"the images of smoke-zoo are zoo, for which no class tree is known: .*<root>/zoo/tree\.csv"
    with pytest.raises(ValueError, match=message):
        plans.plan_table("ifnd_granularity", "smoke", 1, "zoo", root)
    assert re.search(message, plans.reason_missing("ifnd_granularity", "smoke", "zoo", root))
    with pytest.raises(ValueError, match="set must be a folder or torchvision files"):
        plans.plan_table("ifnd_granularity", "smoke", 1, "zooo", root)


def test_a_ledger_made_on_a_tree_is_found_without_the_images(root, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    plan = plans.plan_table("ifnd_granularity", "smoke", 1, "zoo", root)
    write_json(plan.ledger / "data.json", {run.data.name: run.data.fingerprint for run in plan.runs})
    again = plans.plan_table("ifnd_granularity", "smoke", 1, "zoo")
    assert [run.name for run in again.runs] == [run.name for run in plan.runs]
    assert again.profile.levels == {"kingdom": 3, "order": 5, "leaf": 8}
    write_json(plan.ledger / "data.json", {"zoo": "0" * 16})
    with pytest.raises(ValueError, match="no class tree is known"):
        plans.plan_table("ifnd_granularity", "smoke", 1, "zoo")
