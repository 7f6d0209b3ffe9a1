"""SimSiam: a prediction from one view meets the other view's embedding, which carries no gradient.

Chen and He, "Exploring Simple Siamese Representation Learning", CVPR 2021, arXiv:2011.10566, Eq. 1-4.
Compared with BYOL: - teacher. The stopped gradient alone keeps it from collapsing; watch `embedding_std`.
As in its code the predictor's learning rate is not scheduled, and the projector's last norm has no scale or shift.
"""

from dataclasses import dataclass
from typing import final

from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import bottleneck, width
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import cosine, weighted_mean
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(2048, "dim")  # d, width of the embedding
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers
    hidden_predictor: int = bottleneck(512, of="dim", part=1 / 4)  # width of the predictor's hidden layer


@final
class SimSiam(Method):
    """Simple siamese learning."""

    n_views = 2
    constant_lr = ("predictor",)

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        width = config.hidden
        self.projector = mlp(encoder.dim, width, width, config.dim, last_norm=True, last_affine=False)
        self.predictor = mlp(config.dim, config.hidden_predictor, config.dim)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.projector(self.encoder(view)) for view in batch.views]
        p = [self.predictor(rows) for rows in z]
        rows = -(cosine(p[0], z[1].detach()) + cosine(p[1], z[0].detach())) / 2  # Eq. 4
        return Step(weighted_mean(rows, batch.weight), {"embedding_std": spread(unit(z[0]))})
