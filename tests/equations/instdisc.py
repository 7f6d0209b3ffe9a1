"""Instance discrimination loss (Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
CVPR 2018).
"""

import math

from tests.equations.plain import dot, log_sum_exp, moved_bank, unit

SETTINGS = {"dim": 5, "noise": 10}
VARIANTS = {"default": {}, "softmax": {"noise": 0}, "slow": {"bank_momentum": 0.9, "temperature": 0.2}}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.5]
VIEWS = [1]


def draws(generator, batch, settings):
    """The noise images of every row: uniform over all images, with repeats; the own image may be drawn."""
    if settings["noise"] == 0:
        return {}
    import torch

    shape = (len(batch["index"]), settings["noise"])
    return {"noise": torch.randint(batch["n_images"], shape, generator=generator).tolist()}


def scores_of(out, batch, state, settings):
    """Scores z_i . B_j / temperature of each row: the own image first, then its noise images."""
    rows = []
    for i, z, noise in zip(batch["index"], out["z"][0], batch["noise"], strict=True):
        rows.append([dot(unit(z), state["bank.entries"][j]) / settings["temperature"] for j in [i, *noise]])
    return rows


def normaliser(out, batch, state, settings):
    """Z: N times the mean of exp(score) over the first batch, then kept."""
    if state["normaliser"] > 0:
        return state["normaliser"]
    values = [math.exp(s) for row in scores_of(out, batch, state, settings) for s in row]
    return batch["n_images"] * sum(values) / len(values)


def loss(out, batch, state, settings, progress):
    """Softmax over all images, or its noise-contrastive estimate."""
    total, n, k = 0.0, len(batch["index"]), settings["noise"]
    if k == 0:
        # -log P(i | v), P(j | v) = exp(v . B_j / temperature) / sum over all images.
        for i, z in zip(batch["index"], out["z"][0], strict=True):
            scores = [dot(unit(z), row) / settings["temperature"] for row in state["bank.entries"]]
            total += log_sum_exp(scores) - scores[i]
        return total / n
    # Noise-contrastive estimate: h = P / (P + K/N) for the data, 1 - h = (K/N) / (P + K/N) for every noise image.
    z_constant, noise, eps = normaliser(out, batch, state, settings), k / batch["n_images"], 1e-7
    for own, *others in scores_of(out, batch, state, settings):
        p = math.exp(own) / z_constant
        total -= math.log(p / (p + noise + eps))
        for score in others:
            total -= math.log(noise / (math.exp(score) / z_constant + noise + eps))
    return total / n


def after(out, batch, state, settings, progress):
    """The bank rows of the batch move towards the embeddings; Z is set by the first batch of the estimate."""
    new = {"bank.entries": moved_bank(state["bank.entries"], out["z"][0], batch["index"], settings["bank_momentum"])}
    if settings["noise"] > 0:
        new["normaliser"] = normaliser(out, batch, state, settings)
    return new
