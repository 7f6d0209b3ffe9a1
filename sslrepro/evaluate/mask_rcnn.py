"""Mask R-CNN with a trained encoder as its backbone, all layers tuned, on images with several objects."""

from sslrepro.parts.detector_tuning import Protocol, tuned_scores
from sslrepro.parts.trained_encoder import TrainedEncoder

__all__ = ["OF_ENCODER", "Protocol", "scores"]

OF_ENCODER = True  # trains on from the encoder's weights, not on its features


def scores(trained: TrainedEncoder, settings: Protocol) -> dict[str, float]:
    """mask_bb_ap, ... of boxes, mask_mk_ap, ... of masks, and mask_moved: see `detector_tuning.tuned_scores`."""
    return tuned_scores("mask", trained, settings, masks=True)
