"""DINO: the student's distribution over prototypes follows the teacher's, which is centred and sharpened.

Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, arXiv:2104.14294, Eq. 1-4.
Compared with BYOL: distributions over prototypes instead of embeddings; the teacher sees the two large views only.
The official code clips the gradient of every tensor to 3; here the gradient as a whole is clipped to 3.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from sslrepro.base.types import Batch, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, momentum, per_class, share, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import Unit, mlp
from sslrepro.parts.losses import soft_cross_entropy, weighted_mean
from sslrepro.parts.metrics import spread
from sslrepro.parts.prototypes import Prototypes
from sslrepro.parts.teacher import MomentumTeacher, rising_momentum


@dataclass(frozen=True)
class Config:
    dim: int = width(256, "dim")  # d, width of the bottleneck before the prototypes
    hidden: int = width(2048, "hidden")  # width of the projector's two hidden layers, no batch norm
    n_prototypes: int = per_class(65_536)  # K, width of the distribution
    temperature: float = above_zero(0.1)  # tau_s, of the student
    teacher_temperature: float = above_zero(0.04)  # tau_t at the start
    teacher_temperature_end: float = above_zero(0.07)  # tau_t after its warm-up
    teacher_temperature_warmup: float = share(0.3)  # share of training over which tau_t rises
    centre_momentum: float = share(0.9)  # m, weight of the old centre, Eq. 4
    teacher_momentum: float = momentum(0.996)  # at the start, then a half cosine to 1
    freeze: float = share(0.01)  # share of training during which the prototypes stand still (1 of 100 epochs)


@final
class DINO(Method):
    """Self-distillation without labels."""

    clip_norm = 3.0

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(
            encoder.dim, config.hidden, config.hidden, config.dim, hidden_norm=False, activation=nn.GELU
        )
        self.prototypes = Prototypes(config.dim, config.n_prototypes, weight_norm=True)
        self.teacher = MomentumTeacher(self.student())
        self.register_buffer("centre", torch.zeros(config.n_prototypes))

    def student(self) -> nn.Sequential:
        """From a view to its scores."""
        return nn.Sequential(self.encoder, self.projector, Unit(), self.prototypes)

    def teacher_temperature(self, progress: float) -> float:
        """tau_t: linear from its first to its last value over the warm-up."""
        config = self.config
        share = min(1.0, progress / config.teacher_temperature_warmup) if config.teacher_temperature_warmup else 1.0
        return config.teacher_temperature + share * (config.teacher_temperature_end - config.teacher_temperature)

    def loss(self, batch: Batch, progress: float) -> Step:
        z = [self.embed(view) for view in batch.views]
        frozen = progress < self.config.freeze
        scores = [self.prototypes(rows, frozen) / self.config.temperature for rows in z]
        taught = [self.teacher(view) for view in batch.views[:2]]
        target = [((rows - self.centre) / self.teacher_temperature(progress)).softmax(1) for rows in taught]
        terms = [soft_cross_entropy(target[t], scores[v]) for t in (0, 1) for v in range(len(z)) if v != t]
        loss = weighted_mean(torch.stack(terms).mean(0), batch.weight)  # Eq. 3
        return Step(loss, {"embedding_std": spread(z[0])}, (torch.cat(taught),))

    def after_step(self, step: Step, progress: float) -> None:
        self.teacher.move_towards(self.student(), rising_momentum(self.config.teacher_momentum, progress))
        self.centre.lerp_(
            all_gather_detached(step.carry[0]).mean(0).to(self.centre.dtype), 1 - self.config.centre_momentum
        )
