"""Snapshots, maps and the player: watching changes nothing, points move and do not jump, pages stand alone."""

import functools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sslrepro import evaluate, papers
from sslrepro.base.store import read_lines
from sslrepro.data import load
from sslrepro.embeddings import evolution, maps, pictures, player, score_names, snapshots
from sslrepro.embeddings.maps import Atlas, align, layouts, movement, trust
from sslrepro.embeddings.player import Panel
from sslrepro.study.profiles import on_dataset, profile
from sslrepro.training.checkpoint import header
from sslrepro.training.loop import train
from tests.conftest import tiny

PROTOCOLS = {"knn": evaluate.protocol("knn")}


class Stopped(Exception):
    pass


def config_of(method: str = "ifnd", epochs: int = 4):
    return tiny(method, epochs=epochs)


def files(config, runs: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(snapshots.folder_of(config, runs).glob("step-*.npz"))}


def log(folder: Path) -> list[dict]:
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in read_lines(folder / "log.jsonl")]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """(configuration, runs, snapshots) of a run that was watched from its first step to its end."""
    runs = tmp_path_factory.mktemp("watched")
    return config_of(), runs, snapshots.along(config_of(), runs, PROTOCOLS)


@pytest.fixture(scope="module")
def drawn(watched) -> Atlas:
    config, runs, frames = watched
    return maps.draw_atlas(config, frames, snapshots.folder_of(config, runs), load(config.data)[0], ("tsne",))


@pytest.fixture(scope="module")
def nnclr(tmp_path_factory) -> Atlas:
    config, runs = config_of("nnclr", 2), tmp_path_factory.mktemp("nnclr")
    frames = snapshots.along(config, runs, PROTOCOLS)
    return maps.draw_atlas(config, frames, snapshots.folder_of(config, runs), load(config.data)[0], ("tsne",))


# --- watching ---------------------------------------------------------------------------------------------------


def test_watching_changes_neither_weights_nor_log(watched, tmp_path):
    config, runs, frames = watched
    alone = train(config, tmp_path, load(config.data)[0])
    assert evaluate.digest(alone) == frames[-1].weights
    assert log(tmp_path) == log(snapshots.folder_of(config, runs))


def test_a_snapshot_has_the_weights_that_the_next_step_starts_from(watched, tmp_path):
    config, _, frames = watched
    seen = {}
    train(
        config, tmp_path, load(config.data)[0], watch=lambda step, method: seen.update({step: evaluate.digest(method)})
    )
    assert sorted(seen) == list(range(40)), "the end is what is returned"
    assert [frame.step for frame in frames] == [0, 10, 20, 30, 40]
    assert [frame.epoch for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.weights for frame in frames[:-1]] == [seen[step] for step in (0, 10, 20, 30)]
    assert len({frame.weights for frame in frames}) == 5


@pytest.mark.parametrize("stop", [12, 21, 39])  # checkpoints at 7, 14, 35: the first two come before a snapshot
def test_a_resumed_run_neither_loses_nor_repeats_a_snapshot(stop, watched, tmp_path, monkeypatch):
    config, runs, _ = watched
    monkeypatch.setattr(snapshots, "train", functools.partial(train, log_every=7, checkpoint_seconds=0))

    def report(step, steps):
        if step == stop:
            raise Stopped

    with pytest.raises(Stopped):
        snapshots.along(config, tmp_path, PROTOCOLS, report=report)
    first = {path: path.stat().st_mtime_ns for path in snapshots.folder_of(config, tmp_path).glob("step-*.npz")}
    at = int(header(snapshots.folder_of(config, tmp_path) / "checkpoint.safetensors")["step"])
    assert 0 < at < 40 and len(first) == len([step for step in (0, 10, 20, 30) if step < stop])
    steps = []
    snapshots.along(config, tmp_path, PROTOCOLS, report=lambda step, _: steps.append(step))
    assert steps == list(range(at + 1, 41)), "it goes on from the checkpoint"
    assert files(config, tmp_path) == files(config, runs)
    assert all(path.stat().st_mtime_ns == when for path, when in first.items())


def test_a_snapshot_that_was_lost_is_taken_anew(watched, tmp_path):
    config, runs, frames = watched
    snapshots.along(config, tmp_path, PROTOCOLS)
    for step in (10, 40):  # one that the run has passed, and its end
        next(snapshots.folder_of(config, tmp_path).glob(f"step-{step:07d}-*")).unlink()
        again = snapshots.along(config, tmp_path, PROTOCOLS)
        assert [frame.weights for frame in again] == [frame.weights for frame in frames]
        assert files(config, tmp_path) == files(config, runs)


def test_stored_snapshots_train_nothing(watched):
    config, runs, frames = watched

    def report(step, steps):
        raise AssertionError("a step was taken")

    again = snapshots.along(config, runs, PROTOCOLS, report=report)
    assert [frame.pack() for frame in again] == [frame.pack() for frame in frames]


def test_what_cannot_be_watched_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "world_size", lambda: 2)
    with pytest.raises(ValueError, match=r"snapshots: processes must be 1, got 2"):
        snapshots.along(config_of(), tmp_path, PROTOCOLS)
    with pytest.raises(ValueError, match=r"snapshots: plan.epochs must be >= 1, got 0"):
        snapshots.at_steps(0, 10)


def test_snapshots_are_spread_over_the_run():
    assert snapshots.at_steps(8, 192) == [192 * epoch for epoch in range(9)]
    assert snapshots.at_steps(3, 5) == [0, 5, 10, 15]
    assert [step // 7 for step in snapshots.at_steps(200, 7)] == [0, 25, 50, 75, 100, 125, 150, 175, 200]


# --- what is measured -------------------------------------------------------------------------------------------


def test_a_snapshot_holds_what_the_method_made_up(watched):
    config, _, frames = watched
    data = load(config.data)[0]
    assert (frames[0].groups["pseudo"] == -1).all() and "precision" not in frames[0].scores
    accepted = [frame.scores["accepted"] for frame in frames]
    assert accepted == [0, 0.25, 0.5, 0.75, 0.75], "labels the next epoch trains with"
    late = frames[-1]
    assert np.array_equal(late.groups["class"], data.labels[late.shown]) and late.shown.shape == (160,)
    assert late.scores["accepted"] == pytest.approx((late.groups["pseudo"] >= 0).mean()) == 0.75
    assert late.features.dtype == np.float16 and late.near["class"].shape == (4, 5)


def test_groups_take_the_number_of_the_class_they_match():
    label = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    group = torch.tensor([7, 7, 3, 3, 3, -4, 9, -7])
    assert snapshots.match_to_classes(group, label).tolist() == [0, 0, 1, 1, 1, -1, 2, -1]
    many = snapshots.match_to_classes(torch.arange(8), label)
    assert sorted(many.tolist()) == list(range(8)), "three are matched, five come after"
    assert snapshots.match_to_classes(torch.full((8,), -1), label).tolist() == [-1] * 8


def test_clusterings_are_measured_as_defined():
    g = torch.Generator().manual_seed(0)
    label = torch.arange(3).repeat_interleave(20)
    points = torch.eye(3)[label]
    assert snapshots.cluster_scores(points, label, 3, seeds=1)[1]["concentration"] == pytest.approx(1.0)
    x = points + 0.7 * torch.randn(60, 3, generator=g)
    cluster, scores = snapshots.cluster_scores(x, label, 3, seeds=1)
    table = np.array([[((label == a) & (cluster == b)).sum().item() for b in range(3)] for a in range(3)]) / 60
    rows, columns = table.sum(1), table.sum(0)
    mutual = sum(p * np.log(p / (rows[a] * columns[b])) for (a, b), p in np.ndenumerate(table) if p)
    entropy = [-sum(p * np.log(p) for p in marginal if p) for marginal in (rows, columns)]
    assert scores["nmi"] == pytest.approx(mutual / np.sqrt(entropy[0] * entropy[1]))
    assert scores["purity"] == pytest.approx(table.max(0).sum())
    within = sum(float((x[cluster == b] - x[cluster == b].mean(0)).square().sum()) for b in range(3))
    assert scores["concentration"] == pytest.approx(1 - within / float((x - x.mean(0)).square().sum()), abs=1e-5)


def test_centroids_are_found_among_the_shown():
    g = torch.Generator().manual_seed(1)
    x = torch.nn.functional.normalize(torch.randn(30, 6, generator=g), dim=1)
    group, shown = torch.randint(-1, 2, (30,), generator=g), torch.arange(0, 30, 2)
    nearest = snapshots.near_centroids(x, group, shown, 3)
    for cluster in (0, 1):
        centre = x[group == cluster].mean(0)
        assert nearest[cluster].tolist() == sorted(range(15), key=lambda place: -float(x[shown[place]] @ centre))[:5]
    assert nearest[2].tolist() == [-1] * 5


def test_neighbours_leave_the_query_out_and_name_images(nnclr):
    for name in ("neighbours", "queued"):
        neighbours = getattr(nnclr, name)
        assert neighbours.shape == (3, 4, 5) and not (neighbours == nnclr.queries[None, :, None]).any()
    assert (nnclr.queued[0] == -1).all() and (nnclr.queued[1:] >= 0).any() and (nnclr.neighbours >= 0).all()


# --- maps -------------------------------------------------------------------------------------------------------


def drifting(n: int = 120, frames: int = 4, drift: float = 0.1) -> list[np.ndarray]:
    """Features of six groups in six directions that come further apart: every frame is the last, a little changed."""
    g = np.random.default_rng(0)
    centre = 3 * np.eye(6, 10)[np.arange(n) % 6]
    x, out = g.normal(size=(n, 10)) + centre, []
    for _ in range(frames):
        x = x + drift * centre + 0.15 * g.normal(size=x.shape)
        out.append(x.astype(np.float16))
    return out


def test_tsne_points_move_and_do_not_jump():
    frames = drifting()
    points = layouts(frames, "tsne")
    assert points.shape == (4, 120, 2) and np.array_equal(points, layouts(frames, "tsne"))
    alone = []  # maps that know nothing of each other, but are turned to match
    for frame in frames:
        alone.append(align(layouts([frame, frame], "tsne")[0], alone[-1] if alone else None))
    assert movement(points).mean() < 0.6 * movement(np.stack(alone)).mean()
    assert (movement(layouts([frames[0]] * 3, "tsne")) < 0.1).all(), "where nothing changes nothing moves"
    assert np.sqrt(np.square(points).sum(2).mean(1)) == pytest.approx(1, abs=1e-3)
    assert min(trust(frame, positions) for frame, positions in zip(frames, points, strict=True)) > 0.85


def test_umap_points_move_and_do_not_jump(monkeypatch, umap_for_one_thread):
    frames = drifting(48, 2)
    positions = layouts(frames, "umap")
    assert positions.shape == (2, 48, 2) and np.array_equal(positions, layouts(frames, "umap"))
    monkeypatch.setattr(maps, "PULL", 0.0)
    assert movement(positions).mean() < 0.6 * movement(layouts(frames, "umap")).mean()


def test_runs_that_start_alike_have_one_first_map():
    frames, other = drifting(), [*drifting()[:1], *drifting(drift=-0.2)[1:]]
    first, second = layouts(frames, "tsne"), layouts(other, "tsne")
    assert np.array_equal(first[0], second[0]) and not np.allclose(first[-1], second[-1])


def test_a_turned_and_mirrored_map_is_turned_back():
    g = np.random.default_rng(2)
    layout = align(g.normal(size=(50, 2)), None)
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])  # a reflection
    assert align(5 * layout @ turn + 3, layout) == pytest.approx(layout)


def test_trustworthiness_sees_a_map_of_something_else():
    flat = np.random.default_rng(3).normal(size=(80, 2))
    sphere = np.concatenate([flat, np.ones((80, 1))], 1)
    assert trust(sphere, flat) > 0.98 > 0.7 > trust(sphere, np.random.default_rng(4).normal(size=(80, 2)))


def test_a_wrong_kind_of_map_is_named():
    with pytest.raises(
        ValueError, match=r"atlas.layouts: kind must be one of tsne, umap, got 'umpa'. Did you mean 'umap'"
    ):
        layouts(drifting(60, 2), "umpa")
    with pytest.raises(ValueError, match=r"atlas.layouts: frames must be at least two snapshots, got 1"):
        layouts(drifting(60, 1), "tsne")


# --- atlases on disk --------------------------------------------------------------------------------------------


def test_an_atlas_comes_back_as_it_was(drawn, tmp_path):
    path = tmp_path / "one.npz"
    maps.write(path, drawn)
    again = maps.read(path)
    assert again.about == drawn.about and again.config == drawn.config
    for name in ("groups", "near", "maps"):
        assert all(np.array_equal(value, getattr(again, name)[key]) for key, value in getattr(drawn, name).items())
    before = path.read_bytes()
    maps.write(path, again)
    assert path.read_bytes() == before


def test_a_damaged_file_is_named(drawn, tmp_path):
    path = tmp_path / "one.npz"
    maps.write(path, drawn)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"one\.npz cannot be read"):
        maps.read(path)


def test_crosses_stand_at_the_median_of_their_nearest(drawn):
    crosses = drawn.centroids("pseudo", "tsne")
    assert np.isnan(crosses[0]).all(), "nothing is accepted before the first clustering"
    (cluster, *_) = np.flatnonzero((drawn.near["pseudo"][-1] >= 0).all(1))
    places = drawn.near["pseudo"][-1][cluster]
    assert crosses[-1][cluster] == pytest.approx(np.median(drawn.maps["tsne"][-1][places], axis=0))


def test_groups_that_come_later_are_nobodys_before(watched, drawn):
    config, runs, frames = watched
    first = replace(frames[0], groups={"class": frames[0].groups["class"]}, near={"class": frames[0].near["class"]})
    late = maps.draw_atlas(config, [first, *frames[1:]], snapshots.folder_of(config, runs), load(config.data)[0], ())
    assert all(np.array_equal(late.groups[name], drawn.groups[name]) for name in ("class", "pseudo"))
    assert (late.groups["cluster"][0] == -1).all() and (late.near["cluster"][0] == -1).all()


def test_an_atlas_of_another_configuration_is_not_taken(monkeypatch, tmp_path, drawn):
    monkeypatch.setattr(maps, "LEDGER", tmp_path)
    base = profile("smoke")
    path = maps.path_of("ifnd", base, 0)
    assert path == tmp_path / "smoke" / "figures" / "ifnd-s0.npz" and maps.committed_atlas("ifnd", base, 0) is None
    maps.write(path, drawn)  # another run's
    assert maps.committed_atlas("ifnd", base, 0) is None
    ours = drawn.about | {"config": json.loads(json.dumps(_record(maps.config_of("ifnd", base, 0))))}
    maps.write(path, replace(drawn, about=ours))
    assert maps.committed_atlas("ifnd", base, 0) is not None
    maps.write(path, replace(drawn, about=ours | {"version": 0}))
    assert maps.committed_atlas("ifnd", base, 0) is None


def _record(config):
    from dataclasses import asdict

    return asdict(config)


COMMITTED = [path for path in sorted(maps.LEDGER.glob("*/figures/*.npz")) if path.parts[-3] != "smoke"]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_committed_atlases_are_of_today_and_end_as_the_ledger_does(path):
    name, _, dataset = path.parts[-3].partition("-")
    arm, _, seed = path.stem.rpartition("-s")
    atlas = maps.committed_atlas(arm, on_dataset(profile(name), dataset or None), int(seed))
    assert atlas is not None and path.stat().st_size < 300_000
    beside = path.parent.parent / f"{atlas.config.name}.json"
    if not beside.exists():
        return
    record = json.loads(beside.read_text("utf-8"))
    # a device's name stands for several processors, which round differently: only one commit's runs are of one machine
    same = all(record["environment"][key] == atlas.about["environment"][key] for key in ("device", "commit"))
    for line in record["results"].values():
        if line["evaluation"] in maps.MEASURED:
            for score, value in line["scores"].items():
                last = atlas.score(score)[-1]
                assert last == value if same else last == pytest.approx(value, abs=0.03), score


# --- the player -------------------------------------------------------------------------------------------------


def large(n: int = 600, frames: int = 9, classes: int = 16) -> Atlas:
    """An atlas of the size of the committed ones, made of noise."""
    g = np.random.default_rng(5)
    groups = {name: g.integers(-1, classes, (frames, n)) for name in ("cluster", "pseudo")}
    groups["class"] = np.tile(np.arange(n) % classes, (frames, 1))
    places = {kind: g.integers(-9000, 9000, (frames, n, 2)) * maps.STEP for kind in maps.MAPS}
    near = {name: g.integers(0, n, (frames, classes, 5)) for name in groups}
    about = {
        "epochs": [float(frame) for frame in range(frames)],
        "scores": {name: [0.5] * frames for name in ("knn_top1", "nmi")},
        "trust": {kind: [0.9] * frames for kind in places},
        "classes": [f"solid </script> {place}" for place in range(classes)],
        "coarse": [place // 4 for place in range(classes)],
    }
    index = np.arange(n)
    mined = np.where(g.random((frames, n, 3, 4)) < 0.5, g.integers(0, n, (frames, n, 3, 4)), -1).astype(np.int16)
    return Atlas(about, index, index[:8], index[:0], index[:0], groups, near, places, mined)


def numbers(field: dict) -> np.ndarray:
    import base64

    return np.frombuffer(base64.b64decode(field["data"]), dtype=f"<i{field['bytes']}")


def test_the_player_is_whole_small_and_offline():
    panels = [Panel(f"run {place}", large()) for place in range(4)]
    text = player.player(panels, "pseudo", "x").html
    assert len(text) < 1_000_000
    assert not re.search(r"(src|href)=.(https?:)?//|@import|url\(|fetch\(|import\(", text)
    assert text.count("</script>") == 2 and "<img" in text and text.count('alt="') == 1
    assert player.strip(panels[:1], "class") == player.strip(panels[:1], "class")


def test_the_page_holds_the_positions(drawn):
    data = player.payload([Panel("one", drawn), Panel("same", drawn, "class")], "pseudo")
    assert len(data["runs"]) == 1 and [panel["run"] for panel in data["panels"]] == [0, 0]
    xy = numbers(data["runs"][0]["maps"]["tsne"]["xy"]).reshape(5, 160, 2)
    assert xy * maps.STEP == pytest.approx(drawn.maps["tsne"])
    assert np.abs(xy).max() < data["reach"]["tsne"]
    assert np.array_equal(numbers(data["runs"][0]["groups"]["pseudo"]).reshape(5, 160), drawn.groups["pseudo"])
    assert np.array_equal(numbers(data["label"]), drawn.label)
    assert (
        data["colours"][0][0] == "pseudo"
        and "class" not in dict(data["colours"])
        and data["maps"] == [["tsne", "t-SNE"]]
    )
    crosses = numbers(data["runs"][0]["maps"]["tsne"]["crosses"]["pseudo"]).reshape(5, 4, 2)
    assert (crosses[0] == -32768).all()
    standing = np.where(crosses[-1] == -32768, np.nan, crosses[-1] * maps.STEP)
    assert standing == pytest.approx(drawn.centroids("pseudo", "tsne")[-1], abs=maps.STEP, nan_ok=True)


def test_classes_are_told_apart_by_colour_and_glyph():
    for coarse in ([place // 4 for place in range(16)], None):
        hues, glyphs = player.looks([str(place) for place in range(16)], coarse)
        for theme in ("light", "dark"):
            assert len(set(zip(player.class_colours(theme, hues, glyphs), glyphs, strict=True))) == 16
    assert player.short(["solid disc", "solid bar"]) == ["disc", "bar"] and player.short(["a b", "c d"]) == [
        "a b",
        "c d",
    ]


def test_panels_of_different_images_are_refused(drawn, nnclr):
    with pytest.raises(ValueError, match="player: panel 'other' must be of the same images and epochs as the first"):
        player.player([Panel("one", drawn), Panel("other", nnclr)], "class", "x")


# --- figures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", evolution.names())
def test_every_figure_is_transcribed_and_made_of_known_parts(name):
    definition = evolution.DEFINITIONS[name]
    transcribed = [line["id"] for line in papers.paper(definition.paper)["figures"]]
    assert (name in transcribed) == (not definition.own) and definition.paper in papers.PAPERS
    assert ("of our own" in str(evolution.question(definition))) == definition.own
    arms = set(definition.arms)
    assert arms <= set(maps.ARMS) and {arm for arm, *_ in definition.panels} in (set(), arms)
    assert bool(definition.panels) + bool(definition.curves) + bool(definition.among) == 1
    assert {colour for _, colour, _ in definition.panels} <= {"", *player.COLOURS}
    assert definition.first in player.COLOURS
    assert {score for _, scores in definition.curves for score in scores} <= {*score_names.SCORES, *score_names.LOGGED}
    for arm in definition.arms:
        assert maps.config_of(arm, profile("smoke")).plan.epochs == 3
        assert maps.config_of(arm, profile("cpu")).plan.epochs == profile("cpu").plan.epochs
    page = Path(__file__).parents[2] / "book" / "figures" / f"{name}.md"
    assert not page.exists() or page.read_text("utf-8").startswith(f"# {definition.title}\n")


def found_of(name: str, **atlases: Atlas) -> evolution.FigureResults:
    return evolution.FigureResults(evolution.DEFINITIONS[name], profile("smoke"), 0, atlases, False)


def test_a_page_is_made_of_its_parts(drawn):
    results = found_of("ifnd_fig3", ifnd=drawn)
    picture = evolution.picture(results)
    assert 'class="evolution"' in picture.html and "IFND" in picture.text
    caption = str(evolution.caption(results))
    assert "160 of the training images" in caption and "Figure 3" in caption
    assert "k-means" in str(evolution.measures(results)) and "--seed 0" in str(evolution.rerun(results))
    lines = evolution.csv(results).splitlines()
    assert lines[0] == "run,epoch,score,value" and f"ifnd,4,nmi,{drawn.score('nmi')[-1]!r}" in lines
    assert "epoch 100" in str(evolution.reading(results.definition)), (
        "what the paper says in numbers, from its transcription"
    )


def test_curves_and_neighbours_are_drawn(nnclr):
    loss = evolution.picture(found_of("nnclr_fig3", nnclr=nnclr))
    assert loss.png.startswith(b"\x89PNG") and "the neighbour is of the same class" in loss.alt
    assert pictures.series(nnclr, "loss")[1] == nnclr.about["log"]["loss"]
    assert pictures.series(nnclr, "knn_top1")[1] == [100 * value for value in nnclr.score("knn_top1")]
    late = evolution.picture(found_of("nnclr_fig7", nnclr=nnclr))
    label = load(nnclr.config.data)[0].labels.numpy()
    share = (label[nnclr.neighbours[-1]] == label[nnclr.queries][:, None]).mean()
    assert f"epoch 2 {100 * share:.0f}% of the class" in late.alt and "4 queries" in late.alt
    assert "epoch 0" not in evolution.picture(found_of("nnclr_fig5", nnclr=nnclr)).alt


def test_a_wrong_figure_is_named():
    with pytest.raises(ValueError, match="Did you mean 'ifnd_fig3'"):
        evolution.figure("ifnd_figure3")
