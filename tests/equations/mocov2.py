"""MoCo v2 loss and queue (Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020)."""

from tests.equations.plain import dot, log_sum_exp, pushed, unit

SETTINGS = {"dim": 5, "hidden": 7, "temperature": 0.3, "queue_size": 8}
VARIANTS = {
    "default": {},
    "symmetric": {"symmetric": True},
    "paper temperature": {"temperature": 0.2},
    "fast teacher": {"teacher_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.0, 0.5]


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


def after(out, batch, state, settings, progress):
    """The keys of the step enter the queue after its loss; the symmetric form pushes both sets at once."""
    rows, index = list(out["t"][1]), list(batch["partner"])
    if settings["symmetric"]:
        rows, index = rows + list(out["t"][0]), index + list(batch["index"])
    return pushed(state, rows, index)


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
