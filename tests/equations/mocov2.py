"""MoCo v2 loss and queue (Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020)."""

import math

SETTINGS = {"dim": 5, "hidden": 7, "temperature": 0.3, "queue_size": 8}
VARIANTS = {
    "default": {},
    "symmetric": {"symmetric": True},
    "paper temperature": {"temperature": 0.2},
    "fast teacher": {"teacher_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.0, 0.5]


def unit(vector):
    """The vector divided by its L2 norm."""
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


def dot(a, b):
    """Inner product; the cosine when both are unit vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def log_sum_exp(values):
    """log of the sum of exp(values), shifted by the largest value."""
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def direction(anchors, keys, batch, state, settings):
    """Mean over rows of the InfoNCE term: anchor z, positive its own key, negatives the queue."""
    total = 0.0
    for i, (anchor, key) in enumerate(zip(anchors, keys, strict=True)):
        anchor = unit(anchor)
        positive = dot(anchor, unit(key)) / settings["temperature"]
        # D = {own key} and the queue. The current keys of other rows are not candidates.
        scores = [positive]
        images = {batch["index"][i], batch["partner"][i]}
        for row, image in zip(state["queue.entries"], state["queue.index"], strict=True):
            # A pair row (two images) passes over the rows of its images; an ordinary row keeps its own stale keys.
            if len(images) == 2 and image in images:
                continue
            scores.append(dot(anchor, row) / settings["temperature"])
        total += batch["weight"][i] * (log_sum_exp(scores) - positive)
    return total / len(anchors)


def loss(out, batch, state, settings, progress):
    """View 0 by the student against view 1 by the teacher; the symmetric form adds the swapped direction."""
    z, t = out["z"], out["t"]
    total = direction(z[0], t[1], batch, state, settings)
    if settings["symmetric"]:
        total += direction(z[1], t[0], batch, state, settings)
    return total


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
    """The keys of the step enter the queue after its loss; the symmetric form pushes both sets at once."""
    rows, index = list(out["t"][1]), list(batch["partner"])
    if settings["symmetric"]:
        rows, index = rows + list(out["t"][0]), index + list(batch["index"])
    return push(state, rows, index)


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
