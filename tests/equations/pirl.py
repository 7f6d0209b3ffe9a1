"""PIRL loss (Misra and van der Maaten, "Self-Supervised Learning of Pretext-Invariant Representations", CVPR 2020)."""

import math

from tests.equations.plain import dot, log_sum_exp, mean, moved_bank, unit

SETTINGS = {"dim": 3, "noise": 7, "grid": 2}
VARIANTS = {
    "default": {},
    "softmax": {"noise": 0},
    "nine tiles": {"grid": 3, "tile": 0.5},
    "mostly tiles": {"noise": 0, "weight": 0.8, "temperature": 0.2, "bank_momentum": 0.9},
}
OUTPUTS = {"f": "encoder projector", "tiles": "versions encoder tile_projector"}
PROGRESS = [0.5]


def drawn(index, n, state, kind):
    """The step's draws for an image: n numbers from its index, the seed and the number of the step."""
    import torch

    from sslrepro.parts.pretext import drawn_numbers

    mark = torch.tensor(state["seed"] + 3 * state["steps"] + kind)
    return drawn_numbers(torch.tensor([index]), n, mark)[0].tolist()


def joined(out, batch, state, settings):
    """g(v_It): the embeddings of the tiles in a random order, concatenated, through the second linear layer."""
    n, n_tiles, rows = len(batch["index"]), settings["grid"] ** 2, []
    for i, index in enumerate(batch["index"]):
        numbers = drawn(index, n_tiles, state, 1)
        order = sorted(range(n_tiles), key=lambda tile, numbers=numbers: (numbers[tile], tile))
        flat = [x for tile in order for x in out["tiles"][1][tile * n + i]]
        weight, bias = state["joint.0.weight"], state["joint.0.bias"]
        rows.append(unit([dot(row, flat) + b for row, b in zip(weight, bias, strict=True)]))
    return rows


def exponentials(rows, batch, state, settings):
    """exp(s(v, m) / tau) of every row with its image's place in the bank and with its noise images'."""
    scores = []
    for index, row in zip(batch["index"], rows, strict=True):
        noise = [number % batch["n_images"] for number in drawn(index, settings["noise"], state, 2)]
        bank = state["bank.entries"]
        scores.append([math.exp(dot(row, bank[j]) / settings["temperature"]) for j in [index, *noise]])
    return scores


def normaliser(out, batch, state, settings):
    """Z: N times the mean of the tiles' exponentials over the first batch, then kept."""
    if state["normaliser"] > 0:
        return state["normaliser"]
    rows = exponentials(joined(out, batch, state, settings), batch, state, settings)
    return batch["n_images"] * mean(x for row in rows for x in row)


def estimate(rows, z, batch, state, settings):
    """Eq. 4, mean over images: -log h of the own row - sum over negatives of log(1 - h)."""
    prior, eps, terms = settings["noise"] / batch["n_images"], 1e-7, []
    for own, *others in exponentials(rows, batch, state, settings):
        term = -math.log((own / z) / (own / z + prior + eps))
        for other in others:
            term -= math.log(prior / (other / z + prior + eps))
        terms.append(term)
    return mean(terms)


def softmax(rows, batch, state, settings):
    """-log of the own row's share among all rows of the bank."""
    terms = []
    for index, row in zip(batch["index"], rows, strict=True):
        scores = [dot(row, m) / settings["temperature"] for m in state["bank.entries"]]
        terms.append(log_sum_exp(scores) - scores[index])
    return mean(terms)


def loss(out, batch, state, settings, progress):
    """Eq. 5: lambda L(m_I, g(v_It)) + (1 - lambda) L(m_I, f(v_I))."""
    g, f = joined(out, batch, state, settings), [unit(row) for row in out["f"][0]]
    if settings["noise"]:
        z = normaliser(out, batch, state, settings)
        parts = [estimate(rows, z, batch, state, settings) for rows in (g, f)]
    else:
        parts = [softmax(rows, batch, state, settings) for rows in (g, f)]
    return settings["weight"] * parts[0] + (1 - settings["weight"]) * parts[1]


def after(out, batch, state, settings, progress):
    """Bank rows move towards f of the untransformed image; the step is counted."""
    new = {"bank.entries": moved_bank(state["bank.entries"], out["f"][0], batch["index"], settings["bank_momentum"])}
    new["steps"] = state["steps"] + 1
    if settings["noise"]:
        new["normaliser"] = normaliser(out, batch, state, settings)
    return new
