"""NNSiam loss and queue (Dwibedi et al., "With a Little Help from My Friends", ICCV 2021, App. B)."""

import math

from tests.equations.plain import dot, pushed, unit

SETTINGS = {"dim": 5, "hidden": 7, "hidden_predictor": 9, "queue_size": 8}
VARIANTS = {"default": {}, "without self": {"exclude_self": True}, "short queue": {"queue_size": 5}}
OUTPUTS = {"z": "encoder projector", "p": "encoder projector predictor"}
PROGRESS = [0.5]


def nearest(vector, own, state, settings):
    """NN(z, Q) = argmin_q || z - q ||_2 over the queue; exclude_self passes over the rows of the own image."""
    best, least = None, math.inf
    for row, image in zip(state["queue.entries"], state["queue.index"], strict=True):
        if settings["exclude_self"] and image == own:
            continue
        gap = sum((x - y) ** 2 for x, y in zip(unit(vector), row, strict=True))
        if gap < least:
            best, least = row, gap
    if best is None:
        raise ValueError("every row belongs to the anchor's image")
    return best


def loss(out, batch, state, settings, progress):
    """Mean over rows of -1/2 [cos(p_a, NN(z_b)) + cos(p_b, NN(z_a))]."""
    n = len(batch["index"])
    total = 0.0
    for a, b in [(0, 1), (1, 0)]:
        for i in range(n):
            target = nearest(out["z"][b][i], batch["index"][i], state, settings)
            total += -dot(unit(out["p"][a][i]), unit(target)) / 2
    return total / n


def after(out, batch, state, settings, progress):
    """The unit embeddings of view 0 enter the queue after the loss."""
    return pushed(state, out["z"][0], batch["index"])
