"""Trials: as many for every method, on training images of seeds that no table uses, frozen once."""

import json
from dataclasses import replace

import pytest
import torch

from sslrepro import methods, tables
from sslrepro.base.store import Store, result_key
from sslrepro.cli.main import main
from sslrepro.data import load
from sslrepro.data.dataset import DataConfig
from sslrepro.study import equal_terms, profiles, trials
from sslrepro.study.profiles import profile
from sslrepro.study.run import Run

SCALE = "smoke"


@pytest.mark.parametrize("method", trials.names())
def test_every_method_has_as_many_trials_and_they_differ(method):
    of = trials.trials_of(method)
    assert len(of) == trials.TRIALS and (of[0].settings, of[0].rate) == ({}, 1.0)
    runs = [trials.run_of(trial, SCALE, seed) for trial in of for seed in trials.SEEDS]
    assert len({run.name for run in runs}) == trials.TRIALS * len(trials.SEEDS)
    assert {run.config.plan.lr / profile(SCALE).plan.lr for run in runs} == {trial.rate for trial in of}
    assert len({trial.rate for trial in of}) * (1 + len(methods.method_class(method).alternatives)) == trials.TRIALS


def test_diagnostics_and_baselines_that_tables_quote_are_not_compared():
    without = {name for name in methods.names() if not methods.method_class(name).has_trials}
    assert "mocov1" in without
    assert {name for name in methods.names() if name not in trials.names()} == {
        "mocov2_controlled",
        "nnclr_controlled",
        "nnsiam_controlled",
        "partners",
        *without,
    }
    assert not without & {sets.get("method") for sets in tables.definition("equal_terms").rows.values()}


def test_no_table_uses_their_seeds():
    assert min(trials.SEEDS) > max(base.seeds for base in map(profile, ("smoke", "cpu", "gpu")))


def test_alternatives_that_do_not_divide_the_trials_say_so(monkeypatch):
    monkeypatch.setattr(methods.method_class("simclr"), "alternatives", ({"temperature": 0.5}, {"temperature": 0.2}))
    with pytest.raises(ValueError, match=r"methods\.simclr: alternatives must be .* divide 4 trials"):
        trials.trials_of("simclr")


def test_a_trial_is_on_equal_terms_and_a_table_sets_over_it():
    trial = trials.Trial("invp", {"head": "linear", "temperature": 0.07}, 0.5)
    config = trial.config(profile("cpu"), 3)
    assert (config.plan.epochs, config.plan.lr, config.seed) == (16, 1e-3, 3)
    assert (config.settings["head"], config.settings["temperature"]) == ("linear", 0.07)
    assert trial.config(profile("cpu"), 3, {"temperature": 0.3, "epochs": 250}).settings["temperature"] == 0.3
    assert trial.config(profile("cpu"), 3, {"temperature": 0.3, "epochs": 250}).plan.epochs == 8
    inner = trials.Trial("seppid", {"base_settings": {"temperature": 0.1}}, 1.0).config(profile("cpu"), 0).settings
    moco = profile("cpu").config("mocov2", 0).settings
    assert inner["base_settings"] == moco | {"temperature": 0.1}, "scaled as MoCo v2 itself"


@pytest.mark.parametrize(
    "config",
    [
        DataConfig("shapes", n_train=160, n_test=48, side=8, classes=4, seed=3),
        DataConfig("digits", n_train=300, seed=3),
    ],
)
def test_a_fifth_of_the_training_images_stands_in_for_the_test_split(config):
    whole, _ = load(config)
    trained, apart = load(replace(config, held_out=0.2))
    assert (len(trained), len(apart)) == (len(whole) - len(whole) // 5, len(whole) // 5)
    together = [image.tobytes() for part in (trained, apart) for image in part.images.numpy()]
    assert sorted(together) == sorted(image.tobytes() for image in whole.images.numpy())
    shares = torch.bincount(apart.labels).float() / torch.bincount(whole.labels)
    assert shares.min() > 0.05 and shares.max() < 0.4, "of every class"
    assert load(replace(config, held_out=0.2))[1].images.equal(apart.images)
    assert not load(replace(config, held_out=0.2, seed=4))[1].images.equal(apart.images)


def test_a_share_that_leaves_nothing_on_a_side_says_so():
    config = DataConfig("shapes", n_train=160, n_test=48, side=8, classes=4)
    for share in (0.001, 0.005):
        with pytest.raises(ValueError, match="data.load: held_out must be a share that leaves images on both sides"):
            load(replace(config, held_out=share))
    with pytest.raises(ValueError, match=r"held_out must be in \[0, 1\), got 1"):
        replace(config, held_out=1)


def test_trials_train_on_four_fifths_and_other_runs_keep_their_names():
    run = trials.run_of(trials.trials_of("simclr")[0], "cpu", 100)
    assert run.data.held_out == 0.2 and run.steps == 8 * ((4608 - 921) // 24)
    assert profile("cpu").config("simclr", 100).identity != run.config.identity
    pixels = Run(replace(run.data, held_out=0.0), 0, {}).name
    assert pixels != Run(run.data, 0, {}).name
    assert replace(run.config, data=replace(run.data, held_out=0.0, fingerprint="")).identity == (
        profile("cpu").fair().config("simclr", 100).identity
    )


def entry(key: str, top1: float) -> dict:
    return {"key": key, "evaluation": "linear", "protocol": trials.protocol(SCALE), "scores": {"linear_top1": top1}}


@pytest.fixture
def store(tmp_path):
    """A store in which the trials of two methods have scores made up by hand."""
    scores = {"simclr": [0.3, 0.5, 0.5, 0.4], "byol": [0.2, 0.2, 0.2, 0.2]}
    for method, means in scores.items():
        for trial, mean in zip(trials.trials_of(method), means, strict=True):
            for sign, seed in zip((-1, 1), trials.SEEDS, strict=True):
                key = result_key("linear", trials.protocol(SCALE))
                line = entry(key, mean + sign * 0.125)
                name = trials.run_of(trial, SCALE, seed).name
                (tmp_path / "runs" / name).mkdir(parents=True)
                Store(tmp_path / "runs").append_result(name, line)
    return tmp_path


def test_the_best_is_frozen_the_first_of_equal_ones(store):
    path = trials.freeze(SCALE, ["simclr", "byol"], store / "runs", folder=store)
    frozen = json.loads(path.read_text("utf-8"))
    assert [frozen["methods"][name]["chosen"] for name in ("byol", "simclr")] == [
        {"settings": {}, "rate": 1.0},
        {"settings": {"temperature": 0.5}, "rate": 1.0},
    ]
    simclr = frozen["methods"]["simclr"]["trials"]
    assert [trial["mean"] for trial in simclr] == pytest.approx([0.3, 0.5, 0.5, 0.4])
    assert simclr[1]["accuracy"] == [0.375, 0.625] and len(simclr[1]["runs"]) == 2
    assert frozen["seeds"] == [100, 101] and frozen["trials_per_method"] == 4
    assert equal_terms.frozen_trial("simclr", SCALE, store) == trials.Trial("simclr", {"temperature": 0.5}, 1.0)
    again = path.read_bytes()
    trials.freeze(SCALE, ["simclr"], store / "runs", folder=store)
    assert path.read_bytes() == again


def test_what_is_frozen_stands(store):
    path = trials.freeze(SCALE, ["simclr"], store / "runs", folder=store)
    before = path.read_bytes()
    key = result_key("linear", trials.protocol(SCALE))
    run = trials.run_of(trials.trials_of("simclr")[3], SCALE, 100)
    Store(store / "runs").append_result(run.name, entry(key, 0.99))
    with pytest.raises(ValueError, match=r"trials\.simclr: trials must be those frozen in .* not chosen again"):
        trials.freeze(SCALE, ["simclr"], store / "runs", folder=store)
    assert path.read_bytes() == before


def test_a_missing_run_or_method_is_one_line(store):
    with pytest.raises(ValueError, match=r"trials\.mocov2: runs must be done .*trials --profile smoke"):
        trials.freeze(SCALE, ["mocov2"], store / "runs", folder=store)
    with pytest.raises(ValueError, match="trials: method must be one with frozen trials"):
        equal_terms.frozen_trial("mocov2", SCALE, store)
    with pytest.raises(ValueError, match="trials: method must be one of .*Did you mean 'simclr'"):
        trials.trials_of("simcrl")


def test_the_command_carries_out_what_is_missing_and_freezes(tmp_path, monkeypatch, capsys):
    small = replace(profile(SCALE).data, n_train=96, n_test=48, side=8)
    monkeypatch.setitem(profiles.PROFILES, SCALE, replace(profile(SCALE), data=small))
    monkeypatch.setattr(trials, "FROZEN", tmp_path / "trials")
    words = ["trials", "--profile", SCALE, "--method", "simclr", "--runs", str(tmp_path / "runs")]
    assert main([*words, "--dry-run"]) == 0
    assert "8 runs of trials missing" in capsys.readouterr().out
    run = trials.runs_of(SCALE, ["simclr"])[3]
    trials.carry_out([run], tmp_path / "runs", jobs=1, progress=False)  # as a stopped call leaves it
    stamp = (tmp_path / "runs" / run.name / "results.jsonl").stat().st_mtime_ns
    assert main([*words, "--jobs", "1"]) == 0
    assert (tmp_path / "runs" / run.name / "results.jsonl").stat().st_mtime_ns == stamp, "not done again"
    frozen = json.loads((tmp_path / "trials" / f"{SCALE}.json").read_text("utf-8"))["methods"]["simclr"]
    assert all(0 <= score <= 1 for trial in frozen["trials"] for score in trial["accuracy"])
    assert main([*words, "--dry-run"]) == 0
    assert "0 runs of trials missing" in capsys.readouterr().out
