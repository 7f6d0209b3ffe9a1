"""PCL v2 loss (Li et al., "Prototypical Contrastive Learning of Unsupervised Representations", ICLR 2021, ProtoNCE)."""

import math

SETTINGS = {"dim": 5, "hidden": 7, "queue_size": 8, "clusters": [3, 5], "negatives": 1}
VARIANTS = {
    "default": {},
    "batch only": {"negatives": 0},
    "many others": {"clusters": [20, 30], "negatives": 8},
    "one level": {"clusters": [12], "negatives": 4},
    "never warm": {"warm": 0.0},
    "short queue": {"queue_size": 4},
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


def draws(generator, batch, settings):
    """A random order of the prototypes of every level: the other prototypes are taken from its front."""
    import torch

    return {"order": [torch.randperm(k, generator=generator).tolist() for k in settings["clusters"]]}


def info_nce(anchors, keys, queue, temperature):
    """The MoCo loss: the own key against the own key and all queue rows."""
    terms = []
    for anchor, key in zip(anchors, keys, strict=True):
        logits = [dot(anchor, k) / temperature for k in [key, *queue]]
        terms.append(log_sum_exp(logits) - logits[0])
    return mean(terms)


def proto_nce(anchors, own, order, centroids, density, negatives):
    """Softmax of v . c / phi_c over the prototypes of the batch images and `negatives` others, each once."""
    of_batch = sorted(set(own))
    others = [c for c in order if c not in of_batch][:negatives]
    terms = []
    for anchor, mine in zip(anchors, own, strict=True):
        logits = {c: dot(anchor, centroids[c]) / density[c] for c in of_batch + others}
        terms.append(log_sum_exp(list(logits.values())) - logits[mine])
    return mean(terms)


def loss(out, batch, state, settings, progress):
    """InfoNCE plus, once there are clusters, the mean of ProtoNCE over the levels."""
    anchors, keys = [unit(z) for z in out["z"][0]], [unit(t) for t in out["t"][1]]
    total = info_nce(anchors, keys, state["queue.entries"], settings["temperature"])
    if progress < settings["warm"] or all(y == -1 for level in state["labels"] for y in level):
        return total
    terms = []
    for level, labels in enumerate(state["labels"]):
        own = [labels[i] for i in batch["index"]]
        centroids, density = state[f"centroids.{level}"], state[f"density.{level}"]
        terms.append(proto_nce(anchors, own, batch["order"][level], centroids, density, settings["negatives"]))
    return total + mean(terms)


def after(out, batch, state, settings, progress):
    """The teacher's keys of view 1 enter the queue."""
    return push(state, "queue", out["t"][1], batch["partner"])


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
