"""Every method, by discovery, through the loop: on each kind of image set, at every scale that is planned."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from sslrepro import methods
from sslrepro.data import load
from sslrepro.data.dataset import DataConfig
from sslrepro.parts.encoders import ENCODERS, require_side
from sslrepro.study.profiles import PROFILES, on_dataset, profile
from sslrepro.training.loop import initial_method, train
from tests.conftest import small, tiny

NAMES = methods.names()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of 60 images in three classes, as a user would bring it."""
    place = tmp_path_factory.mktemp("root")
    draw = np.random.default_rng(0)
    for split, n in (("train", 16), ("test", 4)):
        for label, name in enumerate(("beach", "forest", "street")):
            folder = place / "holiday" / split / name
            folder.mkdir(parents=True)
            for number in range(n):
                pixels = draw.integers(0, 120, (12, 12, 3)) + 60 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return place


@pytest.mark.parametrize("kind", ["digits", "shapes", "holiday"])
@pytest.mark.parametrize("name", NAMES)
def test_trains_on_every_kind_of_images(name, kind, root, tmp_path):
    """Two epochs with the settings the command line would take; the weights move and stay finite."""
    base = on_dataset(profile("smoke"), kind)
    n = 0 if kind == "holiday" else 96
    base = replace(base, data=replace(base.data, n_train=n, side=8), plan=replace(base.plan, epochs=2, batch_size=16))
    images, _ = load(base.data, root)
    base = replace(base, n_images=len(images), n_classes=images.n_classes)
    config = base.config(name, 0)
    method = train(config, tmp_path / "run", images)
    start = initial_method(config, len(images)).encoder.state_dict()
    end = method.encoder.state_dict()
    assert all(t.isfinite().all() for t in end.values())
    assert not torch.equal(start["layers.0.weight"], end["layers.0.weight"])


@pytest.mark.parametrize("scale", sorted(PROFILES))
@pytest.mark.parametrize("name", NAMES)
def test_settings_map_to_every_scale(name, scale):
    """A run's settings resolve; at small scale nothing is as large as the image set."""
    base = profile(scale)
    config = base.config(name, 0)
    assert config.identity == base.config(name, 0).identity
    if scale == "paper":
        assert config.settings == replace(config, settings={}).settings, "the paper's own"
        return
    for key in ("queue_size", "n_nearest", "n_negatives", "negatives"):
        assert config.settings.get(key, 0) <= base.n_train * base.queue_share
    clusters = config.settings.get("clusters", ())
    for k in clusters if isinstance(clusters, (list, tuple)) else (clusters,):
        assert 2 <= k <= base.n_train // 4
    if name == "ifnd" and scale == "gpu":
        assert tuple(clusters) == (10, 30, 100), "the paper's numbers on CIFAR-10"


@pytest.mark.parametrize(
    ("scale", "step_at", "clusters"),
    [
        ("smoke", 1.0, (16, 48, 208 // 4)),
        ("cpu", 0.25, (16, 400, 1152)),
        ("gpu", 0.1, (10, 250, 1000)),
        ("paper", 0.1, (1000, 25_000, 100_000)),
    ],
)
def test_steps_and_clusters_that_a_table_sets_are_mapped(scale, step_at, clusters):
    """As many clusters per class; a step after the epoch from which labels are accepted in the constant row."""
    sets = {"acceptance": "step", "step_at": 0.1, "clusters": (1000, 25_000, 100_000)}
    if scale == "smoke":
        sets["clusters"] = (1000, 3000, 100_000)
    settings = profile(scale).config("ifnd", 0, sets).settings
    assert (settings["step_at"], tuple(settings["clusters"])) == (step_at, clusters)
    assert profile(scale).config("ifnd", 0).settings["step_at"] == 0.1, "runs that no table sets keep their names"


def test_too_few_classes_are_one_clear_error(tmp_path):
    config = profile("smoke").config("supervised", 0).with_changes(**{"settings.n_classes": 3})
    images, _ = load(DataConfig("shapes", n_train=96, n_test=16, side=8, classes=16))
    with pytest.raises(ValueError, match=r"settings.n_classes must be >= 16.*got 3"):
        train(config, tmp_path / "run", images)


def test_crops_that_an_encoder_cannot_take_are_one_line(tmp_path):
    """Before anything is created; every other encoder takes what every recipe crops."""
    config = tiny("swav").with_changes(**{"encoder": "alexnet", "data.side": 48})
    with pytest.raises(
        ValueError, match=r"^train: side of a view must be large enough for alexnet, got '\d+ px'\. Raise"
    ):
        train(config, tmp_path / "run", load(config.data)[0])
    assert not list(tmp_path.iterdir())
    require_side("alexnet", 224, "train")
    for name in ENCODERS:
        if name != "alexnet":
            require_side(name, 16, "train")


@pytest.mark.parametrize(("name", "settings", "message"), [
    ("ifnd", {"clusters": (1000,)}, r"clusters must be numbers in 1\.\.64"),
    ("ifnd", {"mode": "prototype", "space": "features"}, "space must be one of embedding, got 'features'"),
    ("ifnd_moco", {"acceptance": "linaer"}, "Did you mean 'linear'"),
    ("ifnd_swav", {"confidence": "x"}, "confidence must be one of"),
    ("ifnd", {"final_rate": 3.0}, r"final_rate must be in \[0, 1\], got 3.0"),
    ("la", {"clusters": 65}, r"LocalAggregation: clusters"), ("pcl", {"clusters": (2, 99)}, "PCL: clusters"),
    ("deepcluster", {"clusters": 65}, "DeepCluster: clusters"),
    ("invp", {"n_positives": 0}, "n_positives must be >= 1"), ("invp_moco", {"hops": 0}, "hops must be >= 1"),
    ("invp", {"n_neighbours": 64}, r"k must be 1\.\.63"), ("swav", {"epsilon": -0.05}, "epsilon must be > 0"),
    ("dino", {"temperature": 0}, "temperature must be > 0"), ("isl", {"rounds": 0}, "rounds must be >= 1"),
    ("fnc", {"top_k": 0}, "top_k must be >= 1"), ("mocov2", {"queue_size": 0}, "queue_size must be >= 1"),
    ("byol", {"teacher_momentum": 1.5}, r"teacher_momentum must be in \[0, 1\]"),
    ("seppid", {"base": "byol", "base_settings": {}}, "base must be one of"), ("seppid", {"sampler": "supcon"}, "sees no labels"),
    ("seppid", {"quantile": 0}, r"quantile must be None or in \(0, 1\)"), ("mocov2", {"norm": "spilt"}, "Did you mean"),
])  # fmt: skip
def test_wrong_settings_are_one_clear_error_before_training(name, settings, message):
    from sslrepro.parts.encoders import encoder

    with pytest.raises(ValueError, match=message):
        methods.build(name, methods.settings(name, small(name) | settings), encoder("conv-tiny"), 64)
