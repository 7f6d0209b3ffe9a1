"""One pass of a network over un-augmented images, shared by mining and evaluation."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sslrepro.base.types import Float
from sslrepro.data.dataset import Dataset
from sslrepro.data.views import plain_batches, prepare_views


@contextlib.contextmanager
def eval_mode(net: nn.Module) -> Iterator[nn.Module]:
    """Eval mode and no gradient inside the block, and nothing compiled; every module's own mode is back after it."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):  # shapes seen once are not worth compiling
            yield net
    finally:
        for module, mode in modes:
            module.training = mode


def encode_images(
    net: nn.Module, data: Dataset, normalise: tuple[tuple[float, ...], tuple[float, ...]], batch_size: int = 1024
) -> Float[Tensor, "n d"]:
    """Outputs for all images, un-augmented, in data-set order, float32, on the data's device."""
    out, first = torch.empty(0), 0
    with eval_mode(net):
        for x in plain_batches(data, batch_size):
            rows = net(prepare_views(x, normalise)).float()
            if not first:  # in one piece: thousands of small ones would split the memory that batches are made in
                out = rows.new_empty(len(data), *rows.shape[1:])
            out[first : first + len(rows)] = rows
            first += len(rows)
    return out
