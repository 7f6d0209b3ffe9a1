"""Jigsaw: the tiles of an image are shuffled, and a classifier says by which of a set of permutations.

Noroozi and Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV 2016,
arXiv:1603.09246, Sec. 3 and Alg. 1; for other encoders than AlexNet the layers on top and the number of permutations
of Goyal et al., "Scaling and Benchmarking Self-Supervised Visual Representation Learning", ICCV 2019, arXiv:1905.01235.
Compared with Rotation: every tile passes the encoder alone, so it never sees how two of them fit; only the classifier
sees all. PIRL later kept the tiles and dropped the question.

Tiles are cut from the view of the scale, whose crop and colours all nine share; the paper crops a square of the whole
image, and shows some images without colour. Which permutation an image gets follows from image and step, where in its
cell a tile lies from the step: both are the same on any number of processes.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sslrepro.base.types import Batch, Float, Int, Step
from sslrepro.base.values import PART, Range
from sslrepro.methods.base import Method
from sslrepro.methods.kinds import count, per_class, share, width
from sslrepro.parts.heads import mlp
from sslrepro.parts.memory import precise, unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.pretext import cut_tiles, distant_permutations, drawn_numbers, standard_tiles


@dataclass(frozen=True)
class Config:
    permutations: int = per_class(2000)  # |P|, classes of the question; how hard it is grows with the data
    hidden: int = width(1000, "hidden")  # width of a tile's embedding, of which the classifier gets all
    grid: int = count(3, Range(2, 3))  # tiles in a row and in a column; 16 tiles have too many permutations to search
    tile: float = share(64 / 75, PART)  # side of a tile in that of its cell


@final
class Jigsaw(Method):
    """Prediction of permutations."""

    n_views = 1
    has_trials = False

    def __init__(self, config: Config, encoder: nn.Module, n_images: int):
        super().__init__()
        self.config = config
        self.encoder = encoder
        n_tiles = config.grid**2
        self.projector = nn.Identity()  # the embedding is the features themselves
        self.tile_projector = nn.Sequential(*mlp(encoder.dim, config.hidden, last_norm=True), nn.ReLU())
        self.classifier = nn.Linear(n_tiles * config.hidden, config.permutations)
        first = torch.randint(2**31 - 1, ())
        self.register_buffer("permutations", distant_permutations(n_tiles, config.permutations, int(first)))
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # done: draws follow from seed and step

    def mark(self, of: int) -> Int[Tensor, ""]:
        """Of this step, for one of two kinds of draws."""
        return self.seed + 2 * self.steps + of

    def versions(self, view: Float[Tensor, "b c h w"]) -> Float[Tensor, "t c p p"]:
        """The tiles of every image, cell by cell, each of mean 0 and deviation 1."""
        return standard_tiles(cut_tiles(view, self.config.grid, self.config.tile, self.mark(0)))

    def loss(self, batch: Batch, progress: float) -> Step:
        view = batch.views[0]
        own = torch.arange(len(view), device=view.device)
        label = drawn_numbers(batch.index, 1, self.mark(1))[:, 0] % self.config.permutations
        features = self.encoder(self.versions(view))
        tiles = precise(self.tile_projector(features)).unflatten(0, (self.config.grid**2, len(view))).transpose(0, 1)
        shuffled = tiles[own[:, None], self.permutations[label]].flatten(1)
        scores = precise(self.classifier(shuffled))
        loss = nn.functional.cross_entropy(scores, label)
        right = (scores.detach().argmax(1) == label).float().mean()
        return Step(loss, {"embedding_std": spread(unit(precise(features)[own])), "pretext_right": right})

    def after_step(self, step: Step, progress: float) -> None:
        self.steps += 1
