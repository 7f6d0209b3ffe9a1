"""IFND on SwAV (Chen et al., "Incremental False Negative Detection for Contrastive Learning",
ICLR 2022, App. F: codes of the mean feature of a pseudo-label group).
"""

import math

SETTINGS = {"dim": 5, "hidden": 7, "n_prototypes": 7, "queue_size": 8, "clusters": [3, 5]}
VARIANTS = {
    "default": {},
    "short queue": {"queue_size": 4},
    "queue at once": {"queue_from": 0.0},
    "no queue yet": {"queue_from": 0.9},
    "soft codes": {"epsilon": 0.5, "sinkhorn_iterations": 1, "temperature": 0.3},
    "step": {"acceptance": "step", "step_at": 0.3},
    "constant": {"acceptance": "constant", "final_rate": 0.5, "confidence": "density"},
    "one level": {"clusters": [4]},
}
OUTPUTS = {"z": "encoder projector unit"}
PROGRESS = [0.0, 0.5]
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


def group_means(rows, labels):
    """Every row replaced by the unit mean of the unit rows with its label."""
    out = []
    for label in labels:
        members = [unit(row) for row, y in zip(rows, labels, strict=True) if y == label]
        out.append(unit([mean(column) for column in zip(*members, strict=True)]))
    return out


def codes_of(c, label, out, batch, state, settings, progress):
    """Codes of the batch rows of crop c from the group means over the batch and, once it is full, queue c."""
    rows, images = list(out["z"][c]), list(batch["index"] if c == 0 else batch["partner"])
    if progress >= settings["queue_from"] and min(state[f"queues.{c}.index"]) >= 0:
        rows += state[f"queues.{c}.entries"]
        images += state[f"queues.{c}.index"]
    means = group_means(rows, [label[i] for i in images])
    scores = [[dot(row, prototype) for prototype in state["prototypes.weight"]] for row in means]
    return sinkhorn(scores, settings["epsilon"], settings["sinkhorn_iterations"])[: len(out["z"][c])]


def loss(out, batch, state, settings, progress):
    """Swapped prediction of the group codes; the predicting side is unchanged; mean over levels."""
    levels = []
    for label in state["pseudo.label"]:
        for c in (0, 1):
            codes = codes_of(c, label, out, batch, state, settings, progress)
            terms = []
            for v, view in enumerate(out["z"]):
                if v == c:
                    continue
                for code, row in zip(codes, view, strict=True):
                    scores = [dot(row, prototype) for prototype in state["prototypes.weight"]]
                    terms.append(cross_entropy(code, scores, settings["temperature"]))
            levels.append(mean(terms))
    return mean(levels)


def after(out, batch, state, settings, progress):
    """From `queue_from` on, queue c takes the embeddings of crop c."""
    if progress < settings["queue_from"]:
        return {}
    first = push(state, "queues.0", out["z"][0], batch["index"])
    return {**first, **push(state, "queues.1", out["z"][1], batch["partner"])}
