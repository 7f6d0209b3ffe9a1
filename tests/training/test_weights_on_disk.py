"""Weights on disk: bytes that changed are noticed before they are resumed, evaluated or published."""

import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sslrepro import evaluate
from sslrepro.base.store import Store
from sslrepro.base.tensors import DIGEST, read_tensors, write_tensors
from sslrepro.data import load
from sslrepro.explore.own_images import embed
from sslrepro.study.ledger import publish_run
from sslrepro.study.run import Run, perform_run
from sslrepro.training.checkpoint import header
from sslrepro.training.loop import train
from tests.conftest import tiny

KNN = {"knn": evaluate.protocol("knn", {})}


def run_of(config) -> Run:
    return Run(config.data, config.seed, KNN, config)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    perform_run(run_of(tiny()), folder, None, "cpu", 1)
    return folder


@pytest.fixture
def runs(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs")


def checkpoint_in(runs):
    return runs / tiny().name / "checkpoint.safetensors"


def rewrite(path, change, digest=True) -> None:
    """The file again with other tensors, its record as it was."""
    with safe_open(path, "pt") as file:
        about = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, about if digest else {k: v for k, v in about.items() if k != DIGEST})


def nudge(tensors) -> None:
    name = next(name for name in tensors if name.startswith("method.encoder"))
    tensors[name] = tensors[name] * 1.01


def flip(path) -> None:
    """One bit of the last tensor, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def other_weights(path) -> None:
    """A whole checkpoint of the same configuration, with weights of its own."""
    tensors, about = read_tensors(path, "test", "file", "")
    nudge(tensors)
    write_tensors(path, tensors, {k: v for k, v in about.items() if k != DIGEST})


@pytest.mark.parametrize("change", [lambda path: rewrite(path, nudge), flip], ids=["tensor", "bit"])
@pytest.mark.parametrize("use", ["resume", "evaluate", "publish", "embed"])
def test_changed_bytes_are_noticed_before_they_are_used(use, change, runs, tmp_path):
    config = tiny()
    change(checkpoint_in(runs))
    before = Store(runs).results(config.name)
    with pytest.raises(ValueError, match=r"train: checkpoint .* must be as it was written .* changed on disk") as told:
        if use == "resume":
            train(config, runs / config.name, load(config.data)[0])
        elif use == "evaluate":
            perform_run(Run(config.data, config.seed, {"knn": KNN["knn"] | {"k": 5}}, config), runs, None, "cpu", 1)
        elif use == "publish":
            publish_run(run_of(config), tmp_path / "ledger", runs)
        else:
            embed(str(runs / config.name), load(config.data)[1])
    assert "\n" not in str(told.value)
    assert Store(runs).results(config.name) == before and not (tmp_path / "ledger").exists()


@pytest.mark.parametrize("use", ["evaluate", "publish"])
def test_weights_other_than_those_measured_are_noticed(use, runs, tmp_path):
    """Also a checkpoint that is whole in itself."""
    config = tiny()
    other_weights(checkpoint_in(runs))
    with pytest.raises(ValueError, match=r"study.run: checkpoint .* must be the one that results.jsonl was measured"):
        if use == "evaluate":
            perform_run(Run(config.data, config.seed, {"knn": KNN["knn"] | {"k": 5}}, config), runs, None, "cpu", 1)
        else:
            publish_run(run_of(config), tmp_path / "ledger", runs)
    assert not (tmp_path / "ledger").exists()


def test_a_run_older_than_digests_is_resumed_evaluated_and_published(runs, tmp_path):
    config = tiny()
    rewrite(checkpoint_in(runs), lambda tensors: None, digest=False)
    results = runs / config.name / "results.jsonl"
    results.write_text(results.read_text("utf-8").replace(f'"{DIGEST}"', '"older"'))
    assert DIGEST not in header(checkpoint_in(runs))
    train(config, runs / config.name, load(config.data)[0])
    perform_run(Run(config.data, config.seed, {"knn": KNN["knn"] | {"k": 5}}, config), runs, None, "cpu", 1)
    assert publish_run(run_of(config), tmp_path / "ledger", runs).exists()


def test_results_carry_the_digest_and_a_second_training_has_the_same(runs):
    config = tiny()
    line = Store(runs).results(config.name)["training"]
    assert line[DIGEST] == header(checkpoint_in(runs))[DIGEST] and len(line[DIGEST]) == 64
    checkpoint_in(runs).unlink()
    train(config, runs / config.name, load(config.data)[0])
    assert header(checkpoint_in(runs))[DIGEST] == line[DIGEST], "what training cost is no part of it"


def test_a_digest_covers_names_shapes_kinds_and_the_record(tmp_path):
    path = tmp_path / "file.safetensors"
    tensors = {"a": torch.arange(6.0), "b": torch.zeros((), dtype=torch.int64), "c": torch.zeros(0, 2)}
    write_tensors(path, tensors, {"step": "3"})
    read, about = read_tensors(path, "test", "file", "")
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    for other, record in [
        (tensors | {"a": tensors["a"].reshape(2, 3)}, about),
        (tensors | {"a": tensors["a"].view(torch.int32)}, about),
        ({"d" if name == "a" else name: tensor for name, tensor in tensors.items()}, about),
        ({name: tensor for name, tensor in tensors.items() if name != "c"}, about),
        (tensors, about | {"step": "4"}),
    ]:
        save_file(other, path, record)
        with pytest.raises(ValueError, match="as it was written"):
            read_tensors(path, "test", "file", "")


def test_mined_pairs_carry_one_too(tmp_path):
    config = tiny("seppid", epochs=1)
    data = load(config.data)[0]
    folder = tmp_path / config.name
    train(config, folder, data)
    (folder / "checkpoint.safetensors").unlink()
    rewrite(folder / "pairs.safetensors", lambda tensors: tensors["pairs"].add_(1).remainder_(len(data)))
    with pytest.raises(ValueError, match=r"train: pairs .* as it was written .* Delete it to mine them anew"):
        train(config, folder, data)
