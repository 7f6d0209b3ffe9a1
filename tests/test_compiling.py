"""Compiled encoders: the same numbers to rounding, the same checkpoints, whatever the method keeps beside them."""

import shutil

import pytest
import torch

from sslrepro import study
from sslrepro.data import load
from sslrepro.profiles import profile
from sslrepro.store import read_json, read_lines
from sslrepro.train import COMPILING, compiled, initialised, train

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")


def run(folder, method: str, compiling: str):
    config = profile("smoke").config(method, 0).with_changes(**{"data.n_train": 64, "plan.epochs": 1})
    data, _ = load(config.data)
    return train(config, folder, data, compiling=compiling, log_every=1), read_lines(folder / "log.jsonl")


@needs_compiler
@pytest.mark.parametrize(("method", "how"), [("nnclr", "kernels"), ("byol", "graphs")])
def test_compiled_runs_agree_with_plain_ones(tmp_path, method, how):
    torch.compiler.reset()
    (plain, expected), (fast, got) = (run(tmp_path / way, method, way) for way in ("no", how))
    assert len(got) == len(expected) == 16
    for a, b in zip(got[:4], expected[:4], strict=True):  # later steps drift: rounding grows as training goes
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    assert list(fast.state_dict()) == list(plain.state_dict())
    assert read_json(tmp_path / how / "environment.json")["compiling"] == how
    assert "compiling" not in read_json(tmp_path / "no" / "environment.json")
    assert train_again(tmp_path / how, method) == 16  # a compiled run's checkpoint is any run's


def train_again(folder, method: str) -> int:
    _, lines = run(folder, method, "no")
    return len(lines)


@pytest.mark.parametrize("method", ["nnclr", "mocov2", "seppid", "instdisc", "dino"])
def test_every_encoder_and_teacher_is_compiled(method):
    config = profile("smoke").config(method, 0)
    made = compiled(initialised(config), "kernels")
    found = {name for name, net in made.named_modules() if net._compiled_call_impl is not None}
    teachers = {name for name, net in made.named_modules() if type(net).__name__ == "MomentumTeacher"}
    owner = "base." if method == "seppid" else ""
    assert f"{owner}encoder" in found and teachers <= found
    assert not any(net._compiled_call_impl for net in compiled(initialised(config), "no").modules())


def test_a_wrong_name_is_said_so():
    assert COMPILING == ("no", "kernels", "graphs")
    with pytest.raises(ValueError, match="train: compiling must be one of no, kernels, graphs, got 'graph'"):
        compiled(initialised(profile("smoke").config("simclr", 0)), "graph")
    assert "compiling" in study.perform.__annotations__
