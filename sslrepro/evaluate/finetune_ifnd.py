"""All layers fine-tuned on few labels as IFND does it: 20 epochs, the classifier faster than the encoder (Table 2)."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sslrepro.data.dataset import Dataset
from sslrepro.evaluate import finetune_simclr

OF_ENCODER = True  # trains on from the encoder's weights, not on its features
OF_SPLITS = True  # on the run's own images


@dataclass(frozen=True)
class Protocol(finetune_simclr.Protocol):
    """See `finetune_simclr.Protocol`."""


def scores(
    encoder: nn.Module,
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    settings: Protocol,
    seed: int,
    device: str,
    root: str | Path | None,
    splits: tuple[Dataset, Dataset],
) -> dict[str, float]:
    """Accuracies of `finetune_simclr.fraction_scores` by this recipe, under names that begin with ifnd."""
    return finetune_simclr.fraction_scores("ifnd", encoder, normalise, settings, seed, splits)
