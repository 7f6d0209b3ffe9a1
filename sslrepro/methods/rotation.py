"""Rotation: every image is shown in four orientations, and a classifier says by how much each was turned.

Gidaris et al., "Unsupervised Representation Learning by Predicting Image Rotations", ICLR 2018, arXiv:1803.07728,
Eq. 1-3.
No two images and no two views of one image are compared: no negatives, no teacher, no memory. All orientations of an
image are in the same batch, as in the paper, which found this better than one drawn at random.

The paper's views are crops and mirrors; here views are the scale's, the same for every method.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import choice
from sslrepro.parts.memory import precise, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.pretext import turn_images


@dataclass(frozen=True)
class Config:
    rotations: str = choice("0 90 180 270", "0 180", "90 270")  # degrees, Table 2 (there also multiples of 45)


@final
class Rotation(Method):
    """Prediction of rotations."""

    n_views = 1
    n_versions = 4
    has_trials = False

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.degrees = tuple(map(int, config.rotations.split()))
        self.projector = nn.Identity()  # the embedding is the features themselves
        self.classifier = nn.Linear(encoder.dim, len(self.degrees))

    def versions(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "t c h w"]:
        """g(X | y) of Eq. 1 for every rotation y: all images by the first angle, then by the second, and so on."""
        return turn_images(view, self.degrees)

    def loss(self, batch: Batch, progress: float) -> Step:
        view = batch.views[0]
        features = self.encoder(self.versions(view))
        scores = precise(self.classifier(features))
        angle = torch.arange(len(self.degrees), device=view.device).repeat_interleave(len(view))
        loss = nn.functional.cross_entropy(scores, angle)  # Eq. 2-3: the mean over images and rotations
        right = (scores.detach().argmax(1) == angle).float().mean()
        return Step(loss, {"embedding_std": spread(unit(precise(features)[: len(view)])), "pretext_right": right})
