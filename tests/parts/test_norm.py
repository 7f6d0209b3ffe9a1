"""Batch norm over parts of a batch against one batch norm per part, and over processes against torch's."""

import copy

import pytest
import torch
from torch import nn

from sslrepro.parts.norm import SplitBatchNorm, SyncedBatchNorm, split_norms, synced_norms


def images(b: int, c: int = 3, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, 4, 5, generator=g, dtype=torch.float64) * 3 + torch.arange(b).view(b, 1, 1, 1)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2, eps=1e-3, momentum=0.3))
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), inner, nn.Flatten(), nn.BatchNorm1d(12))
    for parameter in net.parameters():  # scales and shifts that are not 1 and 0
        nn.init.normal_(parameter)
    net(torch.randn(8, 3, 4, 5))  # running statistics that are not those of a new layer
    return net


def split(groups: int, momentum: float = 0.1) -> SplitBatchNorm:
    norm = SplitBatchNorm(3, eps=1e-3, momentum=momentum).double()
    norm.groups = groups
    nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(1))
    nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(2))
    return norm


def plain(norm: SplitBatchNorm) -> nn.BatchNorm2d:
    norm_of_torch = nn.BatchNorm2d(3, norm.eps, norm.momentum).double()
    norm_of_torch.load_state_dict(norm.state_dict())
    return norm_of_torch


@pytest.mark.parametrize(("b", "groups"), [(8, 2), (12, 4), (6, 3), (8, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_part_has_a_batch_norm_of_its_own(b, groups, layout):
    norm = split(groups, momentum=0.3)
    for step in range(2):
        x = images(b, seed=step).contiguous(memory_format=layout).requires_grad_(True)
        parts = [plain(norm) for _ in range(groups)]
        out_of_parts, expected = norm(x), torch.zeros_like(x)
        for part, own in enumerate(parts):
            expected[part::groups] = own(x[part::groups])
        assert out_of_parts.allclose(expected, atol=1e-12)
        push = images(b, seed=9)
        a, c = (torch.autograd.grad((out * push).sum(), x, retain_graph=True)[0] for out in (out_of_parts, expected))
        assert a.allclose(c, atol=1e-12)
        for name in ("running_mean", "running_var"):
            mean = torch.stack([getattr(part, name) for part in parts]).mean(0)
            assert getattr(norm, name).allclose(mean, atol=1e-12)
        assert norm.num_batches_tracked == step + 1


def test_gradients_of_scale_and_shift_are_sums_over_parts():
    norm, x, push = split(3), images(6), images(6, seed=9)
    parts = [plain(norm) for _ in range(3)]
    (norm(x) * push).sum().backward()
    for part, own in enumerate(parts):
        (own(x[part::3]) * push[part::3]).sum().backward()
    for name in ("weight", "bias"):
        total = sum(getattr(part, name).grad for part in parts)
        assert getattr(norm, name).grad.allclose(total, atol=1e-10)


def test_parts_make_a_difference():
    x = images(8)
    assert not split(2)(x).allclose(split(4)(x), atol=0.1)


def test_eval_mode_is_plain_batch_norm_and_changes_nothing():
    norm = split(4)
    norm(images(8))
    state, torch_norm = copy.deepcopy(norm.state_dict()), plain(norm).eval()
    x = images(7)  # no part size divides it
    assert torch.equal(norm.eval()(x), torch_norm(x))
    assert all(torch.equal(value, state[name]) for name, value in norm.state_dict().items())


@pytest.mark.parametrize(("b", "groups"), [(7, 2), (10, 4), (4, 4)])
def test_batches_that_cannot_be_shared_say_so(b, groups):
    message = rf"SplitBatchNorm: groups must be such that batches \(here {b} images\) split .* at least 2, got {groups}"
    with pytest.raises(ValueError, match=message):
        split(groups)(images(b))


@pytest.mark.parametrize("swap", [lambda net: split_norms(net, 2), synced_norms])
def test_swapped_norms_keep_the_state_dict(swap):
    net = network()
    expected = copy.deepcopy(net.state_dict())
    swapped = swap(net)
    assert swapped is net and list(net.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[name]) for name, value in net.state_dict().items())
    network().load_state_dict(net.state_dict())


def test_split_norms_replaces_every_2d_norm_with_its_settings():
    net = split_norms(network(), 2)
    kinds = [type(net[place]) for place in (1, 5)]
    assert kinds == [SplitBatchNorm, nn.BatchNorm1d] and type(net[3][1]) is SplitBatchNorm
    assert [(norm.groups, norm.eps, norm.momentum) for norm in (net[1], net[3][1])] == [(2, 1e-5, 0.1), (2, 1e-3, 0.3)]


def test_synced_norms_equal_batch_norm_in_one_process():
    net, synced = network(), synced_norms(network())
    assert [type(m) for m in synced.modules()].count(SyncedBatchNorm) == 3
    for step in range(3):
        x = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(step))
        outs = [module(x) for module in (net, synced)]
        assert torch.equal(*outs)
        for out, module in zip(outs, (net, synced), strict=True):
            module.zero_grad()
            out.square().sum().backward()
        gradients = zip(net.parameters(), synced.parameters(), strict=True)
        assert all(torch.equal(a.grad, b.grad) for a, b in gradients)
    state = synced.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert torch.equal(net.eval()(x), synced.eval()(x))


def test_synced_norms_keep_what_is_frozen_and_what_has_no_scale():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine=False))
    net[0].bias.requires_grad_(False)
    synced_norms(net)
    assert net[0].weight.requires_grad and not net[0].bias.requires_grad
    assert list(net[1].parameters()) == [] and net(torch.randn(4, 3)).shape == (4, 3)


def test_split_norms_are_not_synced():
    with pytest.raises(ValueError, match="synced_norms: norm must be 'plain' with several processes, got '2 groups'"):
        synced_norms(split_norms(network(), 2))
