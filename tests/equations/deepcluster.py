"""DeepCluster-v2 loss (Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
NeurIPS 2020, after "Deep Clustering for Unsupervised Learning of Visual Features", ECCV 2018).
"""

import math

SETTINGS = {"dim": 5, "hidden": 7, "clusters": 4, "n_heads": 3}
VARIANTS = {"default": {}, "one head": {"n_heads": 1}, "warm": {"temperature": 0.5}}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.5]
VIEWS = [2, 4]


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


def loss(out, batch, state, settings, progress):
    """Cross-entropy of every view against the cluster of its image, with the centroids as fixed classifier weights."""
    terms = []
    for labels, centroids in zip(state["labels"], state["centroids"], strict=True):
        assigned = [row for row, i in enumerate(batch["index"]) if labels[i] != -100]
        for view in out["z"]:
            rows = []
            for row in assigned:
                logits = [dot(unit(view[row]), c) / settings["temperature"] for c in centroids]
                rows.append(log_sum_exp(logits) - logits[labels[batch["index"][row]]])
            terms.append(mean(rows) if rows else 0.0)
    return mean(terms)


def after(out, batch, state, settings, progress):
    """Bank c keeps the last embedding of assignment crop c of every image."""
    new = {}
    for c in (0, 1):
        bank = [list(row) for row in state[f"banks.{c}.entries"]]
        for i, vector in zip(batch["index"], out["z"][c], strict=True):
            bank[i] = unit(vector)
        new[f"banks.{c}.entries"] = bank
    return new
