"""MSF loss (Koohpayegani, Tejankar and Pirsiavash, "Mean Shift for Self-Supervised Learning", ICCV 2021)."""

from tests.equations.plain import dot, pushed, unit

SETTINGS = {
    "dim": 5,
    "hidden": 7,
    "hidden_predictor": 9,
    "queue_size": 8,
    "top_k": 3,
    "teacher_momentum": 0.99,
    "exclude_self": False,
}
VARIANTS = {
    "default": {},
    "own target only": {"top_k": 1},
    "five neighbours": {"top_k": 5},
    "exclude self": {"exclude_self": True},
    "small queue": {"queue_size": 5},
    "other momentum": {"teacher_momentum": 0.9},
}
OUTPUTS = {"p": "encoder projector predictor", "t": "teacher"}
PROGRESS = [0.5]


def loss(out, batch, state, settings, progress) -> float:
    """Mean over the rows and the k keys nearest to the target of the squared distance 2 - 2 cos(p, key)."""
    entries, image = state["queue.entries"], state["queue.index"]
    total = 0.0
    for row, key, i in zip(out["p"][0], out["t"][1], batch["index"], strict=True):
        prediction, target = unit(row), unit(key)
        # The search includes the target itself, which is always the nearest.
        keys = [target]
        keys += [entries[r] for r in range(len(entries)) if not (settings["exclude_self"] and image[r] == i)]
        nearest = sorted(keys, key=lambda k: -dot(target, k))[: settings["top_k"]]
        total += sum(2 - 2 * dot(prediction, k) for k in nearest) / len(nearest)
    return total / len(batch["index"])


def after(out, batch, state, settings, progress) -> dict:
    """The targets enter the queue."""
    return pushed(state, out["t"][1], batch["index"])


def teacher_momentum(settings, progress) -> float:
    """Constant."""
    return settings["teacher_momentum"]
