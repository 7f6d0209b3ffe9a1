"""The records passed between rooms, and the shape annotations they are written in.

Axis letters: b batch, v view, n images in a set, c channels, h w pixels, f feature width, d embedding width,
a anchors, k keys, m rows of a memory.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

try:
    from jaxtyping import Bool, Float, Int, UInt8
except ImportError:  # jaxtyping checks shapes in tests; running needs only torch (see requirements.txt)

    class _Unchecked:
        def __getitem__(self, item: Any) -> type[Tensor]:
            return Tensor

    Bool = Float = Int = UInt8 = _Unchecked()

__all__ = ["Batch", "Bool", "Features", "Float", "Int", "LabelledBatch", "Step", "UInt8"]


@dataclass(frozen=True)
class Batch:
    """What a method sees: augmented views and the data-set index of every image; never a label.

    views     one tensor [b c h w] per view; the first two are the large ones when crops differ in size
    index     data-set index of each row
    seed      of this batch: methods draw their own random numbers from `generator()`, so a step can be replayed
    support   one view of other, freshly drawn images, for methods that declare `n_support`; else None
    partner   data-set index of the image that views 1, 2, ... of a row show; None: every view shows `index`
    weight    of each row in the loss; None: all 1
    partners_repel   whether other views of a pair row's two images are negatives like any others
    """

    views: tuple[Float[Tensor, "b c _ _"], ...]
    index: Int[Tensor, " b"]
    seed: int
    support: Float[Tensor, "s c h w"] | None = None
    support_index: Int[Tensor, " s"] | None = None
    partner: Int[Tensor, " b"] | None = None
    weight: Float[Tensor, " b"] | None = None
    partners_repel: bool = False

    def image(self, view: int) -> Int[Tensor, " b"]:
        """Data-set index of the image that a view shows: of `partner` in the later views of pair rows."""
        return self.index if view == 0 or self.partner is None else self.partner

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """A fresh generator, the same every time for the same batch."""
        return torch.Generator(device).manual_seed(self.seed)


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """A batch for the declared oracles (`needs_labels`): SupCon, oracle nearest neighbour."""

    label: Int[Tensor, " b"] = field(kw_only=True)


@dataclass(frozen=True)
class Step:
    """What `Method.loss` returns.

    loss      scalar to minimise
    metrics   detached scalars, copied to the host only when logged
    carry     detached tensors that `after_step` writes to memory
    mined     (anchor index, positive index) for methods whose positives are other images; -1 where there is none.
              The loop looks up the labels, the method never does.
    """

    loss: Float[Tensor, ""]
    metrics: dict[str, Tensor] = field(default_factory=dict)
    carry: tuple[Tensor, ...] = ()
    mined: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Features:
    """Frozen-encoder features of one split, float32, in data-set order."""

    x: Float[Tensor, "n f"]
    y: Int[Tensor, " n"]
