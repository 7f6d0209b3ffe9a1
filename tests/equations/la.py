"""Local aggregation loss (Zhuang et al., "Local Aggregation for Unsupervised Learning of Visual Embeddings",
ICCV 2019).
"""

from tests.equations.plain import dot, log_sum_exp, moved_bank, unit

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
