"""The weights' gradient as a matrix product: that of the convolution, taken where it is the quicker one and nowhere else."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sslrepro.parts import convolution, encoders
from sslrepro.parts.convolution import Convolution, weight_gradient, windows

GEOMETRIES = [(3, 1, 1), (3, 2, 1), (1, 2, 0), (1, 1, 0), (5, 3, 2), (2, 2, 0)]  # kernel, stride, padding


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + shape[0]), dtype=torch.float64).to(
        dtype
    )


def by_loops(x, grad, kernel, stride, padding):
    """Sum over images and places of the output's gradient times what the kernel's element saw there."""
    x = F.pad(x, (padding,) * 4)
    out = torch.zeros(grad.shape[1], x.shape[1], kernel, kernel, dtype=torch.float64)
    for b, p, q, i, j in itertools.product(*map(range, (len(x), *grad.shape[2:], kernel, kernel))):
        out[:, :, i, j] += grad[b, :, p, q, None] * x[b, None, :, p * stride + i, q * stride + j]
    return out


@pytest.mark.parametrize(("height", "width"), [(5, 5), (6, 4)])
@pytest.mark.parametrize(("kernel", "stride", "padding"), GEOMETRIES)
def test_the_gradient_is_that_of_loops_and_of_torch(kernel, stride, padding, height, width):
    x, weight = drawn(3, 4, height, width), drawn(7, 4, kernel, kernel).requires_grad_()
    y = F.conv2d(x, weight, None, stride, padding)
    grad = drawn(*y.shape)
    y.backward(grad)
    product = weight_gradient(x, grad, kernel, stride, padding)
    assert torch.allclose(product, by_loops(x, grad, kernel, stride, padding), rtol=1e-12)
    assert torch.allclose(product, weight.grad, rtol=1e-12)
    assert torch.allclose(windows(x, kernel, stride, padding) @ weight.permute(0, 2, 3, 1).flatten(1).t(),
                          y.permute(0, 2, 3, 1).flatten(0, 2), rtol=1e-12)  # fmt: skip


@pytest.fixture(params=[True, False], ids=["tiles", "no tiles"])
def tiles(request, monkeypatch) -> bool:
    """A processor that has tiles, or has none, whatever the one at hand."""
    monkeypatch.setattr(convolution, "has_tiles", lambda: request.param)
    return request.param


def taken(layer: nn.Module, x: torch.Tensor) -> bool:
    return "ByProduct" in type(layer(x).grad_fn).__name__


@pytest.mark.parametrize(
    ("kernel", "stride", "side", "wanted"),
    [(3, 1, 4, True), (3, 2, 8, True), (3, 1, 5, False), (3, 2, 16, False), (1, 2, 16, True), (1, 1, 4, False)],
)
def test_it_is_taken_for_few_places_and_for_single_pixels_left_out(tiles, kernel, stride, side, wanted):
    layer, x = Convolution(2, 3, kernel, stride, padding=kernel // 2, bias=False), torch.ones(2, 2, side, side)
    with torch.autocast("cpu", torch.bfloat16):
        assert taken(layer, x) == (wanted and tiles)
        with torch.no_grad():
            assert layer(x).grad_fn is None
    assert not taken(layer, x), "in fp32"


@pytest.mark.parametrize("needs_input", [True, False])
def test_training_in_bf16_sees_the_gradients_that_it_saw(monkeypatch, needs_input):
    """Against the same layer without the product: rounding apart, and in the types that autocast gives."""
    x = drawn(16, 8, 4, 4, dtype=torch.float32)
    out = []
    for has_tiles in (False, True):
        monkeypatch.setattr(convolution, "has_tiles", lambda has_tiles=has_tiles: has_tiles)
        torch.manual_seed(0)
        layer, inner = Convolution(8, 16, 3, padding=1, bias=False), x.clone().requires_grad_(needs_input)
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(inner)
        y.float().square().sum().backward()
        out.append((y, layer.weight.grad, inner.grad))
    (y, of_weight, of_x), (y_product, of_weight_product, of_x_product) = out
    assert torch.equal(y, y_product) and y.dtype == torch.bfloat16
    assert of_weight_product.dtype == torch.float32 and of_weight_product.shape == of_weight.shape
    assert (of_weight - of_weight_product).norm() < 0.01 * of_weight.norm()
    assert torch.equal(of_x, of_x_product) if needs_input else of_x_product is None


@pytest.mark.parametrize("name", ["conv", "resnet8"])
def test_an_encoder_with_products_starts_and_is_stored_as_without(name, monkeypatch):
    """Its weights are drawn in the same order under the same names."""
    torch.manual_seed(0)
    net = encoders.encoder(name)
    monkeypatch.setattr(encoders, "Convolution", nn.Conv2d)
    torch.manual_seed(0)
    plain = encoders.encoder(name)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), plain.state_dict().values(), strict=True))
    assert list(net.state_dict()) == list(plain.state_dict())
    kinds = {type(module) for module in net.modules() if isinstance(module, nn.Conv2d)}
    assert kinds == {Convolution} and {type(m) for m in plain.modules() if isinstance(m, nn.Conv2d)} == {nn.Conv2d}


@pytest.mark.parametrize(
    ("name", "side", "n", "expected"),
    [
        ("resnet8", 32, 9, ["layers.4.downsample.0", "layers.5.conv1", "layers.5.conv2", "layers.5.downsample.0"]),
        ("conv", 16, 3, ["layers.6"]),
        ("conv", 32, 3, []),
    ],
)
def test_a_product_is_worth_its_place_in_the_encoder(tiles, name, side, n, expected):
    """ResNet-8 at 32 px: the two of the last stage's kernel and two shortcuts; of three at 16 px the last."""
    net, seen = encoders.encoder(name), []
    for name, module in net.named_modules():
        if isinstance(module, Convolution):
            module.register_forward_hook(lambda m, i, o, name=name: seen.append((name, type(o.grad_fn).__name__)))
    with torch.autocast("cpu", torch.bfloat16):
        net(torch.ones(2, 3, side, side))
    by_product = [name for name, kind in seen if "ByProduct" in kind]
    assert len(seen) == n and by_product == (expected if tiles else [])
