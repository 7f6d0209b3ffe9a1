"""ISL losses (Wang et al., "Instance Similarity Learning for Unsupervised Feature Representation", ICCV 2021).

Stage 1: L_inst, or L_aff + similar_weight * KL; stage 2: L_D and L_G; stage 3: the radius of a proxy.
"""

import math

from tests.equations.plain import dot, log_sum_exp, moved_bank, unit

SETTINGS = {
    "dim": 5,
    "temperature": 0.07,
    "bank_momentum": 0.5,
    "similar_weight": 0.5,
    "rounds": 4,
    "score_threshold": 0.3,
    "radius": 0.3,
}
VARIANTS = {
    "default": {},
    "mined from written rows": {"mine_from": "written"},
    "no similar term": {"similar_weight": 0.0},
    "other numbers": {"temperature": 0.2, "bank_momentum": 0.9, "similar_weight": 1.5},
}
OUTPUTS = {"z": "encoder projector"}
VIEWS = [1]
PROGRESS = [0.5]


def log_softmax(scores):
    """Scores minus the log of the sum of their exponentials."""
    total = log_sum_exp(scores)
    return [s - total for s in scores]


def loss(out, batch, state, settings, progress) -> float:
    """Per row L_inst without members, else L_aff + similar_weight * KL(p_i || p_hp); mean over the rows."""
    bank = state["bank.entries"]
    tau = settings["temperature"]
    total = 0.0
    for row, i in zip(out["z"][0], batch["index"], strict=True):
        anchor = unit(row)
        # p_ij = softmax over the whole bank of z_i . B_j / temperature.
        log_p = log_softmax([dot(anchor, entry) / tau for entry in bank])
        members = [j for j in state["affinity.members"][i] if j >= 0]
        if not members:
            total += -log_p[i]
            continue
        # L_aff = -log of the sum of p_ij over A(i), which holds i itself.
        total += -log_sum_exp([log_p[j] for j in sorted({i, *members})])
        # hp: the member most similar to the row; p_hp = softmax(B_hp . B / temperature).
        hp = max(members, key=lambda j: dot(anchor, bank[j]))
        log_q = log_softmax([dot(bank[hp], entry) / tau for entry in bank])
        total += settings["similar_weight"] * sum(math.exp(a) * (a - b) for a, b in zip(log_p, log_q, strict=True))
    return total / len(batch["index"])


def after(out, batch, state, settings, progress) -> dict:
    """Only the bank moves, and its rows count as written; affinity sets grow between rounds."""
    rows = moved_bank(state["bank.entries"], out["z"][0], batch["index"], settings["bank_momentum"])
    return {"bank.entries": rows, **written(state, batch["index"], settings)}


def written(state, index, settings):
    """Which bank rows an image has been put in, where mining asks for it."""
    if settings["mine_from"] == "all":
        return {}
    return {"written": [before or i in index for i, before in enumerate(state["written"])]}


def cross_entropy(scores, target):
    """Mean binary cross-entropy of probabilities against one target, 0 or 1."""
    return -sum(math.log(s if target == 1 else 1 - s) for s in scores) / len(scores)


def discriminator_loss(d_real, d_near, d_far) -> float:
    """L_D of the probabilities D(a, p, n), D(a, p, p') and D(a, p', n)."""
    fake = 0.5 * cross_entropy(d_near, 0) + 0.5 * cross_entropy(d_far, 0)
    return 0.5 * (cross_entropy(d_real, 1) + fake)


def generator_loss(d_near, d_far) -> float:
    """L_G of the probabilities D(a, p, p') and D(a, p', n)."""
    return 0.5 * cross_entropy(d_near, 1) + 0.5 * cross_entropy(d_far, 1)


def radius_of(score, settings) -> float:
    """r = R_0 + (1 - score)(1 - R_0): a proxy that convinces more reaches further (its cosine may be lower)."""
    return settings["radius"] + (1 - score) * (1 - settings["radius"])
