"""Encoders: what evaluation keeps. Each maps images [b 3 h w] to features [b dim] and exposes `dim`."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sslrepro.check import one_of
from sslrepro.types import Float


class Conv(nn.Module):
    """Three 3x3 convolutions with batch norm, ReLU and global average pooling, for the CPU.

    93,248 parameters at widths 32-64-128; the strides 2-1-2 turn 16 px into 8, 8 and 4.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128), strides: tuple[int, ...] = (2, 1, 2)):
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out, stride in zip((3, *widths[:-1]), widths, strides, strict=True):
            convolution = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.dim = widths[-1]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        return self.layers(x).mean((2, 3))


def resnet(depth: int, cifar_stem: bool) -> nn.Module:
    """torchvision's ResNet without its classifier; its state dict loads into torchvision's (`strict=False` for fc).

    The CIFAR stem is a 3x3 convolution of stride 1 and no max-pooling.
    """
    import torchvision

    net = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    net.dim = net.fc.in_features
    net.fc = nn.Identity()
    if cifar_stem:
        net.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        net.maxpool = nn.Identity()
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    return net


ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: Conv(),
    "conv-tiny": lambda: Conv((16, 32), (2, 2)),  # smoke: seconds per page
    "resnet18-cifar": lambda: resnet(18, cifar_stem=True),
    "resnet50-cifar": lambda: resnet(50, cifar_stem=True),
    "resnet18": lambda: resnet(18, cifar_stem=False),
    "resnet50": lambda: resnet(50, cifar_stem=False),
}


def encoder(name: str) -> nn.Module:
    """A freshly initialised encoder by name; draws from torch's global generator, which the caller seeds."""
    one_of(name, ENCODERS, "parts.encoder", "name")
    return ENCODERS[name]().to(memory_format=torch.channels_last)
