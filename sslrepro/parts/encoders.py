"""Encoders: what evaluation keeps. Each maps images [b 3 h w] to features [b dim] and exposes `dim`."""

import difflib
import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sslrepro.base.errors import require
from sslrepro.base.types import Float
from sslrepro.parts.backbones import backbone, is_backbone, torchvision_names
from sslrepro.parts.convolution import Convolution


def average_places(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """Global average pooling, to the bit `x.mean((2, 3))`, whose gradient keeps the layout of channels-last features.

    That of `mean((2, 3))` comes channels first, and the ReLU before it then takes ten times as long on a processor.

    >>> average_places(torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3])
    """
    if not x.is_contiguous(memory_format=torch.channels_last):
        return x.mean((2, 3))
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)


class Conv(nn.Module):
    """Three 3x3 convolutions with batch norm, ReLU and global average pooling, for the CPU.

    93,248 parameters at widths 32-64-128; the strides 2-1-2 turn 16 px into 8, 8 and 4.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128), strides: tuple[int, ...] = (2, 1, 2)):
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out, stride in zip((3, *widths[:-1]), widths, strides, strict=True):
            convolution = Convolution(n_in, n_out, 3, stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.dim = widths[-1]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        return average_places(self.layers(x))


class SmallResNet(nn.Module):
    """A ResNet of three stages with one basic block each, on torchvision's block: ResNet-8, for the CPU.

    width   channels of the stem and of the first stage; they double from stage to stage, and `dim` is four times it.
            The stem is a 3x3 convolution of stride 2, so that 32 px become 16, 16, 8 and 4: a quarter of the
            arithmetic that a stem of stride 1 would need. 307,360 parameters at width 32.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        from torchvision.models.resnet import BasicBlock

        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(width)]
        layers.append(nn.ReLU(inplace=True))
        for n_in, n_out, stride in ((width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)):
            change = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
            layers.append(BasicBlock(n_in, n_out, stride, change if stride > 1 else None))
        self.layers = nn.Sequential(*layers)
        self.dim = 4 * width
        for module in self.modules():  # as torchvision starts a ResNet
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                module.__class__ = Convolution  # torchvision's block makes its own; nothing but the gradient differs

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        return average_places(self.layers(x))


def resnet(depth: int, cifar_stem: bool) -> nn.Module:
    """torchvision's ResNet without its classifier; its state dict loads into torchvision's (`strict=False` for fc).

    Residual branches start as torchvision starts them. SimSiam, VICReg and Barlow Twins start them at zero in their
    code (`zero_init_residual`); not here, so that all methods share the first weights.
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


def alexnet(cifar_stem: bool) -> nn.Module:
    """The five convolutions of torchvision's AlexNet, averaged over places; `dim` 256.

    Its state dict loads into torchvision's (`strict=False` for the classifier). The CIFAR stem has a 3x3 convolution
    of stride 1 for the 11x11 of stride 4 and poolings of 2 px: 32 px leave 4x4 places.
    """
    import torchvision

    features = torchvision.models.alexnet(weights=None).features
    if cifar_stem:
        features[0] = nn.Conv2d(3, 64, 3, stride=1, padding=1)
        features[2], features[5], features[12] = nn.MaxPool2d(2), nn.MaxPool2d(2), nn.MaxPool2d(2)
    return _Averaged(features, 256)


class _Averaged(nn.Module):
    def __init__(self, features: nn.Module, dim: int):
        super().__init__()
        self.features = features
        self.dim = dim

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        return average_places(self.features(x))


def vit(patch: int, dim: int, depth: int, heads: int, side: int) -> nn.Module:
    """torchvision's vision transformer without its classifier; positions are interpolated, so any side will do.

    patch   px;  side   px for which positions are learned. Its state dict loads into torchvision's
    (`strict=False` for the head).
    """
    from torchvision.models import VisionTransformer

    class ViT(VisionTransformer):
        def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
            x = self.conv_proj(x)
            rows, columns = x.shape[2:]
            x = torch.cat([self.class_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
            return self.encoder.ln(self.encoder.layers(self.encoder.dropout(x + self.positions(rows, columns))))[:, 0]

        def positions(self, rows: int, columns: int) -> Tensor:
            positions = self.encoder.pos_embedding
            grid = int((positions.shape[1] - 1) ** 0.5)
            if (rows, columns) == (grid, grid):
                return positions
            square = positions[:, 1:].transpose(1, 2).unflatten(2, (grid, grid))
            square = nn.functional.interpolate(square, (rows, columns), mode="bicubic", align_corners=False)
            return torch.cat([positions[:, :1], square.flatten(2).transpose(1, 2)], 1)

    net = ViT(side, patch, depth, heads, dim, 4 * dim)
    net.dim = dim
    net.heads = nn.Identity()
    return net


ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: Conv(),
    "conv-tiny": lambda: Conv((16, 32), (2, 2)),  # smoke: seconds per page
    "resnet8": lambda: SmallResNet(),
    "resnet8-wide": lambda: SmallResNet(64),  # night on photographs (docs/adr/0012)
    "resnet18-cifar": lambda: resnet(18, cifar_stem=True),
    "resnet50-cifar": lambda: resnet(50, cifar_stem=True),
    "alexnet-cifar": lambda: alexnet(cifar_stem=True),
    "alexnet": lambda: alexnet(cifar_stem=False),
    "vit-small": lambda: vit(patch=4, dim=192, depth=6, heads=3, side=32),
    "resnet18": lambda: resnet(18, cifar_stem=False),
    "resnet50": lambda: resnet(50, cifar_stem=False),
}


def encoder(name: str) -> nn.Module:
    """A freshly initialised encoder by name; draws from torch's global generator, which the caller seeds.

    name   of this file, else of torchvision's classifiers, or `timm/<model>` (parts/backbones.py)

    Raises ValueError for another name, and where timm is asked for and not installed.
    """
    require_name(name, "parts.encoder", "name")
    return (ENCODERS[name]() if name in ENCODERS else backbone(name)).to(memory_format=torch.channels_last)


@functools.cache
def require_side(name: str, side: int, owner: str) -> None:
    """Raise ValueError where images of a side are too small for an encoder's pooling; reckons with shapes alone."""
    if name not in ENCODERS:  # other packages' need not run without numbers
        return
    try:
        with torch.device("meta"), torch.no_grad():
            encoder(name).eval()(torch.empty(1, 3, side, side))
    except RuntimeError as error:  # what else there is to say is said where it is trained
        small = "too small" in str(error)
        require(not small, owner, "side of a view", f"large enough for {name}", f"{side} px", "Raise data.side.")


def require_name(name: str, owner: str, argument: str = "encoder") -> str:
    """Return a name of an encoder; raises ValueError with the nearest for another. timm's are looked up when built."""
    if isinstance(name, str) and (name in ENCODERS or is_backbone(name)):
        return name
    listed = [*ENCODERS, "timm/<model>"]
    near = difflib.get_close_matches(str(name), [*ENCODERS, *torchvision_names()], 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    allowed = f"one of {', '.join(listed)} or a classifier of torchvision"
    require(False, owner, argument, allowed, name, hint.strip())
