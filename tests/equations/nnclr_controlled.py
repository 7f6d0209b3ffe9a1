"""NNCLR's loss (ICCV 2021, Eq. 3, Algorithm 1) with neighbours that are right as often, and as near, as asked."""

import torch

from tests.equations.plain import dot, log_sum_exp, mean, pushed, unit

SETTINGS = {"dim": 5, "hidden": 7, "hidden_predictor": 9, "queue_size": 13, "temperature": 0.3, "right_share": 0.5}
VARIANTS = {
    "default": {},
    "without self": {"exclude_self": True},
    "never right": {"right_share": 0.0},
    "always right": {"right_share": 1.0},
    "farthest of the class, random of others": {"right": "farthest", "wrong": "random"},
    "random of the class, farthest of others": {"right": "random", "wrong": "farthest"},
    "short queue": {"queue_size": 2},
}
OUTPUTS = {"z": "encoder projector", "p": "encoder projector unit predictor"}
PROGRESS = [0.5]


def draws(generator, batch, settings):
    """For each view and anchor a number that decides whether it is right, then one per row for random choices."""
    n, m = len(batch["index"]), settings["queue_size"]
    return {
        "drawn": [
            (torch.rand(n, generator=generator).tolist(), torch.rand(n, m, generator=generator).tolist())
            for _ in range(2)
        ]
    }


def stand_in(anchor, i, batch, state, settings, drawn):
    """The row of the queue that stands in for anchor i."""
    decides, order = drawn[0][i], drawn[1][i]
    entries, labels = state["queue.entries"], state["queue.label"]
    rows = [
        r
        for r in range(len(entries))
        if not (settings["exclude_self"] and state["queue.index"][r] == batch["index"][i])
    ]
    is_right = decides < settings["right_share"]
    own = batch["label"][i]
    kind = [r for r in rows if (labels[r] == own if is_right else labels[r] not in (own, -1))]
    distance = settings["right"] if is_right else settings["wrong"]
    if not kind:
        kind, distance = rows, "nearest"
    if distance == "random":
        return entries[max(kind, key=lambda r: order[r])]
    best = max if distance == "nearest" else min
    return entries[best(kind, key=lambda r: dot(unit(anchor), entries[r]))]


def loss(out, batch, state, settings, progress):
    """L(stand-in of z1, p2) / 2 + L(stand-in of z2, p1) / 2; the denominator runs over all predictions."""
    terms = []
    for v in range(2):
        keys = [unit(row) for row in out["p"][1 - v]]
        for i, anchor in enumerate(out["z"][v]):
            n = stand_in(anchor, i, batch, state, settings, batch["drawn"][v])
            logits = [dot(n, key) / settings["temperature"] for key in keys]
            terms.append(log_sum_exp(logits) - logits[i])
    return mean(terms)


def after(out, batch, state, settings, progress):
    """The unit embeddings of view 0 enter the queue with their class."""
    new = pushed(state, out["z"][0], batch["index"])
    n, size = len(batch["index"]), len(state["queue.entries"])
    for i in range(max(0, n - size), n):
        row = (state["queue.cursor"] + i - max(0, n - size)) % size
        new["queue.label"][row] = batch["label"][i]
    return new
