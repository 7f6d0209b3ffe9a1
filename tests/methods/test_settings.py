"""What configurations may hold: types and ranges stand beside the defaults, for methods that do not exist yet too."""

import math
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from sslrepro import methods
from sslrepro.base.values import (
    Range,
    check_values,
    describe,
    fits,
    from_mapping,
    identity_values,
    setting,
    stored_values,
)
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import View, ViewConfig
from sslrepro.study.profiles import PROFILES, profile
from sslrepro.training.config import RunConfig, TrainingConfig, from_record

pytestmark = pytest.mark.usefixtures("without_shape_checks")

NEW_METHOD = '''"""A method of a reader's own, arXiv:0000.00000."""

from dataclasses import dataclass
from typing import final

from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, choice, momentum, rows, width


@dataclass(frozen=True)
class Config:
    dim: int = width(512, "dim")  # of the embedding
    shelf: int = rows(65_536)  # a name no other method has
    slowness: float = momentum(0.999)  # of a teacher
    sharpness: float = above_zero(0.2)  # of a softmax
    taste: str = choice("sweet", "sour")  # one of two


@final
class Mine(Method):
    def loss(self, batch: Batch, progress: float) -> Step:
        raise NotImplementedError
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The name of a method whose file lies in another folder."""
    (tmp_path / "mine_for_a_test.py").write_text(NEW_METHOD)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    yield "mine_for_a_test"
    sys.modules.pop("sslrepro.methods.mine_for_a_test", None)
    methods.method_class.cache_clear()
    methods.config_class.cache_clear()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shelf": -7}, r"shelf must be >= 1, got -7"),
        ({"shelf": 1.5}, "shelf must be a whole number, got 1.5"),
        ({"slowness": 1.01}, r"slowness must be in \[0, 1\], got 1.01"),
        ({"sharpness": 0}, "sharpness must be > 0, got 0"),
        ({"taste": "sower"}, "Did you mean 'sour'"),
        ({"shelv": 3}, "Did you mean 'shelf'"),
    ],
)
def test_a_new_method_is_checked_without_a_list(mine, values, message):
    with pytest.raises(ValueError, match=f"^methods.{mine}: .*{message}"):
        methods.settings(mine, values)


def test_a_new_method_is_scaled_without_a_list(mine):
    scaled = {scale: RunConfig(mine, profile(scale).settings_at(mine)).settings for scale in PROFILES}
    assert scaled["paper"] == {"dim": 512, "shelf": 65_536, "slowness": 0.999, "sharpness": 0.2, "taste": "sweet"}
    assert scaled["cpu"] == scaled["paper"] | {"dim": 128, "shelf": 4608 // 8, "slowness": 0.99}
    assert scaled["smoke"] == scaled["paper"] | {"dim": 32, "shelf": 208, "slowness": 0.99}
    assert profile("cpu").settings_at(mine, {"dim": 256, "shelf": 9})["dim"] == 64, "a table's width keeps its ratio"
    assert profile("cpu").settings_at(mine, {"shelf": 9})["shelf"] == 9, "other settings of a table stand"


WRONG = [
    ("nnclr", {"plan": 5}, r"RunConfig\.plan: settings must be a mapping of names to values, got 5"),
    ("nnclr", {"plan.epochs": 1.5}, r"TrainingConfig: epochs must be a whole number, got 1\.5"),
    ("nnclr", {"plan.epochs": -1}, r"TrainingConfig: epochs must be in \[0, 1e\+06\], got -1"),
    ("nnclr", {"plan.epochs": "4"}, r"epochs must be a whole number, got '4'"),
    ("nnclr", {"plan.epochs": None}, "epochs must be a whole number, got None"),
    ("nnclr", {"plan.lr": math.inf}, "lr must be a finite number, got inf"),
    ("nnclr", {"plan.lr": math.nan}, "lr must be a finite number, got nan"),
    ("nnclr", {"plan.lr": 0}, "lr must be > 0, got 0"),
    ("nnclr", {"plan.weight_decay": -1}, "weight_decay must be >= 0, got -1"),
    ("nnclr", {"plan.batch_size": 0}, "batch_size must be >= 1, got 0"),
    ("nnclr", {"plan.batch_size": True}, "batch_size must be a whole number, got True"),
    ("nnclr", {"plan.momentum": 2}, r"momentum must be in \[0, 1\), got 2"),
    ("nnclr", {"plan.warmup": 1}, r"warmup must be in \[0, 1\), got 1"),
    ("nnclr", {"plan.optimizer": "adam"}, "Did you mean 'adamw'"),
    ("nnclr", {"plan.epochs.foo": 1}, r"RunConfig\.plan\.epochs: setting must be .*got 'plan\.epochs\.foo'"),
    ("nnclr", {"plan.epoch": 1}, "Did you mean 'epochs'"),
    ("nnclr", {"settings.temperature": math.inf}, "temperature must be a finite number, got inf"),
    ("nnclr", {"settings.temperature": None}, "temperature must be a finite number, got None"),
    ("nnclr", {"settings.predictor": 1}, "predictor must be True or False, got 1"),
    ("nnclr", {"settings.positive": 3}, "positive must be a text, got 3"),
    ("nnclr", {"settings.hidden": 0}, "hidden must be >= 1, got 0"),
    ("nnclr", {"settings.teacher_momentum": "0.9"}, "teacher_momentum must be a finite number or None, got '0.9'"),
    ("ifnd", {"settings.clusters": ["a"]}, r"clusters must be a list of whole numbers, got \('a',\)"),
    ("ifnd", {"settings.clusters": [1.5]}, r"clusters must be a list of whole numbers, got \(1\.5,\)"),
    ("ifnd", {"settings.clusters": []}, r"clusters must be a list of whole numbers, got \(\)"),
    ("ifnd", {"settings.clusters": 7}, "clusters must be a list of whole numbers, got 7"),
    ("ifnd", {"settings.clusters": [3, 0]}, r"clusters must be each >= 1, got \(3, 0\)"),
    ("la", {"settings.clusters": [7]}, r"clusters must be a whole number, got \(7,\)"),
    ("seppid", {"settings.base_settings": 3}, "base_settings must be a mapping of settings, got 3"),
    ("seppid", {"settings.base_settings.dim": 1.5}, "methods.mocov2: dim must be a whole number"),
    ("nnclr", {"settings": []}, r"RunConfig: settings must be a mapping of settings, got \(\)"),
    ("nnclr", {"settings": None}, "RunConfig: settings must be a mapping of settings, got None"),
    ("nnclr", {"method": None}, "RunConfig: method must be a text, got None"),
    ("nnclr", {"method": ["nnclr"]}, r"RunConfig: method must be a text, got \('nnclr',\)"),
    ("nnclr", {"data": None}, r"RunConfig\.data: settings must be a mapping of names to values, got None"),
    ("nnclr", {"data.n_train": 1.0}, r"n_train must be a whole number, got 1\.0"),
    ("nnclr", {"data.name": 3}, "name must be the name of a set .*got 3"),
    ("nnclr", {"views": "byol"}, r"RunConfig\.views: settings must be a mapping"),
    ("nnclr", {"views.crop_min": math.nan}, "crop_min must be a finite number, got nan"),
    ("nnclr", {"views.crop_min": 1.2}, r"crop_min must be in \[0, 1\], got 1\.2"),
    ("nnclr", {"views.recipe": "bayol"}, "Did you mean 'byol'"),
    ("nnclr", {"seed": "1"}, "seed must be a whole number, got '1'"),
    ("nnclr", {"seed": True}, "seed must be a whole number, got True"),
    ("nnclr", {"seed": -1}, "seed must be >= 0, got -1"),
]


@pytest.mark.parametrize(("method", "changes", "message"), WRONG, ids=lambda value: str(value) if value else "")
def test_wrong_values_are_one_line(method, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        RunConfig(method, {}).with_changes(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "configuration must be a mapping"),
        ([], "configuration must be a mapping"),
        ({}, "it lacks method"),
        ({"method": "simclr"}, "it lacks settings"),
        ({"method": "simclr", "settings": {}, "sede": 1}, "Did you mean 'seed'"),
    ],
)
def test_a_garbled_record_is_one_line(values, message):
    with pytest.raises(ValueError, match=message):
        from_record(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": (0.2, 1.5)}, r"crop must be each in \(0, 1\]"),
        ({"crop": (0.8, 0.2)}, r"crop must be \(least, most\)"),
        ({"crop": (0.0, 1.0)}, r"crop must be each in \(0, 1\]"),
        ({"crop": (0.2,)}, "crop must be 2 finite numbers"),
        ({"ratio": (2.0, 0.5)}, r"ratio must be \(least, most\)"),
        ({"flip": 1.1}, r"flip must be in \[0, 1\]"),
        ({"jitter": (math.nan, 0.4, 0.4, 0.1)}, "jitter must be 4 finite numbers"),
        ({"jitter": (-0.4, 0.4, 0.4, 0.1)}, "jitter must be each >= 0"),
        ({"size": 0.0}, r"size must be in \(0, 1\]"),
        ({"blur_sigma": (0.0, 2.0)}, "blur_sigma must be each > 0"),
        ({"cubic": 1}, "cubic must be True or False"),
    ],
)
def test_views_that_cannot_be_made_are_one_line(values, message):
    with pytest.raises(ValueError, match=f"View: {message}"):
        View(**values)


@dataclass(frozen=True)
class Older:
    width: int = setting(3, Range(1))
    views: ViewConfig = field(default_factory=ViewConfig)


@dataclass(frozen=True)
class Newer(Older):
    kind: str = setting("better", ("better", "plain"), before="plain")


def test_a_younger_field_counts_only_where_it_changes_something():
    assert identity_values(Newer(kind="plain")) == identity_values(Older())
    assert identity_values(Newer()) == identity_values(Older()) | {"kind": "better"}
    assert Newer(**stored_values(Newer, {"width": 4})).kind == "plain", "a file that does not know it was plain"
    assert Newer(**stored_values(Newer, {"width": 4, "kind": "better"})).kind == "better"


@pytest.mark.parametrize("name", methods.names())
def test_every_default_is_allowed_and_every_number_is_bounded(name):
    config = methods.settings(name)
    check_values(config, name)
    numbers = [
        key
        for key, value in vars(config).items()
        if isinstance(value, int | float | tuple) and not isinstance(value, bool)
    ]
    assert not set(numbers) - set(methods.ranges(name)), "a number says in which range it lies"


def test_types_in_words_and_as_checks():
    kinds = {
        int: (3, True),
        float: (3, math.inf),
        bool: (False, 0),
        str: ("a", None),
        float | None: (None, "a"),
        tuple[int, ...]: ((1, 2), ()),
        tuple[float, float]: ((1, 2.0), (1.0,)),
        dict[str, int]: ({}, []),
    }
    for kind, (right, wrong) in kinds.items():
        assert fits(right, kind) and not fits(wrong, kind), kind
    assert describe(tuple[int, ...] | None) == "a list of whole numbers or None"
    assert describe(DataConfig) == "a DataConfig"
    assert from_mapping(TrainingConfig, {"epochs": 3}, "here") == replace(TrainingConfig(), epochs=3)


def test_equal_numbers_of_other_kinds_are_other_settings():
    """Settings are worked out once; what was accepted or refused before decides nothing about the next."""
    assert methods.settings("nnclr", {"queue_size": 64}).queue_size == 64
    for value in (64.0, "64"):
        with pytest.raises(ValueError, match="queue_size"):
            methods.settings("nnclr", {"queue_size": value})
    assert methods.settings("nnclr", {"queue_size": 1}).queue_size == 1
    with pytest.raises(ValueError, match="queue_size"):
        methods.settings("nnclr", {"queue_size": True})


def test_a_number_of_numpy_is_a_number():
    assert methods.settings("nnclr", {"temperature": np.float64(0.25)}).temperature == 0.25
