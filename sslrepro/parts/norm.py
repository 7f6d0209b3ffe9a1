"""Batch norm over parts of a batch, and over the batches of several processes."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sslrepro.base.errors import require
from sslrepro.base.types import Float
from sslrepro.parts.distributed import all_reduce, world_size
from sslrepro.parts.memory import precise


class SplitBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics come from `groups` parts of the batch: what a device per part would see (MoCo).

    Row i belongs to part i mod groups. Names of the state are those of `BatchNorm2d`; the running statistics are means
    over parts. Raises ValueError for a batch that the parts do not share evenly.
    """

    groups: int = 1

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if not self.training or self.groups == 1:
            return super().forward(x)
        b, c, h, w = x.shape
        allowed = f"such that batches (here {b} images) split into parts of at least 2"
        require(b % self.groups == 0 and b >= 2 * self.groups, "SplitBatchNorm", "groups", allowed, self.groups)
        mean, var = self.running_mean.repeat(self.groups), self.running_var.repeat(self.groups)
        parts = x.reshape(b // self.groups, self.groups * c, h, w)
        weight, bias = self.weight.repeat(self.groups), self.bias.repeat(self.groups)
        out = nn.functional.batch_norm(parts, mean, var, weight, bias, True, self.momentum, self.eps)
        with torch.no_grad():
            self.running_mean.copy_(mean.view(self.groups, c).mean(0))
            self.running_var.copy_(var.view(self.groups, c).mean(0))
            self.num_batches_tracked += 1
        rows_of_pixels = not x.is_contiguous(memory_format=torch.channels_last)
        form = torch.contiguous_format if rows_of_pixels else torch.channels_last
        return out.reshape(b, c, h, w).contiguous(memory_format=form)  # as it came in: the next convolution's layout


def split_norms(net: nn.Module, groups: int) -> nn.Module:
    """The network with every 2-d batch norm replaced in place by one over `groups` parts; same state dict."""
    for name, child in net.named_children():
        if isinstance(child, nn.BatchNorm2d):
            new = SplitBatchNorm(child.num_features, child.eps, child.momentum)
            new.load_state_dict(child.state_dict())
            new.groups = groups
            setattr(net, name, new.to(child.weight).train(child.training))
        else:
            split_norms(child, groups)
    return net


class SyncedBatchNorm(_BatchNorm):
    """Batch norm over the rows of all processes, on any device (torch's own runs on GPUs only)."""

    def _check_input_dim(self, x: Tensor) -> None:
        require(x.ndim >= 2, "SyncedBatchNorm", "x", "[b c ...]", list(x.shape))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        over = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        with torch.autocast(x.device.type, enabled=False):
            wide = precise(x)
            n = x.numel() // x.shape[1] * world_size()
            mean = all_reduce(wide.sum(over)) / n
            centred = wide - mean.view(shape)
            var = all_reduce(centred.square().sum(over)) / n
            out = centred * (var + self.eps).rsqrt().view(shape)
            if self.affine:
                out = out * self.weight.view(shape) + self.bias.view(shape)
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_((var * n / (n - 1)).to(self.running_var.dtype), self.momentum)
            self.num_batches_tracked += 1
        return out.to(x.dtype)


def synced_norms(net: nn.Module) -> nn.Module:
    """The network with every batch norm replaced in place by one over all processes; same state dict.

    Raises ValueError for a norm that is split into groups: several processes need no stand-in for several devices.
    """
    for name, child in net.named_children():
        if isinstance(child, _BatchNorm):
            groups = getattr(child, "groups", 1)
            require(groups == 1, "synced_norms", "norm", "'plain' with several processes", f"{groups} groups")
            new = SyncedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            new.load_state_dict(child.state_dict())
            for own, old in zip(new.parameters(), child.parameters(), strict=True):
                own.requires_grad_(old.requires_grad)
            setattr(net, name, new.to(child.running_mean).train(child.training))
        else:
            synced_norms(child)
    return net
