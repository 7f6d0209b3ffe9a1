"""Supervised: cross-entropy on the labels. An oracle: what the same encoder, views and steps reach with every label.

The classifier and loss of any textbook; for the field's comparison of such encoders with self-supervised ones see
Kornblith et al., "Do Better ImageNet Models Transfer Better?", CVPR 2019, arXiv:1805.08974.
"""

from dataclasses import dataclass
from typing import final

from torch import nn

from sslrepro.base.types import LabelledBatch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import classes
from sslrepro.parts.memory import precise, unit
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    n_classes: int = classes(1000)  # outputs of the classifier: the classes of the training set


@final
class Supervised(Method):
    """Classification of one view."""

    needs_labels = True
    n_views = 1

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = nn.Identity()  # the embedding is the features themselves
        self.classifier = nn.Linear(encoder.dim, config.n_classes)

    def loss(self, batch: LabelledBatch, progress: float) -> Step:
        features = self.encoder(batch.views[0])
        scores = precise(self.classifier(features))
        return Step(nn.functional.cross_entropy(scores, batch.label), {"embedding_std": spread(unit(features))})
