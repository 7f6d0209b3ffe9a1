"""PIRL: an image and the shuffled tiles of a jigsaw cut from it both attract the image's row in a bank.

Misra and van der Maaten, "Self-Supervised Learning of Pretext-Invariant Representations", CVPR 2020, arXiv:1912.01991,
Eq. 3-5; where the paper leaves open what is computed, the released code (VISSL).
Compared with instance discrimination: + a second head, on nine tiles, that meets the same bank. The order of the tiles
is not predicted, as in the jigsaw task of Noroozi and Favaro (ECCV 2016), but ignored.

Tiles are cut from the second view of the scale, whose crop and colours all nine share; the paper crops at least 60% of
the image for them and changes the colours of each. The order of tiles is drawn per image, their place in the cells per
step. All draws follow from image and step, so they are the same on any number of processes.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Int, Step
from sslrepro.base.values import PART
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import above_zero, count, noise_rows, share, width
from sslrepro.parts.distributed import all_gather_detached
from sslrepro.parts.heads import mlp
from sslrepro.parts.losses import nce
from sslrepro.parts.memory import Bank, precise, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.pretext import cut_tiles, drawn_numbers


@dataclass(frozen=True)
class Config:
    dim: int = width(128, "dim")  # d, width of the embedding, of each tile's too
    temperature: float = above_zero(0.07)  # tau
    bank_momentum: float = share(0.5)  # weight of a row's old value
    weight: float = share(0.5)  # lambda of Eq. 5: of the tiles' part; the image's has the rest
    noise: int = noise_rows(32_000)  # N, negatives per image, drawn uniformly; 0 = softmax over the bank
    grid: int = count(3)  # tiles in a row and in a column
    tile: float = share(64 / 85, PART)  # side of a tile in that of its cell


@final
class PIRL(Method):
    """Pretext-invariant representation learning with the jigsaw."""

    n_views = 2
    has_trials = False

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projector = mlp(encoder.dim, config.dim)  # f
        self.tile_projector = mlp(encoder.dim, config.dim)  # g, of each tile
        self.joint = mlp(config.grid**2 * config.dim, config.dim)  # g, of all tiles of an image
        self.bank = Bank(n_images, config.dim, config.bank_momentum)
        self.register_buffer("normaliser", torch.tensor(-1.0))  # Z; below 0: not estimated yet
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # done: draws follow from seed and step

    def mark(self, of: int) -> Int[Tensor, ""]:
        """Of this step, for one of three kinds of draws."""
        return self.seed + 3 * self.steps + of

    def versions(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "t c p p"]:
        """The tiles of every image, cell by cell."""
        return cut_tiles(view, self.config.grid, self.config.tile, self.mark(0))

    def embed_tiles(self, view: Float[Tensor, "b c h w"], index: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """g of the transformed image: its tiles' embeddings in a random order, one after another, made one."""
        n_tiles = self.config.grid**2
        tiles = precise(self.tile_projector(self.encoder(self.versions(view)))).unflatten(0, (n_tiles, len(view)))
        order = drawn_numbers(index, n_tiles, self.mark(1)).argsort(dim=1, stable=True)
        own = torch.arange(len(view), device=view.device)[:, None]
        return unit(self.joint(tiles.transpose(0, 1)[own, order].flatten(1)))

    def scores(self, z: Float[Tensor, "b d"], noise: Int[Tensor, "b k"], index: Int[Tensor, " b"]) -> Tensor:
        """exp(z . m / tau) [b 1+k] with the own row of the bank, then with the noise images'."""
        rows = self.bank.entries[torch.cat([index[:, None], noise], 1)]
        with torch.autocast(z.device.type, enabled=False):
            return (torch.einsum("bd,bkd->bk", precise(z), rows.to(precise(z).dtype)) / self.config.temperature).exp()

    def contrast(self, e: Float[Tensor, "b k"], z_value: Tensor) -> Float[Tensor, ""]:
        """Eq. 4: is this row the image's or noise? As a share of Z, as in the code."""
        p, prior, eps = e / z_value, self.config.noise / len(self.bank.entries), 1e-7
        real = (p[:, 0] / (p[:, 0] + prior + eps)).log()
        return -(real + (prior / (p[:, 1:] + prior + eps)).log().sum(1)).mean()

    def loss(self, batch: Batch, progress: float) -> Step:
        image, tiles = self.embed(batch.views[0]), self.embed_tiles(batch.views[1], batch.index)
        n, z_value = len(self.bank.entries), self.normaliser
        if self.config.noise:
            noise = drawn_numbers(batch.index, self.config.noise, self.mark(2)) % n
            of_tiles, of_image = (self.scores(z, noise, batch.index) for z in (tiles, image))
            first = n * all_gather_detached(of_tiles.mean()[None]).mean()
            z_value = torch.where(self.normaliser < 0, first, self.normaliser.to(first.dtype))
            parts = self.contrast(of_tiles, z_value), self.contrast(of_image, z_value)
        else:
            own = batch.index[:, None] == torch.arange(n, device=image.device)
            every = torch.ones_like(own)
            parts = tuple(nce(z, self.bank.entries, own, every, self.config.temperature) for z in (tiles, image))
        loss = self.config.weight * parts[0] + (1 - self.config.weight) * parts[1]  # Eq. 5
        return Step(loss, {"embedding_std": spread(image)}, (image.detach(), batch.index, z_value.detach()))

    def after_step(self, step: Step, progress: float) -> None:
        image, index, z_value = step.carry
        self.bank.update(all_gather_detached(image), all_gather_detached(index))
        self.normaliser.copy_(z_value)
        self.steps += 1
