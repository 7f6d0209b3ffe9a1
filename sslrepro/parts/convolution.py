"""The gradient of a convolution's weights as one matrix product, where the library's own takes several times as long.

On processors with tiles for bf16 (Intel, AMX) oneDNN's gradient of the weights takes three to six times the forward
pass where images are a few pixels wide (benchmarks/NOTES.md has the times).
"""

import functools

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sslrepro.base.types import Float

FEW_PLACES = 16  # of the output, up to which gathering the windows of a wider kernel costs less than it saves


@functools.cache
def has_tiles() -> bool:
    """Whether this processor multiplies bf16 matrices in tiles (AMX), as torch sees it."""
    return torch.cpu._is_amx_tile_supported()


def windows(x: Float[Tensor, "b c h w"], kernel: int, stride: int, padding: int) -> Float[Tensor, "n f"]:
    """The window under the kernel at each place of the output, as a row: its rows, columns, channels."""
    x = F.pad(x, (padding,) * 4).permute(0, 2, 3, 1)
    x = x.unfold(1, kernel, stride).unfold(2, kernel, stride)  # [b h w c rows columns]
    return x.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)


def weight_gradient(
    x: Float[Tensor, "b c h w"], grad: Float[Tensor, "b o p q"], kernel: int, stride: int, padding: int
) -> Float[Tensor, "o c k k"]:
    """Gradient of a square kernel without groups or dilation, from that of the output.

    dW[o, c, i, j] = sum over b, p, q of grad[b, o, p, q] x[b, c, p stride + i - padding, q stride + j - padding]
    """
    rows = windows(x, kernel, stride, padding)
    product = grad.permute(0, 2, 3, 1).flatten(0, 2).t() @ rows
    return product.unflatten(1, (kernel, kernel, x.shape[1])).permute(0, 3, 1, 2)


class _ByProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding
        mask = [ctx.needs_input_grad[0], False, False]
        place = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1
        of_x = torch.ops.aten.convolution_backward(grad, x, weight, None, *place, mask)[0]
        return of_x, weight_gradient(x, grad, weight.shape[2], stride, padding), None, None


class Convolution(nn.Conv2d):
    """A square convolution without bias, groups or dilation, which takes the product where that is the quicker one.

    That is in bf16 on a processor with tiles, for outputs of few places and for kernels of one pixel that leave places
    out. The result is that of `nn.Conv2d` to the bit, and the gradient of the weights but for its rounding.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o p q"]:
        if not self.takes_product(x):
            return super().forward(x)
        x, weight = x.bfloat16(), self.weight.bfloat16()
        return _ByProduct.apply(x, weight, self.stride[0], self.padding[0])

    def takes_product(self, x: Tensor) -> bool:
        """Whether the gradient of the weights is wanted, in bf16, at a size at which the product is the quicker one."""
        if x.device.type != "cpu" or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        if not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") != torch.bfloat16 or not has_tiles():
            return False
        kernel, stride, padding = self.kernel_size[0], self.stride[0], self.padding[0]
        if kernel == 1:
            return stride > 1
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:])
        return height * width <= FEW_PLACES
