"""IFND on MoCo v2 (Chen et al., "Incremental False Negative Detection for Contrastive Learning",
ICLR 2022; elimination loss on a queue of keys).
"""

import math

SETTINGS = {"dim": 5, "hidden": 7, "queue_size": 8, "clusters": [3, 5]}
VARIANTS = {
    "default": {},
    "step": {"acceptance": "step", "step_at": 0.3},
    "constant": {"acceptance": "constant", "final_rate": 0.5},
    "density": {"confidence": "density"},
    "one level": {"clusters": [4], "temperature": 0.5},
    "short queue": {"queue_size": 4},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.5]


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


def mean(values):
    """Arithmetic mean."""
    values = list(values)
    return sum(values) / len(values)


def push(state, name, rows, index):
    """The queue `name` after a push: first in, first out, unit rows; the last rows of a batch that is too long."""
    entries, images = [list(row) for row in state[f"{name}.entries"]], list(state[f"{name}.index"])
    labels, born = list(state[f"{name}.label"]), list(state[f"{name}.born"])
    cursor, pushes = state[f"{name}.cursor"], state[f"{name}.pushes"] + 1
    for i in range(max(0, len(rows) - len(entries)), len(rows)):
        entries[cursor], images[cursor], labels[cursor], born[cursor] = unit(rows[i]), index[i], -1, pushes
        cursor = (cursor + 1) % len(entries)
    values = {"entries": entries, "index": images, "label": labels, "born": born, "cursor": cursor, "pushes": pushes}
    return {f"{name}.{field}": value for field, value in values.items()}


def loss(out, batch, state, settings, progress):
    """Per level: the own key against itself and the queue rows of images with another pseudo-label; mean of levels."""
    terms = []
    for label in state["pseudo.label"]:
        for i, z, key in zip(batch["index"], out["z"][0], out["t"][1], strict=True):
            candidates = [unit(key)]
            for entry, image in zip(state["queue.entries"], state["queue.index"], strict=True):
                # A random starting row (image -1) has no pseudo-label and stays.
                if image == -1 or label[image] != label[i]:
                    candidates.append(entry)
            logits = [dot(unit(z), k) / settings["temperature"] for k in candidates]
            terms.append(log_sum_exp(logits) - logits[0])
    return mean(terms)


def after(out, batch, state, settings, progress):
    """The teacher's keys of view 1 enter the queue with the index of their image."""
    return push(state, "queue", out["t"][1], batch["partner"])


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
