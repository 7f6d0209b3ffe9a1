"""SimSiam loss (Chen and He, "Exploring Simple Siamese Representation Learning", CVPR 2021)."""

import math

SETTINGS = {"dim": 5, "hidden": 7, "hidden_predictor": 9}
VARIANTS = {"default": {}}
OUTPUTS = {"z": "encoder projector", "p": "encoder projector predictor"}
PROGRESS = [0.5]


def cosine(a, b):
    """Inner product of the two vectors over the product of their L2 norms."""
    inner = sum(x * y for x, y in zip(a, b, strict=True))
    return inner / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def loss(out, batch, state, settings, progress):
    """Mean over rows of -1/2 [cos(p_1, z_2) + cos(p_2, z_1)]."""
    n = len(batch["index"])
    total = 0.0
    for i in range(n):
        row = cosine(out["p"][0][i], out["z"][1][i]) + cosine(out["p"][1][i], out["z"][0][i])
        total += batch["weight"][i] * -row / 2
    return total / n


def after(out, batch, state, settings, progress):
    """SimSiam keeps no memory."""
    return {}
