"""Mask R-CNN with a trained encoder as its backbone, all layers tuned, on images with several objects."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sslrepro.parts import detector_tuning

OF_ENCODER = True  # trains on from the encoder's weights, not on its features


@dataclass(frozen=True)
class Protocol(detector_tuning.Protocol):
    """See `sslrepro.parts.detector_tuning.Protocol`."""


def scores(
    encoder: nn.Module,
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    settings: Protocol,
    seed: int,
    device: str,
    root: str | Path | None,
) -> dict[str, float]:
    """mask_bb_ap, ... of boxes, mask_mk_ap, ... of masks, and mask_moved: see `detector_tuning.tuned_scores`."""
    return detector_tuning.tuned_scores(encoder, normalise, settings, seed, device, root, "mask", masks=True)
