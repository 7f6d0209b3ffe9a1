"""Mined images in snapshots and in the player: pairs by plain loops, lines to what is shown, files of both forms."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from sslrepro import evaluate
from sslrepro.data import load
from sslrepro.embeddings import evolution, layers, maps, player, score_names, snapshots
from sslrepro.embeddings.player import Panel
from sslrepro.study.profiles import profile
from sslrepro.training.loop import train
from tests.conftest import tiny
from tests.embeddings.test_snapshots_and_maps import numbers

PROTOCOLS = {"knn": evaluate.protocol("knn")}
PAIRS = torch.tensor([[0, 3], [4, 1], [3, 2], [2, 2], [0, 3]])


def seppid(**settings):
    return tiny("seppid", epochs=2, share=1.0, quantile=0.02, **settings)


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """(configuration, runs, snapshots) of a run of SePP-ID."""
    runs = tmp_path_factory.mktemp("paired")
    return seppid(), runs, snapshots.along(seppid(), runs, PROTOCOLS)


@pytest.fixture(scope="module")
def drawn(paired):
    config, runs, frames = paired
    return maps.draw_atlas(config, frames, snapshots.folder_of(config, runs), load(config.data)[0], ("tsne",))


def of_pairs(_, index):
    return [layers.partners(index, PAIRS, 5)]


def test_partners_are_those_of_a_plain_loop_and_never_the_image_itself():
    expected = [
        sorted({b for a, b in [*PAIRS.tolist(), *PAIRS.flip(1).tolist()] if a == i and b != i}) for i in range(5)
    ]
    mask = layers.partners(torch.arange(5), PAIRS, 5)
    assert [row.nonzero()[:, 0].tolist() for row in mask] == expected == [[3], [4], [3], [0, 2], [1]]
    assert layers.partners(torch.tensor([3]), PAIRS, 5).shape == (1, 5)


def test_what_is_mined_is_counted(paired, without_shape_checks):
    config, runs, frames = paired
    data = load(config.data)[0]
    pairs = snapshots.mine_pairs(config, snapshots.folder_of(config, runs), data, None, torch.device("cpu"), None)[0]
    of = layers.miner(None, len(data), pairs)
    right, every = layers.count(of, data, torch.zeros(len(data), 2))
    both = {(a, b) for a, b in [*pairs.tolist(), *pairs.flip(1).tolist()] if a != b}
    assert int(every) == len(both) > 20
    assert int(right) == sum(int(data.labels[a] == data.labels[b]) for a, b in both)
    for frame in frames:
        assert frame.scores["mined"] == len(both) / len(data)
        assert frame.scores["mined_right"] == int(right) / len(both)


def test_scores_tell_layers_apart_and_say_nothing_of_nothing():
    scores = layers.scores(torch.tensor([2, 1]), torch.tensor([4, 0]), 8)
    assert scores == {"mined": 0.5, "mined_1": 0.5, "mined_2": 0.0, "mined_right": 0.75, "mined_right_1": 0.5}
    assert layers.scores(torch.tensor([0]), torch.tensor([0]), 8) == {"mined": 0.0}


def test_lines_go_to_shown_images_that_were_mined():
    shown = torch.tensor([0, 2, 3])
    lines = layers.among_shown(of_pairs, torch.zeros(5, 2), shown)
    assert lines.shape == (3, 1, 3)
    assert [sorted(row[row >= 0].tolist()) for row in lines[:, 0]] == [[2], [2], [0, 1]]


def test_of_many_mined_images_the_same_few_are_kept_and_not_the_first(monkeypatch):
    every = lambda _, index: [torch.ones(len(index), 40, dtype=torch.bool)]  # noqa: E731
    first = layers.among_shown(every, torch.zeros(40, 2), torch.arange(40))
    assert first.shape == (40, 1, layers.KEPT) and (first >= 0).all()
    assert torch.equal(first, layers.among_shown(every, torch.ones(40, 2), torch.arange(40)))
    assert len(set(first.flatten().tolist())) > 30


def test_a_run_on_pairs_is_watched_and_ends_as_it_does_unwatched(paired, tmp_path):
    config, _, frames = paired
    alone = train(config, tmp_path / config.name, load(config.data)[0])
    assert evaluate.digest(alone) == frames[-1].weights
    assert [frame.epoch for frame in frames] == [0, 1, 2]
    assert frames[1].step > len(load(config.data)[0]) // config.plan.batch_size, "pairs are more rows of an epoch"
    assert all(np.array_equal(frame.mined, frames[0].mined) for frame in frames)
    label = frames[0].groups["class"]
    for anchor, _, slot in np.argwhere(frames[0].mined >= 0):
        assert label[frames[0].mined[anchor, 0, slot]] >= 0 and frames[0].mined[anchor, 0, slot] != anchor


def test_images_with_themselves_are_nothing_mined(tmp_path):
    frames = snapshots.along(seppid(control="same"), tmp_path, PROTOCOLS)
    assert frames[-1].scores["mined"] == 0 and "mined_right" not in frames[-1].scores
    assert (frames[-1].mined == -1).all()


def test_a_method_that_mines_nothing_has_no_lines(tmp_path):
    (*_, last) = snapshots.along(tiny("simclr", epochs=2), tmp_path, PROTOCOLS)
    assert last.mined.shape == (160, 0, 0) and "mined" not in last.scores


def test_clusters_too_many_to_be_seen_are_no_colours(tmp_path):
    few = snapshots.along(tiny("la", epochs=2, clusters=8), tmp_path, PROTOCOLS)[-1]
    many = snapshots.along(tiny("la", epochs=2, clusters=40), tmp_path, PROTOCOLS)[-1]
    assert "pseudo" in few.groups and "precision" in few.scores
    assert "pseudo" not in many.groups and "precision" not in many.scores and many.scores["mined"] > 0


def test_an_atlas_keeps_what_was_mined_and_older_files_are_read(drawn, tmp_path):
    path = tmp_path / "one.npz"
    maps.write(path, drawn)
    assert np.array_equal(maps.read(path).mined, drawn.mined) and drawn.mined.shape == (3, 160, 1, 4)
    maps.write(path, replace(drawn, mined=np.empty((3, 160, 0, 0), np.int16)))
    with np.load(path) as file:
        assert "mined" not in file.files  # as files are that were written before
    assert maps.read(path).mined.shape == (3, 160, 0, 0)


def test_a_panel_draws_the_lines_of_the_run_that_it_names(drawn):
    bare = replace(drawn, mined=drawn.mined[:, :, :0])
    panels = [Panel("base", bare, "", drawn), Panel("ours", drawn, "", drawn), Panel("no lines", bare, "", bare)]
    data = player.payload(panels, "class", "all")
    assert [panel["mined"] for panel in data["panels"]] == [0, 0, -1] and len(data["mined"]) == 1
    places = numbers(data["mined"][0]["places"]).reshape(drawn.mined.shape)
    assert np.array_equal(places, drawn.mined) and data["mined"][0]["layers"] == 1
    assert [name for name, _ in data["lines"]] == ["all", "chosen", "none"]
    nothing = player.payload(panels[2:], "class")
    assert nothing["lines"] == nothing["mined"] == []


def test_lines_are_printed_where_all_are_drawn(drawn):
    panels = [Panel("ours", drawn, "", drawn)]
    assert player.strip(panels, "class", "all") != player.strip(panels, "class", "chosen")
    bare = [Panel("ours", drawn)]
    assert player.strip(bare, "class", "all") == player.strip(panels, "class", "chosen")


def test_a_line_there_and_back_is_drawn_once(drawn):
    mined = np.full((1, 3, 1, 4), -1, np.int16)
    mined[0, :, 0, 0] = [2, 0, 0]  # 0 and 2 mined each other, 1 mined 0
    assert player.line_ends(replace(drawn, mined=mined), 0).tolist() == [[0, 1], [0, 2]]
    every = [(anchor, place) for anchor, row in enumerate(drawn.mined[0, :, 0]) for place in row if place >= 0]
    ends = player.line_ends(drawn, 0)
    assert len(ends) == len(set(map(frozenset, every))) < len(every)


def test_lines_of_other_images_and_unknown_lines_are_refused(drawn):
    other = replace(drawn, shown=drawn.shown[::-1])
    with pytest.raises(ValueError, match="player: panel 'ours' must be of the same images and epochs as the first"):
        player.player([Panel("ours", drawn, "", other)], "class", "x")
    with pytest.raises(
        ValueError, match="player: lines must be one of chosen, all, none, got 'al'. Did you mean 'all'"
    ):
        player.player([Panel("ours", drawn, "", drawn)], "class", "x", "al")


def test_a_page_of_our_own_figure_says_so_and_counts_what_is_mined(drawn):
    definition = evolution.DEFINITIONS["seppid_evolution"]
    bare = replace(drawn, mined=drawn.mined[:, :, :0], about=drawn.about | {"scores": {"knn_top1": [0.5] * 3}})
    atlases = {"mocov2": bare, "seppid_same": bare, "seppid": drawn}
    results = evolution.FigureResults(definition, profile("smoke"), 0, atlases, False)
    for text in (evolution.caption(results).text, str(evolution.question(definition))):
        assert "of our own" in text and "Figure" not in text
    assert "SePP-ID: share 1.0, sampler epochs 100, quantile share 0.1" in evolution.caption(results).text
    table = evolution.measures(results).text
    assert score_names.title("mined", profile("smoke")) in table and f"{drawn.score('mined')[-1]:.1f}" in table
    assert "at random 25.0% would be of the class" in table
    assert f"seppid,0,mined_right,{drawn.score('mined_right')[0]!r}" in evolution.csv(results)
    assert [panel["mined"] for panel in player.payload(panels_of(results), "class")["panels"]] == [0, 0, 0]


def panels_of(results):
    borrows = results.definition.borrows
    return [Panel(arm, atlas, "", results.atlases[borrows.get(arm, arm)]) for arm, atlas in results.atlases.items()]


def test_lines_are_borrowed_from_runs_of_the_figure():
    for definition in evolution.DEFINITIONS.values():
        arms = set(definition.arms)
        assert set(itertools.chain(definition.borrows, definition.borrows.values())) <= arms
        assert definition.lines in player.LINES
