"""Encoders of other packages by name: torchvision's classifiers and timm's models, each without its classifier."""

import difflib
import functools
import re
from typing import Any

import torch
from torch import nn

from sslrepro.base.errors import require

TIMM = "timm/"  # what names of timm's models begin with
WITHOUT_AUXILIARY = {"aux_logits": False, "init_weights": True}  # of the two networks that have several classifiers


@functools.cache
def torchvision_names() -> tuple[str, ...]:
    """torchvision's classifiers, sorted."""
    from torchvision import models

    return tuple(models.list_models(module=models))


def is_backbone(name: str) -> bool:
    """Whether a name can be one of another package: in torchvision's list, or of timm, which need not be installed.

    >>> is_backbone("mobilenet_v3_small"), is_backbone("timm/convnext_atto"), is_backbone("convnext_atto")
    (True, True, False)
    """
    return bool(re.fullmatch(r"timm/[\w.-]+", name)) or name in torchvision_names()


def backbone(name: str) -> nn.Module:
    """A freshly initialised network that maps images [b 3 h w] to features [b dim]; its tensors keep their names.

        name   "mobilenet_v3_small", ... of torchvision, or "timm/convnext_atto", ... of timm

    Draws from torch's global generator. Raises ValueError for a network without a linear classifier of 1,000 classes,
    a model that timm has not, and where timm is not installed.

    >>> backbone("mobilenet_v3_small").dim
    1024
    """
    return _of_timm(name.removeprefix(TIMM)) if name.startswith(TIMM) else _of_torchvision(name)


def _of_torchvision(name: str) -> nn.Module:
    from torchvision import models

    more = WITHOUT_AUXILIARY if name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=None, **more)
    linear = [(path, module) for path, module in net.named_modules() if isinstance(module, nn.Linear)]
    whole = bool(linear) and linear[-1][1].out_features == 1000
    require(whole, "parts.encoder", "name", "a network that ends with a linear classifier", name)
    path, last = linear[-1]
    owner, _, attribute = path.rpartition(".")
    setattr(net.get_submodule(owner), attribute, nn.Identity())
    net.dim = last.in_features
    return net


def timm_package(owner: str) -> Any:
    """timm; raises ValueError with what to install where it is not there."""
    try:
        import timm
    except ImportError:
        raise ValueError(f"{owner}: timm is not installed. `pip install timm==1.0.31`.") from None
    return timm


def _of_timm(name: str) -> nn.Module:
    timm = timm_package("parts.encoder")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 1)
        hint = f"Did you mean '{TIMM}{near[0]}'?" if near else ""
        require(False, "parts.encoder", "name", "a model of timm", TIMM + name, hint)
    net = timm.create_model(name, pretrained=False, num_classes=0)
    net.dim = getattr(net, "head_hidden_size", None) or net.num_features
    return net


def require_side(name: str, net: nn.Module, side: int) -> None:
    """Raise ValueError where a network does not map images of `side` px to rows of `dim` features.

    Transformers with fixed positions take one size alone, deep networks have a least one.
    """
    mode = net.training
    try:
        with torch.no_grad():
            shape = tuple(net.eval()(torch.zeros(2, 3, side, side)).shape)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(
            f"parts.encoder: {name} does not take images of {side} px ({' '.join(str(error).split())}). "
            "Choose another --side, 224 for most."
        ) from None
    finally:
        net.train(mode)
    require(shape == (2, net.dim), "parts.encoder", f"features of {name} at {side} px", f"[2 {net.dim}]", shape)
