"""BYOL loss (Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020)."""

import math

from tests.equations.plain import unit

SETTINGS = {"dim": 5, "hidden": 7, "hidden_predictor": 9}
VARIANTS = {"default": {}, "slow teacher": {"teacher_momentum": 0.996}}
OUTPUTS = {"p": "encoder projector predictor", "t": "teacher"}
PROGRESS = [0.0, 0.5, 0.9]


def loss(out, batch, state, settings, progress):
    """Mean over rows of || p_a - t_b ||^2 between unit vectors, both directions summed."""
    n = len(batch["index"])
    total = 0.0
    for a, b in [(0, 1), (1, 0)]:
        for i in range(n):
            p, t = unit(out["p"][a][i]), unit(out["t"][b][i])
            total += sum((x - y) ** 2 for x, y in zip(p, t, strict=True))
    return total / n


def after(out, batch, state, settings, progress):
    """BYOL keeps no memory."""
    return {}


def teacher_momentum(settings, progress):
    """Cosine from the start value to 1: 1 - (1 - tau_0) (cos(pi t / T) + 1) / 2."""
    return 1 - (1 - settings["teacher_momentum"]) * (math.cos(math.pi * progress) + 1) / 2
