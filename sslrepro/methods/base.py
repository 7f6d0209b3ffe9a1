"""The contract of a method."""

import abc
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from sslrepro.types import Batch, Step


class Method(nn.Module, abc.ABC):
    """A self-supervised method: an encoder, what it is trained with, and the state it keeps.

    `loss` reads and `after_step` writes. The loop calls them in turn and owns everything else: data, optimizer,
    precision, checkpoints, logging. All state is in parameters and buffers, so the checkpoint has all of it.

    encoder        the network that every evaluation reads
    config         the frozen dataclass `Config` of the method's file, with the cited paper's defaults
    """

    needs_labels: bool = False  # True only for declared oracles: their batches are LabelledBatch
    n_support: int = 0  # fresh images the method wants with each batch
    clip_norm: ClassVar[float | None] = None  # largest norm of the whole gradient, where the paper clips

    encoder: nn.Module

    @abc.abstractmethod
    def loss(self, batch: Batch, progress: float) -> Step:
        """The loss of a batch. Reads state, writes none (batch-norm statistics aside).

        progress   share of training done, in [0, 1)
        """

    def after_step(self, step: Step, progress: float) -> None:
        """Write what the step leaves behind: queues, teachers. Called once after the optimizer's step."""

    def refresh(self, encode: Callable[[nn.Module], Tensor], progress: float) -> None:
        """Re-mine the whole set before an epoch (few methods do).

        encode   maps a network to its outputs [n d] on all un-augmented training images, in data-set order, in
                 eval mode and without gradient
        """
