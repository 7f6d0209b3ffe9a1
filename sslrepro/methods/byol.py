"""BYOL: a prediction from one view meets the teacher's embedding of the other; nothing repels.

Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv:2006.07733.
Compared with MoCo: - queue, - negatives, + predictor; both directions, summed.
The official code draws the teacher's first weights from another seed; here it starts as a copy, like all teachers.
Batch norm in the heads' hidden layers matters, and there is none at the output.
"""

from dataclasses import dataclass
from typing import final

from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import momentum, width
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import cosine, weighted_mean
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.teacher import MomentumTeacher, rising_momentum


@dataclass(frozen=True)
class Config:
    dim: int = width(256, "dim")  # d, width of the embedding
    hidden: int = width(4096, "hidden")  # width of the projector's hidden layer
    hidden_predictor: int = width(4096, "hidden_predictor")  # of the predictor's hidden layer
    teacher_momentum: float = momentum(0.99)  # at the start, then a half cosine to 1 (0.996 for 1000 epochs)


@final
class BYOL(Method):
    """Bootstrap your own latent."""

    n_views = 2

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.dim, last_bias=False)
        self.predictor = mlp(config.dim, config.hidden_predictor, config.dim, last_bias=False)
        self.teacher = MomentumTeacher(nn.Sequential(self.encoder, self.projector))

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.projector(self.encoder(view)) for view in batch.views]
        p = [self.predictor(rows) for rows in z]
        target = [self.teacher(view) for view in batch.views]
        # Eq. 2, both directions: |p - z'|^2 of unit rows is 2 - 2 cos
        rows = (2 - 2 * cosine(p[0], target[1])) + (2 - 2 * cosine(p[1], target[0]))
        return Step(weighted_mean(rows), {"embedding_std": spread(unit(z[0]))})

    def after_step(self, step: Step, progress: float) -> None:
        momentum = rising_momentum(self.config.teacher_momentum, progress)
        self.teacher.move_towards(nn.Sequential(self.encoder, self.projector), momentum)
