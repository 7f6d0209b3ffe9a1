"""Compiled encoders: the same numbers to rounding, the same checkpoints, whatever the method keeps beside them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sslrepro.base.store import read_json, read_lines
from sslrepro.study.profiles import profile
from sslrepro.study.run import perform_run
from sslrepro.training.loop import COMPILING, compile_encoders, initial_method

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")


RUN = """
import json, sys
from pathlib import Path
import torch
from sslrepro.data import load
from sslrepro.study.profiles import profile
from sslrepro.training.loop import train

torch.set_num_threads(1)
folder, method, how = sys.argv[1:]
config = profile("smoke").config(method, 0).with_changes(**{"data.n_train": 128, "plan.epochs": 1})
trained = train(config, Path(folder), load(config.data)[0], compiling=how, log_every=1)
print(json.dumps(list(trained.state_dict())))
"""


def run(folder: Path, method: str, how: str) -> tuple[list[str], list[dict]]:
    """Names of the state and the log of a run, in a process without shape checks: compilers cannot see through them."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", RUN, str(folder), method, how]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), read_lines(folder / "log.jsonl")


@needs_compiler
@pytest.mark.parametrize(("method", "how"), [("nnclr", "kernels"), ("byol", "graphs")])
def test_compiled_runs_agree_with_plain_ones(tmp_path, method, how):
    (plain, expected), (fast, got) = (run(tmp_path / way, method, way) for way in ("no", how))
    assert len(got) == len(expected) == 16 and fast == plain
    for a, b in zip(got[:4], expected[:4], strict=True):  # later steps drift: rounding grows as training goes
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    assert read_json(tmp_path / how / "environment.json")["compiling"] == how
    assert "compiling" not in read_json(tmp_path / "no" / "environment.json")
    assert len(run(tmp_path / how, method, "no")[1]) == 16  # a compiled run's checkpoint is any run's


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
