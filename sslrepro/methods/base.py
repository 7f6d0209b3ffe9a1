"""The contract of a method."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Int, Step
from sslrepro.parts.memory import unit


class Method(nn.Module, abc.ABC):
    """A self-supervised method: an encoder, what it is trained with, and the state it keeps.

    `loss` reads and `after_step` writes. The loop calls them in turn and owns everything else: data, optimizer,
    precision, checkpoints, logging. All state is in parameters and buffers, so the checkpoint has all of it.

    encoder        the network that every evaluation reads
    projector      the head of the loss, where there is one
    config         the frozen dataclass `Config` of the method's file, with the cited paper's defaults

    >>> class Attract(Method):
    ...     n_views = 2
    ...     def __init__(self, encoder):
    ...         super().__init__()
    ...         self.encoder, self.projector = encoder, nn.Linear(encoder.dim, 8)
    ...     def loss(self, batch, progress):
    ...         z1, z2 = (self.embed(view) for view in batch.views)
    ...         return Step(-(z1 * z2).sum(1).mean())
    >>> from sslrepro import TrainingConfig, batches_for, fit, load
    >>> from sslrepro.parts.encoders import encoder
    >>> images, _ = load("digits", n_train=32)
    >>> plan = TrainingConfig(epochs=1, batch_size=16)
    >>> trained = fit(Attract(encoder("conv-tiny")), batches_for(Attract, images, batch_size=16), plan)
    >>> trained.embed(batches_for(Attract, images, batch_size=16).at(0).views[0]).shape
    torch.Size([16, 8])
    """

    needs_labels: bool = False  # True only for declared oracles: their batches are LabelledBatch
    n_views: int | None = None  # views a batch needs; fewer or more than the recipe has; None: as the recipe
    n_support: int = 0  # fresh images the method wants with each batch
    clip_norm: ClassVar[float | None] = None  # largest norm of the whole gradient, where the paper clips
    pair_weight: float | None = None  # in the loss, of training rows from `pairs`; None: as all rows
    n_versions: ClassVar[int] = 1  # of every view that the method builds itself and encodes (Rotation: four)
    diagnostic: ClassVar[bool] = False  # an experiment of this book, not a paper's method: in no comparison of methods
    has_trials: ClassVar[bool] = True  # False: a baseline of printed tables, at its defaults alone, not on equal terms
    alternatives: ClassVar[tuple[dict[str, Any], ...]] = ()  # settings printed beside the defaults, for trials
    constant_lr: ClassVar[tuple[str, ...]] = ()  # parts whose learning rate is not scheduled (SimSiam's predictor)

    encoder: nn.Module
    projector: nn.Module

    def embed(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Unit embeddings: the projector's output on the features, divided by its norm."""
        return unit(self.projector(self.encoder(view)))

    def forward(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """`embed`, so that a method is also the network a sampler needs: encoder and head."""
        return self.embed(view)

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

    def pairs(self, encode: Callable[[Tensor], Tensor], n_images: int) -> tuple[Tensor, Tensor] | None:
        """Further training rows, each of two different images: (pairs [p 2], cosines [p]), or None (all but SePP-ID).

        encode   maps data-set indices to the sampler's unit embeddings [n d] of the un-augmented images

        A declared oracle (`needs_labels`) is given the class of every image as well, `labels` [n].
        """
        return None

    @property
    def pseudo_labels(self) -> Int[Tensor, "l n"] | None:
        """Labels the method made up, one row per clustering, own labels negative; the loop measures them."""
        return None

    @property
    def reports(self) -> dict[str, float]:
        """Counts of the last `refresh` that are worth a place in the log: passes, refused pairs, caps that were met."""
        return {}

    @property
    def relations(self) -> Int[Tensor, "n k"] | None:
        """Images the method holds to be like each image, -1 for none; measured like `pseudo_labels`."""
        return None
