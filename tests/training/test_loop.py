"""The loop: resume, invariants, detection of what goes wrong, and labels that never reach a method."""

import json
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sslrepro.base.store import read_lines
from sslrepro.data import load
from sslrepro.methods.nnclr import NNCLR
from sslrepro.parts.optim import LARS, optimizer, parameter_groups, warmup_cosine
from sslrepro.training.checkpoint import header, restore
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import initial_method, train
from tests import forked
from tests.conftest import tiny

MACHINE = {"images_per_second"}  # the only fields of a log line that depend on the clock


def weights(method) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in method.state_dict().items()}


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log(folder: Path) -> list[dict]:
    lines = read_lines(folder / "log.jsonl")
    return [{key: value for key, value in line.items() if key not in MACHINE} for line in lines]


def train_slowly(config: RunConfig, folder: Path, at: Path) -> None:
    """In a process that is to be killed: every step is saved, and written down where the killer looks."""
    torch.set_num_threads(1)

    def report(step: int, steps: int) -> None:
        at.write_text(str(step), "utf-8")
        time.sleep(0.005)

    train(config, folder, load(config.data)[0], report=report, log_every=3, checkpoint_seconds=0)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize(
    "method, settings",
    [
        ("nnclr", {}),
        ("nnclr", {"teacher_momentum": 0.9, "top_k": 3, "eviction": "random"}),
        ("simclr", {}),
    ],
)
def test_kill_at_random_steps_and_resume_bit_for_bit(method, settings, tmp_path):
    config = tiny(method, epochs=4, **settings)
    whole = train(config, tmp_path / "whole", load(config.data)[0], log_every=3, checkpoint_seconds=0)
    g = torch.Generator().manual_seed(len(settings))
    at = sorted(int(torch.randint(2, 38, (), generator=g)) for _ in range(2))
    for step in at:
        child = forked.start(train_slowly, config, tmp_path / "killed", tmp_path / "at")
        while child.is_alive():
            progress = (tmp_path / "at").read_text("utf-8") if (tmp_path / "at").exists() else ""
            if progress and int(progress) >= step:
                child.kill()
                break
            time.sleep(0.002)
        child.join()
        assert child.exitcode == -signal.SIGKILL, "the run ended before it could be killed"
    assert 0 < int(header(tmp_path / "killed" / "checkpoint.safetensors")["step"]) < 40
    resumed = train(config, tmp_path / "killed", load(config.data)[0], log_every=3, checkpoint_seconds=0)
    assert equal(weights(whole), weights(resumed))
    assert log(tmp_path / "whole") == log(tmp_path / "killed")


@pytest.mark.filterwarnings("ignore:precision bf16, emulated")
@pytest.mark.parametrize("name, precision", [("sgd", "fp32"), ("adamw", "fp32"), ("lars", "fp32"), ("sgd", "bf16")])
def test_every_optimizer_and_precision_resumes(name, precision, tmp_path):
    config = tiny("simclr", epochs=3)
    config = config.with_changes(**{"plan.optimizer": name, "plan.lr": 0.01, "plan.precision": precision})
    data = load(config.data)[0]
    whole = train(config, tmp_path / "whole", data, log_every=5, checkpoint_seconds=0)

    class Stopped(Exception):
        pass

    def report(step, steps):
        if step == 17:
            raise Stopped

    with pytest.raises(Stopped):
        train(config, tmp_path / "cut", data, report=report, log_every=5, checkpoint_seconds=0)
    assert header(tmp_path / "cut" / "checkpoint.safetensors")["step"] == "16"
    assert equal(weights(whole), weights(train(config, tmp_path / "cut", data, log_every=5, checkpoint_seconds=0)))


def test_log_lines_after_the_checkpoint_are_written_once(tmp_path):
    config = tiny("simclr")
    data = load(config.data)[0]
    train(config, tmp_path / "whole", data, log_every=3, checkpoint_seconds=0)

    class Stopped(Exception):
        pass

    for stop, every in ((7, 0.0), (17, 1e9)):  # the checkpoint stays at step 6 while the log goes on to 15

        def report(step, steps, stop=stop):
            if step == stop:
                raise Stopped

        with pytest.raises(Stopped):
            train(config, tmp_path / "cut", data, report=report, log_every=3, checkpoint_seconds=every)
    assert [line["step"] for line in log(tmp_path / "cut")] == [3, 6, 9, 12, 15]
    train(config, tmp_path / "cut", data, log_every=3)
    assert log(tmp_path / "cut") == log(tmp_path / "whole")


def test_a_finished_run_is_not_trained_again(tmp_path):
    config = tiny()
    data = load(config.data)[0]
    first = train(config, tmp_path, data)

    def report(step, steps):
        raise AssertionError("a step was taken")

    assert equal(weights(first), weights(train(config, tmp_path, data, report=report)))


@pytest.mark.parametrize("settings", [{}, {"teacher_momentum": 0.9}, {"positive": "soft"}, {"support": "encoder"}])
def test_permuted_labels_leave_the_weights_as_they_are(settings, tmp_path):
    config = tiny("nnclr", **settings)
    data = load(config.data)[0]
    g = torch.Generator().manual_seed(0)
    shuffled = replace(data, labels=data.labels[torch.randperm(len(data), generator=g)])
    assert not torch.equal(data.labels, shuffled.labels)
    plain, other = train(config, tmp_path / "a", data), train(config, tmp_path / "b", shuffled)
    assert equal(weights(plain), weights(other))


def test_permuted_labels_do_change_an_oracle(tmp_path):
    config = tiny("supcon")
    data = load(config.data)[0]
    shuffled = replace(data, labels=data.labels.flip(0))
    assert not equal(weights(train(config, tmp_path / "a", data)), weights(train(config, tmp_path / "b", shuffled)))


def test_seeds_differ_and_repeat(tmp_path):
    config = tiny()
    data = load(config.data)[0]
    runs = [train(config.with_changes(seed=s), tmp_path / str(i), data) for i, s in enumerate((1, 1, 2))]
    assert equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(runs[0].encoder.layers[0].weight, runs[2].encoder.layers[0].weight)


def test_a_loss_that_is_not_finite_is_said(tmp_path):
    config = tiny("simclr").with_changes(**{"plan.lr": 1e30, "plan.optimizer": "sgd"})
    with pytest.raises(FloatingPointError, match=r"SimCLR: the loss is (nan|inf) within steps .* Lower lr"):
        train(config, tmp_path, load(config.data)[0], log_every=2)


def test_collapse_is_said(tmp_path, monkeypatch):
    data = load(tiny().data)[0]
    plain = NNCLR.embed
    monkeypatch.setattr(
        NNCLR, "embed", lambda self, view: plain(self, view) * 0.001 + self.projector[-1].weight * 0 + 1
    )
    with pytest.warns(UserWarning, match="NNCLR: embeddings have collapsed by step 5"):
        train(tiny(epochs=1), tmp_path, data, log_every=5)
    assert log(tmp_path)[-1]["collapsed"] is True


def test_a_healthy_run_is_not_called_collapsed(tmp_path, recwarn):
    train(tiny(), tmp_path, load(tiny().data)[0])
    assert not [w for w in recwarn if "collapsed" in str(w.message)]
    assert log(tmp_path)[-1]["collapsed"] is False


def test_neighbour_metrics_are_logged(tmp_path):
    config = tiny("nnclr", exclude_self=False)
    train(config, tmp_path, load(config.data)[0], log_every=5)
    lines = log(tmp_path)
    wanted = {"neighbour_match", "neighbour_match_without_self", "self_hit", "neighbour_age_steps", "mined_share"}
    assert wanted <= lines[-1].keys()
    assert lines[0]["mined_share"] < 1 and lines[-1]["mined_share"] == 1  # random rows belong to no image
    assert 1 <= lines[-1]["neighbour_age_steps"] <= 24 / 16 + 1  # a queue of 24 rows at batch 16


def test_neighbour_match_against_counting(tmp_path):
    config = tiny("nnclr", epochs=1)
    data = load(config.data)[0]
    seen = []
    plain = NNCLR.loss

    def spied(self, batch, progress):
        out = plain(self, batch, progress)
        seen.append(out.mined)
        return out

    NNCLR.loss = spied
    try:
        train(config, tmp_path, data, log_every=100)
    finally:
        NNCLR.loss = plain
    pairs = [(a, p) for mined in seen for a, p in zip(*(m.tolist() for m in mined), strict=True) if p >= 0]
    match = [data.labels[a] == data.labels[p] for a, p in pairs]
    assert log(tmp_path)[-1]["neighbour_match"] == pytest.approx(sum(match) / len(match))


def test_a_checkpoint_of_another_run_says_so(tmp_path):
    config = tiny()
    data = load(config.data)[0]
    train(config, tmp_path, data)
    other = config.with_changes(**{"plan.lr": 0.5})
    with pytest.raises(
        ValueError, match=rf"train: checkpoint .* must be of run {other.identity}, got '{config.identity}'"
    ):
        train(other, tmp_path, data)


def test_a_damaged_checkpoint_says_so(tmp_path):
    config = tiny()
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half of it")
    with pytest.raises(ValueError, match=r"checkpoint .* cannot be read .* Delete it to start anew"):
        train(config, tmp_path, load(config.data)[0])


def test_the_first_step_finds_idle_parameters(tmp_path, monkeypatch):
    plain = NNCLR.__init__

    def with_idle(self, *arguments):
        plain(self, *arguments)
        self.idle = nn.Linear(2, 2)

    monkeypatch.setattr(NNCLR, "__init__", with_idle)
    with pytest.raises(RuntimeError, match="no gradient reaches idle.weight, idle.bias"):
        train(tiny(), tmp_path, load(tiny().data)[0])


def test_zero_epochs_is_the_encoder_as_initialised(tmp_path):
    config = tiny(epochs=0)
    method = train(config, tmp_path, load(config.data)[0])
    assert equal(weights(method), weights(initial_method(config)))
    assert restore(tmp_path / "checkpoint.safetensors", config, initial_method(config.with_changes(seed=0)))[0] == 0


def test_training_leaves_the_global_generator_alone(tmp_path):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    train(tiny(), tmp_path, load(tiny().data)[0])
    assert torch.equal(before, torch.random.get_rng_state())


def test_identity_is_of_the_resolved_configuration():
    config = tiny("nnclr")
    assert config.identity == from_record(json.loads(json.dumps(asdict(config)))).identity
    assert (
        config.identity
        == replace(
            config, settings={"queue_size": 24, "dim": 8, "hidden": 16, "hidden_predictor": 16, "temperature": 0.1}
        ).identity
    )
    for change in ({"seed": 1}, {"plan.lr": 0.1}, {"settings.temperature": 0.2}, {"data.n_train": 170}):
        assert config.with_changes(**change).identity != config.identity


# --- optimizers -------------------------------------------------------------------------------------------------


def test_lars_against_its_formula():
    torch.manual_seed(0)
    net = nn.Linear(3, 2).double()
    solver = LARS(parameter_groups(net, 0.1), lr=0.5, momentum=0.9)
    w, b = net.weight.detach().clone(), net.bias.detach().clone()
    buffers = [torch.zeros_like(w), torch.zeros_like(b)]
    for number in range(3):
        x = torch.full((1, 3), number + 1.0, dtype=torch.double)
        solver.zero_grad()
        net(x).pow(2).sum().backward()
        g, gb = net.weight.grad.clone(), net.bias.grad.clone()
        solver.step()
        update = g + 0.1 * w
        update = update * 1e-3 * w.norm() / update.norm()
        buffers = [0.9 * buffers[0] + update, 0.9 * buffers[1] + gb]  # the bias: no decay, no adaptation
        w, b = w - 0.5 * buffers[0], b - 0.5 * buffers[1]
        assert net.weight.allclose(w, atol=1e-12) and net.bias.allclose(b, atol=1e-12)


def test_every_parameter_is_in_one_group_and_only_weights_decay():
    method = initial_method(tiny())
    groups = optimizer("adamw", method, 0.1, 0.5, 0.9).param_groups
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in method.parameters() if p.requires_grad)
    assert {group["weight_decay"]: {p.ndim > 1 for p in group["params"]} for group in groups} == {
        0.5: {True},
        0: {False},
    }


def test_the_schedule():
    assert warmup_cosine(0.0, 0.1) == 0
    assert warmup_cosine(0.05, 0.1) == pytest.approx(0.5)
    assert warmup_cosine(0.1, 0.1) == pytest.approx(1)
    assert warmup_cosine(0.55, 0.1) == pytest.approx(0.5)
    assert warmup_cosine(1.0, 0.1) == pytest.approx(0)
    assert warmup_cosine(0.0, 0.0) == 1


def test_the_gradient_is_clipped_where_a_method_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(NNCLR, "clip_norm", 1e-3)
    config = tiny().with_changes(
        **{"plan.optimizer": "sgd", "plan.lr": 1.0, "plan.momentum": 0.0, "plan.weight_decay": 0.0, "plan.warmup": 0.0}
    )
    start = weights(initial_method(config))
    seen = {}

    class Stop(Exception):
        pass

    def report(step, steps):
        raise Stop

    built = []
    build = lambda *a: built.append(initial_method(*a)) or built[0]  # noqa: E731
    monkeypatch.setattr("sslrepro.training.loop.initial_method", build)
    with pytest.raises(Stop):
        train(config, tmp_path, load(config.data)[0], report=report)
    for name, parameter in built[0].named_parameters():
        seen[name] = parameter.detach() - start[name]
    moved = torch.cat([change.flatten() for change in seen.values()]).norm().item()
    assert 0 < moved <= 1.001e-3


def test_bf16_without_a_unit_for_it_is_said(monkeypatch, tmp_path):
    """On a processor that multiplies bf16 the unit is noted beside the run; elsewhere a run warns that it is emulated."""
    config = tiny("simclr", epochs=1).with_changes(**{"plan.precision": "bf16"})
    data = load(config.data)[0]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    train(config, tmp_path / "fast", data)
    assert json.loads((tmp_path / "fast" / "environment.json").read_text(encoding="utf-8"))["bf16_units"] == [
        "avx512_bf16"
    ]
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.warns(UserWarning, match="precision bf16, emulated: this processor does not multiply it"):
        train(config, tmp_path / "slow", data)
