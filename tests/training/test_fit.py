"""`fit`, the one loop, over a method of the package and one of a reader's; checkpoints that follow the clock."""

import time

import pytest
import torch

from sslrepro import Method, TrainingConfig, batches_for, fit, load
from sslrepro.base.store import read_lines
from sslrepro.base.types import Step
from sslrepro.parts.encoders import encoder
from sslrepro.training.checkpoint import header
from sslrepro.training.loop import batches_of, initial_method, train
from sslrepro.training.monitor import TrainingLog
from tests.conftest import tiny

pytestmark = pytest.mark.usefixtures("without_shape_checks")


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Pull(Method):
    """A method as a notebook cell would have it: views attract, with a bias so that nothing is idle."""

    n_views = 2

    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.projector = encoder, torch.nn.Linear(encoder.dim, 4)

    def loss(self, batch, progress):
        z1, z2 = (self.embed(view) for view in batch.views)
        return Step(-(z1 * z2).sum(1).mean())


def pull(seed: int = 0) -> Pull:
    torch.manual_seed(seed)
    return Pull(encoder("conv-tiny"))


@pytest.mark.parametrize("name", ["nnclr", "swav", "ifnd", "simsiam"])
def test_fit_is_what_train_does(name, tmp_path):
    config = tiny(name)
    data = load(config.data)[0]
    stored = train(config, tmp_path / "run", data, log_every=7)
    method = initial_method(config)
    log = TrainingLog(data, config.plan, every=7)
    assert fit(method, batches_of(config, data, method), config.plan, on_step=log) is method
    assert equal(stored.state_dict(), method.state_dict())
    rate = "images_per_second"
    assert [line | {rate: 0} for line in log.lines] == [
        line | {rate: 0} for line in read_lines(tmp_path / "run" / "log.jsonl")
    ]


def test_a_method_of_a_readers_is_trained():
    data = load("digits", n_train=64)[0]
    method, plan, steps = pull(), TrainingConfig(epochs=2, batch_size=16), []
    start = method.encoder.layers[0].weight.detach().clone()
    fit(method, batches_for(method, data, batch_size=16), plan, on_step=steps.append)
    assert [(now.step, now.steps, now.epoch) for now in steps][:5] == [(n, 8, n / 4) for n in range(1, 6)]
    assert not torch.equal(start, method.encoder.layers[0].weight)
    again = fit(pull(), batches_for(method, data, batch_size=16), plan)
    assert equal(method.state_dict(), again.state_dict())


def test_what_is_wrong_is_said():
    data = load("digits", n_train=64)[0]
    batches = batches_for(Pull, data, batch_size=16)
    with pytest.raises(ValueError, match="batch_size of the batches must be the plan's, got 16. The plan says 64"):
        fit(pull(), batches, TrainingConfig())
    with pytest.raises(FloatingPointError, match="Pull: the loss is nan"):
        broken = pull()
        broken.loss = lambda batch, progress: Step(Pull.loss(broken, batch, progress).loss * float("nan"))
        fit(broken, batches, TrainingConfig(epochs=1, batch_size=16))
    idle = pull()
    idle.more = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="no gradient reaches more.weight"):
        fit(idle, batches, TrainingConfig(batch_size=16))
    with pytest.raises(ValueError, match="Did you mean 'moco2'"):
        batches_for(Pull, data, "moco")


# --- the clock --------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    pass


def test_slow_steps_are_saved_by_the_clock(tmp_path):
    """A kill before the first line of the log loses the steps since the last save, not all of them."""
    config = tiny("nnclr")
    data = load(config.data)[0]
    whole = train(config, tmp_path / "whole", data, log_every=1000)

    def report(step, steps):
        time.sleep(0.03)
        if step == 15:
            raise Stopped

    with pytest.raises(Stopped):
        train(config, tmp_path / "cut", data, report=report, log_every=1000, checkpoint_seconds=0.1)
    at = int(header(tmp_path / "cut" / "checkpoint.safetensors")["step"])
    assert 9 <= at < 15 and not read_lines(tmp_path / "cut" / "log.jsonl")
    resumed = train(config, tmp_path / "cut", data, log_every=1000)
    assert equal(whole.state_dict(), resumed.state_dict())
    lines = [read_lines(tmp_path / name / "log.jsonl") for name in ("whole", "cut")]
    means = [{key: value for key, value in line.items() if key != "images_per_second"} for (line,) in lines]
    assert means[0] == means[1], "the line's means are over all steps, those before the kill among them"


def test_a_loss_that_is_not_finite_is_not_saved(tmp_path):
    config = tiny("simclr").with_changes(**{"plan.lr": 1e30, "plan.optimizer": "sgd"})
    with pytest.raises(FloatingPointError):
        train(config, tmp_path, load(config.data)[0], log_every=1000, checkpoint_seconds=0)
    assert int(header(tmp_path / "checkpoint.safetensors")["step"]) < 5
