"""MoCo loss and queue (He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020)."""

from tests.equations.plain import dot, log_sum_exp, mean, pushed, unit

SETTINGS = {"dim": 5, "temperature": 0.3, "queue_size": 8}
VARIANTS = {
    "default": {},
    "paper temperature": {"temperature": 0.07},
    "fast teacher": {"teacher_momentum": 0.9},
    "short queue": {"queue_size": 4},
}
OUTPUTS = {"q": "encoder projector", "k": "teacher"}
PROGRESS = [0.0, 0.5]


def loss(out, batch, state, settings, progress):
    """Eq. 1: the query against one positive key, of the other view, and K negatives, the queue."""
    terms = []
    for query, key in zip(out["q"][0], out["k"][1], strict=True):
        positive = dot(unit(query), unit(key)) / settings["temperature"]
        negatives = [dot(unit(query), row) / settings["temperature"] for row in state["queue.entries"]]
        terms.append(log_sum_exp([positive, *negatives]) - positive)
    return mean(terms)


def after(out, batch, state, settings, progress):
    """Last lines of Alg. 1: the keys of this batch enter the queue, the oldest leave it."""
    return pushed(state, out["k"][1], batch["index"])


def teacher_momentum(settings, progress):
    """m of Eq. 2, constant."""
    return settings["teacher_momentum"]
