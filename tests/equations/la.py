"""Local aggregation loss (Zhuang et al., "Local Aggregation for Unsupervised Learning of Visual Embeddings",
ICCV 2019).
"""

import math

SETTINGS = {"dim": 5, "n_nearest": 12, "n_clusterings": 3, "clusters": 4}
VARIANTS = {
    "default": {},
    "few": {"n_nearest": 3},
    "all": {"n_nearest": 40, "bank_momentum": 0.2},
    "one clustering": {"n_clusterings": 1},
    "never warm": {"warm": 0.0},
    "always warm": {"warm": 0.9},
}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.0, 0.5]
VIEWS = [1]


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


def moved_bank(bank, z, index, momentum):
    """B_i <- norm(m B_i + (1 - m) z_i); of two rows of one image the last one counts."""
    new = [list(row) for row in bank]
    for i, vector in zip(index, z, strict=True):
        new[i] = unit([momentum * b + (1 - momentum) * x for b, x in zip(bank[i], unit(vector), strict=True)])
    return new


def loss(out, batch, state, settings, progress):
    """-log P(C_i n B_i | v) / P(B_i | v): B_i the nearest images, C_i those in one cluster with i in any clustering."""
    total = 0.0
    for i, z in zip(batch["index"], out["z"][0], strict=True):
        scores = [dot(unit(z), row) / settings["temperature"] for row in state["bank.entries"]]
        images = range(len(scores))
        if progress < settings["warm"] or state["labels"][0][0] == -1:
            # Warm start: instance discrimination, a softmax over all images.
            total += log_sum_exp(scores) - scores[i]
            continue
        background = sorted(images, key=lambda j, s=scores: -s[j])[: settings["n_nearest"]]
        close = [j for j in images if any(level[j] == level[i] != -1 for level in state["labels"])]
        both = [j for j in background if j in close]
        if both:
            total += log_sum_exp([scores[j] for j in background]) - log_sum_exp([scores[j] for j in both])
    return total / len(batch["index"])


def after(out, batch, state, settings, progress):
    """The bank rows of the batch move towards the embeddings."""
    return {"bank.entries": moved_bank(state["bank.entries"], out["z"][0], batch["index"], settings["bank_momentum"])}
