"""What every method must do, by discovery: a new file in methods/ is tested without an edit here."""

import copy
from dataclasses import fields

import pytest
import torch

from sslrepro import methods
from sslrepro.data import load
from sslrepro.parts.extract import encode_images
from sslrepro.parts.memory import unit
from sslrepro.training.loop import batches_of, initial_method
from tests.conftest import tiny

NAMES = methods.names()
NNCLR_VARIANTS = [
    {},
    {"positive": "soft"},
    {"positive": "view"},
    {"positive": "detached"},
    {"positive": "oracle"},
    {"teacher_momentum": 0.9},
    {"support": "encoder"},
    {"eviction": "random"},
    {"push_both_views": True},
    {"exclude_self": True, "top_k": 4},
    {"symmetry": "both"},
    {"predictor": False},
    {"accepted": 0.4},
]
MOCO_VARIANTS = [{"norm": "split", "norm_groups": 2}, {"norm": "shuffled", "norm_groups": 2}, {"symmetric": True}]
YOUNGER = [
    (name, {field.name: option})
    for name in NAMES
    for field in fields(methods.config_class(name))
    if "before" in field.metadata and isinstance(field.metadata["allowed"], tuple)
    for option in field.metadata["allowed"]
    if option != field.default
]
CASES = [(name, {}) for name in NAMES if name != "nnclr"] + YOUNGER
CASES += [("nnclr_controlled", {"right_share": share, "right": "farthest"}) for share in (0.0, 1.0)]
CASES += [("nnclr_controlled", {"right": "another", "wrong": "view", "anchors": "hard"})]
CASES += [("nnclr_controlled", {"right": "view", "wrong": "as_near", "anchors": "easy"})]
CASES += [("nnclr", settings) for settings in NNCLR_VARIANTS] + [("mocov2", settings) for settings in MOCO_VARIANTS]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} {case[1]}")
def case(request):
    name, settings = request.param
    config = tiny(name, **settings)
    train, _ = load(config.data)
    method = initial_method(config)
    source = batches_of(config, train, method)
    for progress in (0.0, 0.5):  # as the loop does before an epoch
        method.refresh(lambda net: encode_images(net, train, source.normalise), progress)
    return config, method, source


def step(method, source, number):
    out = method.loss(source.at(number), 0.5)
    method.after_step(out, 0.5)
    return out


def written(method) -> dict[str, torch.Tensor]:
    """State apart from batch-norm statistics, which forward passes may update."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return {k: v.clone() for k, v in method.state_dict().items() if not k.endswith(statistics)}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_loss_is_a_finite_scalar_with_gradient_everywhere(case):
    _, method, source = case
    out = method.loss(source.at(0), 0.0)
    assert out.loss.shape == () and out.loss.isfinite()
    out.loss.backward()
    for name, parameter in method.named_parameters():
        assert not parameter.requires_grad or parameter.grad is not None, name
        assert not parameter.requires_grad or parameter.grad.isfinite().all(), name
    silent = getattr(method.config, "instance_weight", 1.0) == 0  # nothing is a positive before the graph is known
    assert silent or method.encoder.layers[0].weight.grad.abs().sum() > 0


def test_loss_reads_and_after_step_writes_no_parameter(case):
    _, method, source = case
    for number in range(4):
        before = written(method)
        out = method.loss(source.at(number), 0.0)
        assert same(before, written(method)), "loss wrote state"
        trained = {n: p.clone() for n, p in method.named_parameters() if p.requires_grad}
        method.after_step(out, 0.0)
        for n, p in method.named_parameters():  # prototypes alone are brought back to unit length
            unchanged = not p.requires_grad or torch.equal(p, trained[n])
            assert unchanged or ("prototypes" in n and p.allclose(unit(trained[n]), atol=1e-6)), n


def test_loss_twice_is_the_same(case):
    _, method, source = case
    step(method, source, 0)
    assert method.loss(source.at(1), 0.1).loss.item() == method.loss(source.at(1), 0.1).loss.item()


def test_nothing_kept_holds_a_graph(case):
    _, method, source = case
    out = step(method, source, 0)
    assert not any(tensor.requires_grad for tensor in (*out.carry, *out.metrics.values(), *method.buffers()))


def test_all_state_is_saved(case):
    """A twin that starts from other random numbers, given the state dict, repeats the next losses bit for bit."""
    config, method, source = case
    for number in range(3):
        step(method, source, number)
    twin = initial_method(config.with_changes(seed=17))
    assert not torch.equal(twin.encoder.layers[0].weight, method.encoder.layers[0].weight)
    twin.load_state_dict(copy.deepcopy(method.state_dict()), strict=True)
    for number in (3, 4):
        ours, theirs = step(method, source, number), step(twin, source, number)
        assert ours.loss.item() == theirs.loss.item()
        assert same(method.state_dict(), twin.state_dict())


def test_order_of_the_batch_does_not_matter(case):
    config, method, source = case
    if config.settings.get("top_k", 1) > 1:
        pytest.skip("one of the k nearest is drawn per row, in row order")
    if config.settings.get("norm", "plain") != "plain":
        pytest.skip("which images share a part of the batch is meant to matter")
    if config.method == "instdisc":
        pytest.skip("noise is drawn per row, in row order")
    if 0 < config.settings.get("right_share", 0) < 1:
        pytest.skip("whether a neighbour is right is drawn per row, in row order")
    for number in range(2):
        step(method, source, number)
    batch = source.at(2)
    order = torch.randperm(len(batch.index), generator=torch.Generator().manual_seed(1))
    fields = {"views": tuple(v[order] for v in batch.views), "index": batch.index[order]}
    if method.needs_labels:
        fields["label"] = batch.label[order]
    shuffled = type(batch)(**{**vars(batch), **fields})
    assert method.loss(shuffled, 0.0).loss.item() == pytest.approx(method.loss(batch, 0.0).loss.item(), rel=1e-4)


def test_two_images_are_enough(case):
    config, _, _ = case
    if config.settings.get("norm", "plain") != "plain":
        pytest.skip("two parts of two images need four")
    config = config.with_changes(**{"plan.batch_size": 2})
    train, _ = load(config.data)
    method = initial_method(config)
    assert step(method, batches_of(config, train, method), 0).loss.isfinite()


def test_only_declared_oracles_get_labels(case):
    _, method, source = case
    assert hasattr(source.at(0), "label") == method.needs_labels


def test_bf16_stays_finite(case):
    _, method, source = case
    with torch.autocast("cpu", torch.bfloat16):
        out = step(method, source, 0)
    assert out.loss.isfinite() and out.loss.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_written_once_and_described(name):
    import inspect

    source = inspect.getsource(inspect.getmodule(methods.method_class(name)))
    body = source.split("class Config:")[1].split("@final")[0]
    fields = [line for line in body.splitlines() if ":" in line]
    assert fields and all("#" in line for line in fields), "a setting says what it is, with unit or source"
    lines = (inspect.getmodule(methods.method_class(name)).__doc__ or "").strip().splitlines()
    assert lines and len(lines[0]) > 20 and len(lines) > 1, "the file says what the method is, then where it is from"


def test_no_method_imports_another():
    from pathlib import Path

    folder = Path(methods.__file__).parent
    for name in NAMES:
        text = (folder / f"{name}.py").read_text("utf-8")
        assert not any(f"methods.{other} " in text or f"methods import {other}" in text for other in NAMES)
