"""All layers fine-tuned on few labels as IFND does it: 20 epochs, the classifier faster than the encoder (Table 2)."""

from sslrepro.evaluate.finetune_simclr import Protocol, fraction_scores
from sslrepro.parts.trained_encoder import TrainedEncoder

__all__ = ["OF_ENCODER", "Protocol", "scores"]

OF_ENCODER = True  # trains on from the encoder's weights, not on its features


def scores(trained: TrainedEncoder, settings: Protocol) -> dict[str, float]:
    """Accuracies of `finetune_simclr.fraction_scores` by this recipe, under names that begin with ifnd."""
    return fraction_scores("ifnd", trained, settings)
