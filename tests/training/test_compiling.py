"""Compiled encoders: the same numbers to rounding, the same checkpoints, whatever the method keeps beside them."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sslrepro.base.store import read_json, read_lines
from sslrepro.data import load
from sslrepro.study.profiles import profile
from sslrepro.study.run import perform_run
from sslrepro.training.loop import COMPILING, compile_encoders, initial_method, train
from tests import forked

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")


def train_briefly(folder: Path, how: str, place: Path) -> None:
    """In a process without shape checks, through which compilers cannot see; writes the names of the state."""
    import torch._inductor.config

    torch.set_num_threads(1)
    torch._inductor.config.cpp.vec_isa_ok = True  # else ten programs are compiled and run to see what the processor has
    config = profile("smoke").config("byol", 0).with_changes(**{"data.n_train": 128, "plan.epochs": 1})
    trained = train(config, folder, load(config.data)[0], compiling=how, log_every=1)
    place.write_text(json.dumps(list(trained.state_dict())), "utf-8")


def run(folder: Path, how: str) -> tuple[list[str], list[dict]]:
    """Names of the state and the log of a run of BYOL, whose encoder and teacher are compiled."""
    process = forked.start(train_briefly, folder, how, folder.with_suffix(".json"))
    process.join()
    assert process.exitcode == 0
    return read_json(folder.with_suffix(".json")), read_lines(folder / "log.jsonl")


@needs_compiler
def test_compiled_runs_agree_with_plain_ones(tmp_path):
    (plain, expected), (fast, got) = (run(tmp_path / how, how) for how in ("no", "kernels"))
    assert len(got) == len(expected) == 16 and fast == plain
    for a, b in zip(got[:4], expected[:4], strict=True):  # later steps drift: rounding grows as training goes
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    assert read_json(tmp_path / "kernels" / "environment.json")["compiling"] == "kernels"
    assert "compiling" not in read_json(tmp_path / "no" / "environment.json")
    assert len(run(tmp_path / "kernels", "no")[1]) == 16  # a compiled run's checkpoint is any run's


@pytest.mark.parametrize(("how", "mode"), [("kernels", "default"), ("graphs", "reduce-overhead")])
def test_what_is_asked_of_torch(how, mode, monkeypatch):
    """On a processor both are compiled to the same kernels."""
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda net, **words: asked.append(words))
    compile_encoders(initial_method(profile("smoke").config("byol", 0)), how)
    assert len(asked) > 2 and all(words == {"dynamic": False, "mode": mode} for words in asked)


@pytest.mark.parametrize("method", ["nnclr", "mocov2", "seppid", "instdisc", "dino"])
def test_every_encoder_and_teacher_is_compiled(method):
    config = profile("smoke").config(method, 0)
    learner = compile_encoders(initial_method(config), "kernels")
    names = {name for name, net in learner.named_modules() if net._compiled_call_impl is not None}
    teachers = {name for name, net in learner.named_modules() if type(net).__name__ == "MomentumTeacher"}
    owner = "base." if method == "seppid" else ""
    assert f"{owner}encoder" in names and teachers <= names
    assert not any(net._compiled_call_impl for net in compile_encoders(initial_method(config), "no").modules())


def test_a_wrong_name_is_said_so():
    assert COMPILING == ("no", "kernels", "graphs")
    with pytest.raises(ValueError, match="train: compiling must be one of no, kernels, graphs, got 'graph'"):
        compile_encoders(initial_method(profile("smoke").config("simclr", 0)), "graph")
    assert "compiling" in perform_run.__annotations__
