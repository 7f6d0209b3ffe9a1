"""PCL v2 loss (Li et al., "Prototypical Contrastive Learning of Unsupervised Representations", ICLR 2021, ProtoNCE)."""

from tests.equations.plain import dot, log_sum_exp, mean, pushed, unit

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
    return pushed(state, out["t"][1], batch["partner"])


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
