"""NNSiam loss and queue (Dwibedi et al., "With a Little Help from My Friends", ICCV 2021, App. B)."""

import math

SETTINGS = {"dim": 5, "hidden": 7, "hidden_predictor": 9, "queue_size": 8}
VARIANTS = {"default": {}, "without self": {"exclude_self": True}, "short queue": {"queue_size": 5}}
OUTPUTS = {"z": "encoder projector", "p": "encoder projector predictor"}
PROGRESS = [0.5]


def unit(vector):
    """The vector divided by its L2 norm."""
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


def dot(a, b):
    """Inner product; the cosine when both are unit vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))


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


def push(state, rows, index):
    """The queue after one push: first in, first out; of more rows than it holds only the last ones stay."""
    new = {f"queue.{key}": list(state[f"queue.{key}"]) for key in ("entries", "index", "label", "born")}
    size = len(new["queue.entries"])
    cursor, pushes = state["queue.cursor"], state["queue.pushes"] + 1
    for i in range(max(0, len(rows) - size), len(rows)):
        new["queue.entries"][cursor] = unit(rows[i])
        new["queue.index"][cursor] = index[i]
        new["queue.label"][cursor] = -1
        new["queue.born"][cursor] = pushes
        cursor = (cursor + 1) % size
    return new | {"queue.cursor": cursor, "queue.pushes": pushes}


def after(out, batch, state, settings, progress):
    """The unit embeddings of view 0 enter the queue after the loss."""
    return push(state, out["z"][0], batch["index"])
