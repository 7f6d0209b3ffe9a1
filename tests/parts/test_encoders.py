"""Encoders: what evaluation keeps, and what others can load."""

import pytest
import torch
import torchvision

from sslrepro.parts.encoders import ENCODERS, average_places, encoder


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in ("alexnet", "resnet18", "resnet50")])
@pytest.mark.parametrize("side", [16, 32])
def test_features_have_the_width_that_is_exposed(name, side):
    net = encoder(name).eval()
    assert net(torch.randn(2, 3, side, side)).shape == (2, net.dim)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(24, 128, 4, 4), (3, 100, 6, 5), (1, 8, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_places_are_averaged_to_the_bit_and_the_gradient_keeps_the_layout(layout, shape, dtype):
    """Against the plain mean, forward and backward; its gradient is channels first whatever the features are."""
    torch.manual_seed(0)
    x = torch.randn(shape).to(dtype).to(memory_format=layout).requires_grad_()
    inner = x.detach().clone().requires_grad_()
    seen = []
    x.register_hook(seen.append)
    y, plain = average_places(x), inner.mean((2, 3))
    toward = torch.randn(plain.shape).to(dtype)
    y.backward(toward)
    plain.backward(toward)
    assert torch.equal(y, plain) and torch.equal(x.grad, inner.grad)
    assert y.shape == shape[:2] and y.is_contiguous()
    assert layout == torch.contiguous_format or seen[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["conv", "resnet8", "alexnet-cifar"])
def test_the_gradient_reaches_the_last_relu_in_its_own_layout(name):
    """Otherwise its backward takes ten times as long on a processor."""
    net, seen = encoder(name).to(memory_format=torch.channels_last), []

    def hear(module, inputs, out):
        seen.append(out.is_contiguous(memory_format=torch.channels_last))
        out.register_hook(lambda grad: seen.append(grad.is_contiguous(memory_format=torch.channels_last)))

    getattr(net, "features" if name == "alexnet-cifar" else "layers").register_forward_hook(hear)
    net(torch.randn(4, 3, 32, 32).to(memory_format=torch.channels_last)).square().sum().backward()
    assert seen == [True, True]


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "resnet50"])
def test_imagenet_stems_at_their_side(name):
    net = encoder(name).eval()
    assert net(torch.randn(1, 3, 224, 224)).shape == (1, net.dim)


@pytest.mark.parametrize(
    ("name", "theirs", "missing"),
    [
        ("resnet18", lambda: torchvision.models.resnet18(weights=None), "fc."),
        ("resnet50", lambda: torchvision.models.resnet50(weights=None), "fc."),
        ("alexnet", lambda: torchvision.models.alexnet(weights=None), "classifier."),
        ("vit-small", lambda: torchvision.models.VisionTransformer(32, 4, 6, 3, 192, 768), "heads."),
    ],
)
def test_torchvision_loads_the_state_dict(name, theirs, missing):
    """Every key of ours fits theirs; only their classifier is missing."""
    result = theirs().load_state_dict(encoder(name).state_dict(), strict=False)
    assert result.unexpected_keys == [] and result.missing_keys
    assert all(key.startswith(missing) for key in result.missing_keys)


def test_the_transformer_is_torchvisions_at_its_own_side():
    ours, theirs = encoder("vit-small").eval(), torchvision.models.VisionTransformer(32, 4, 6, 3, 192, 768).eval()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    theirs.heads = torch.nn.Identity()
    x = torch.randn(2, 3, 32, 32)
    assert ours(x).allclose(theirs(x), atol=1e-5)


@pytest.mark.parametrize(("name", "places"), [("alexnet-cifar", 4), ("resnet18-cifar", 4), ("resnet50-cifar", 4)])
def test_cifar_stems_keep_resolution(name, places):
    """32 px leave 4 x 4 places before the average, as the usual 3x3 stem does (not 5 x 5, as with padding 2)."""
    net, seen = encoder(name).eval(), []
    last = net.features if name == "alexnet-cifar" else net.layer4
    last.register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    net(torch.randn(1, 3, 32, 32))
    assert seen[0][2:] == (places, places)


@pytest.mark.parametrize(("name", "width"), [("resnet8", 32), ("resnet8-wide", 64)])
def test_a_small_resnet_is_eight_layers_deep(name, width):
    """The stem, three blocks of two convolutions, and the classifier that evaluation adds; shortcuts do not count."""
    net, seen = encoder(name).eval(), []
    deep = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3)]
    assert len(deep) + 1 == 8 and deep[0].weight.shape == (width, 3, 3, 3) and net.dim == 4 * width
    net.layers.register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    net(torch.randn(1, 3, 32, 32))
    assert seen[0][1:] == (4 * width, 4, 4)


def test_parameters_of_a_small_resnet_are_as_it_says():
    counted = f"{sum(weight.numel() for weight in encoder('resnet8').parameters()):,} parameters"
    assert counted in (type(encoder("resnet8")).__doc__ or "")


@pytest.mark.parametrize("name", ["conv", "resnet8", "alexnet-cifar", "vit-small"])
def test_a_safetensors_file_brings_it_back(name, tmp_path):
    from safetensors.torch import load_file, save_file

    first, second = encoder(name).eval(), encoder(name).eval()
    save_file({k: v.contiguous() for k, v in first.state_dict().items()}, tmp_path / "encoder.safetensors")
    second.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
    x = torch.randn(2, 3, 16, 16)
    assert second(x).equal(first(x))
