"""All layers fine-tuned on few labels as BYOL does it: rate and epochs chosen on labels kept apart (NNCLR, Table 2)."""

from sslrepro.evaluate.finetune_simclr import Protocol, fraction_scores
from sslrepro.parts.trained_encoder import TrainedEncoder

__all__ = ["OF_ENCODER", "Protocol", "scores"]

OF_ENCODER = True  # trains on from the encoder's weights, not on its features


def scores(trained: TrainedEncoder, settings: Protocol) -> dict[str, float]:
    """Accuracies of `finetune_simclr.fraction_scores` by this recipe, under names that begin with byol."""
    return fraction_scores("byol", trained, settings)
