"""Cross-entropy of a linear classifier on the features: training with labels, no paper."""

from tests.equations.plain import log_sum_exp

SETTINGS = {"n_classes": 3}
VARIANTS = {"default": {}}
OUTPUTS = {"s": "encoder classifier"}
PROGRESS = [0.5]


def loss(out, batch, state, settings, progress):
    """Mean over rows of -log softmax(scores)[label], view 0 only."""
    scores = out["s"][0]
    total = 0.0
    for row, label in zip(scores, batch["label"], strict=True):
        total += log_sum_exp(row) - row[label]
    return total / len(scores)


def after(out, batch, state, settings, progress):
    """Supervised training keeps no memory."""
    return {}
