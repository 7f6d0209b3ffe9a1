"""SwAV loss (Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
NeurIPS 2020).
"""

import math

from tests.equations.plain import dot, log_sum_exp, mean, pushed

SETTINGS = {"dim": 5, "hidden": 7, "n_prototypes": 7, "queue_size": 8}
VARIANTS = {
    "default": {},
    "short queue": {"queue_size": 4},
    "queue at once": {"queue_from": 0.0},
    "no queue yet": {"queue_from": 0.9},
    "soft codes": {"epsilon": 0.5, "sinkhorn_iterations": 1, "temperature": 0.3},
}
OUTPUTS = {"z": "encoder projector unit"}
PROGRESS = [0.0, 0.5]
VIEWS = [2, 4]


def sinkhorn(scores, epsilon, iterations):
    """Codes of the rows of `scores` [B][K]: Q = exp(scores / epsilon), prototypes to 1/K, samples to 1/B, in turn."""
    top = max(max(row) for row in scores)
    q = [[math.exp((s - top) / epsilon) for s in row] for row in scores]
    n, k = len(q), len(q[0])
    for _ in range(iterations):
        for j in range(k):
            mass = sum(row[j] for row in q)
            for row in q:
                row[j] /= mass * k
        for row in q:
            mass = sum(row)
            row[:] = [x / (mass * n) for x in row]
    # Times B: every sample's code sums to one.
    return [[x * n for x in row] for row in q]


def cross_entropy(code, scores, temperature):
    """- sum_k q_k log softmax(scores / temperature)_k."""
    logits = [s / temperature for s in scores]
    normaliser = log_sum_exp(logits)
    return -sum(q * (s - normaliser) for q, s in zip(code, logits, strict=True))


def codes_of(c, out, state, settings, progress):
    """Codes of the batch rows of crop c, assigned together with the rows of queue c once it is full."""
    rows = list(out["z"][c])
    if progress >= settings["queue_from"] and min(state[f"queues.{c}.index"]) >= 0:
        rows += state[f"queues.{c}.entries"]
    scores = [[dot(row, prototype) for prototype in state["prototypes.weight"]] for row in rows]
    return sinkhorn(scores, settings["epsilon"], settings["sinkhorn_iterations"])[: len(out["z"][c])]


def loss(out, batch, state, settings, progress):
    """Swapped prediction: every view v != c predicts the code of assignment crop c."""
    crops = []
    for c in (0, 1):
        codes = codes_of(c, out, state, settings, progress)
        terms = []
        for v, view in enumerate(out["z"]):
            if v == c:
                continue
            for code, row in zip(codes, view, strict=True):
                scores = [dot(row, prototype) for prototype in state["prototypes.weight"]]
                terms.append(cross_entropy(code, scores, settings["temperature"]))
        crops.append(mean(terms))
    return mean(crops)


def after(out, batch, state, settings, progress):
    """From `queue_from` on, queue c takes the embeddings of crop c."""
    if progress < settings["queue_from"]:
        return {}
    first = pushed(state, out["z"][0], batch["index"], "queues.0")
    return {**first, **pushed(state, out["z"][1], batch["partner"], "queues.1")}
