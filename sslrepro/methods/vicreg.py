"""VICReg: two views agree; every dimension of the embedding keeps a variance, and no two say the same.

Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization", ICLR 2022, arXiv:2105.04906.
Compared with SimCLR: - negatives, - normalisation; statistics over the batch instead.
The paper's formula adds the variance terms of both views, its code halves them: the code's form is used.
"""

from dataclasses import dataclass
from typing import final

from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import not_negative, width
from sslrepro.parts.distributed import all_gather
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import spread_penalties, weighted_mean
from sslrepro.parts.memory import precise, unit
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(8192, "dim")  # d, width of the embedding
    hidden: int = width(8192, "hidden")  # width of the expander's two hidden layers
    invariance: float = not_negative(25.0)  # lambda, weight of the squared difference
    variance: float = not_negative(25.0)  # mu, weight of the variance term, halved over the two views
    covariance: float = not_negative(1.0)  # nu, weight of the covariance term


@final
class VICReg(Method):
    """Variance-invariance-covariance regularisation."""

    n_views = 2

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.hidden, config.hidden, config.dim, last_bias=False)

    def loss(self, batch: Batch, progress: float) -> Step:
        config = self.config
        a, b = (precise(self.projector(self.encoder(view))) for view in batch.views)
        agree = weighted_mean((a - b).square().mean(1), batch.weight)
        (var_a, cov_a), (var_b, cov_b) = (spread_penalties(all_gather(z)) for z in (a, b))
        loss = config.invariance * agree + config.variance * (var_a + var_b) / 2 + config.covariance * (cov_a + cov_b)
        return Step(loss, {"embedding_std": spread(unit(a)), "invariance": agree.detach()})
