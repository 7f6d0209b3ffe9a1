"""Optimizers and the learning-rate schedule."""

import math

import torch
from torch import nn

from sslrepro.base.errors import one_of


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose step is scaled per tensor to its norm (You et al. 2017, arXiv:1708.03888).

    step = lr * trust * |w| / |g + weight_decay w|; groups with `adapt=False` (biases, norms) take plain steps.
    The learning rate stays outside the momentum buffer, as in BYOL, VICReg and Barlow Twins.
    """

    def __init__(self, params, lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust, adapt=True))

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = parameter.grad + group["weight_decay"] * parameter
                if group["adapt"]:
                    weight_norm, update_norm = parameter.norm(), update.norm()
                    scale = group["trust"] * weight_norm / update_norm
                    usable = (weight_norm > 0) & (update_norm > 0)
                    update = update * torch.where(usable, scale, torch.ones_like(scale))
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                state["momentum_buffer"].mul_(group["momentum"]).add_(update)
                parameter.sub_(state["momentum_buffer"], alpha=group["lr"])


def parameter_groups(module: nn.Module, weight_decay: float, constant: tuple[str, ...] = ()) -> list[dict]:
    """Two groups: weights (decayed, adapted) and biases and norms (neither); each trainable parameter is in one.

    constant   submodules whose learning rate is not scheduled: two more groups, marked `constant`
    """
    kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            fixed = any(name.startswith(f"{part}.") for part in constant)
            kinds.setdefault((fixed, parameter.ndim <= 1), []).append(parameter)
    groups = []
    for (fixed, plain), parameters in sorted(kinds.items(), key=lambda item: item[0]):
        group = dict(params=parameters, weight_decay=0.0 if plain else weight_decay)
        groups.append(group | (dict(adapt=False) if plain else {}) | (dict(constant=True) if fixed else {}))
    return groups


def optimizer(
    name: str, module: nn.Module, lr: float, weight_decay: float, momentum: float, constant: tuple[str, ...] = ()
) -> torch.optim.Optimizer:
    """ "sgd", "adamw" or "lars" over a module; biases and norms are neither decayed nor adapted.

    `momentum` is SGD's and LARS's; AdamW keeps its betas of 0.9 and 0.999.
    """
    one_of(name, ("sgd", "adamw", "lars"), "parts.optimizer", "name")
    groups = parameter_groups(module, weight_decay, constant)
    if name == "lars":
        return LARS(groups, lr, momentum)
    for group in groups:
        group.pop("adapt", None)
    if name == "sgd":
        return torch.optim.SGD(groups, lr, momentum=momentum, fused=True)
    return torch.optim.AdamW(groups, lr, fused=True)


def warmup_cosine(progress: float, warmup: float) -> float:
    """Factor on the learning rate: linear from 0 over the first `warmup` share of training, then a half cosine to 0.

    progress   share of the steps done, in [0, 1);  warmup   in [0, 1)
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
