"""InstDisc: every image is its own class, whose weight is the running average of the image's embeddings.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018, arXiv:1805.01978.
One view, no teacher; the bank supplies all keys. On ImageNet the softmax over all images is replaced by noise
contrastive estimation; the released CIFAR code uses the full softmax (`noise=0`).

The normaliser Z is estimated once, from the first batch, and kept. The proximal term of the paper is not in its code
and not here.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.device import to_device
from sslrepro.base.types import Batch, Float, Step
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, noise_rows, share, width
from sslrepro.parts.distributed import all_gather_detached, broadcast
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Bank
from sslrepro.parts.metrics import spread


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding
    temperature: float = above_zero(0.07)  # tau (CIFAR: 0.1)
    bank_momentum: float = share(0.5)  # weight of a row's old value
    noise: int = noise_rows(4096)  # per image, drawn uniformly; 0 = softmax over the bank


@final
class InstDisc(Method):
    """Instance discrimination with a bank."""

    n_views = 1
    alternatives = ({"temperature": 0.1},)  # CIFAR

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.dim)
        self.bank = Bank(n_images, config.dim, config.bank_momentum)
        self.register_buffer("normaliser", torch.tensor(-1.0))  # Z; below 0: not estimated yet

    def noise_contrastive(self, z: Float[Tensor, "b d"], batch: Batch) -> tuple[Float[Tensor, ""], Tensor]:
        """(loss, Z): is this row the image's or noise? Eq. 5-8; a noise row may be the image's own."""
        n, k = len(self.bank.entries), self.config.noise
        noise = to_device(torch.randint(n, (len(z), k), generator=batch.generator()), z.device)
        rows = self.bank.entries[torch.cat([batch.index[:, None], noise], 1)]
        with torch.autocast(z.device.type, enabled=False):
            e = (torch.einsum("bd,bkd->bk", z, rows) / self.config.temperature).exp()
            first = n * e.detach().mean()
            z_value = torch.where(self.normaliser < 0, first, self.normaliser.to(first.dtype))
            share, prior, eps = e / z_value, k / n, 1e-7
            real = (share[:, 0] / (share[:, 0] + prior + eps)).log()
            noisy = (prior / (share[:, 1:] + prior + eps)).log().sum(1)
        return -(real + noisy).mean(), z_value

    def loss(self, batch: Batch, progress: float) -> Step:
        z = self.embed(batch.views[0])
        if self.config.noise:
            loss, z_value = self.noise_contrastive(z, batch)
        else:
            everyone = torch.arange(len(self.bank.entries), device=z.device)
            own = batch.index[:, None] == everyone
            loss = nce(z, self.bank.entries, own, torch.ones_like(own), self.config.temperature)
            z_value = self.normaliser
        return Step(loss, {"embedding_std": spread(z)}, (z.detach(), batch.index, z_value.detach()))

    def after_step(self, step: Step, progress: float) -> None:
        z, index, z_value = step.carry
        self.bank.update(all_gather_detached(z), all_gather_detached(index))
        self.normaliser.copy_(broadcast(z_value.clone()))
