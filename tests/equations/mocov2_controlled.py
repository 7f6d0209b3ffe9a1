"""MoCo v2's loss with one more positive of the queue, or without some of its negatives, right as often as asked."""

import torch

from tests.equations.nnclr_controlled import right_anchors, stand_in
from tests.equations.plain import dot, log_sum_exp, mean, pushed, unit

SETTINGS = {"dim": 5, "hidden": 7, "temperature": 0.3, "queue_size": 13, "right_share": 0.5}
VARIANTS = {
    "default": {},
    "never right": {"right_share": 0.0},
    "random of the class, farthest of others": {"right": "random", "wrong": "farthest"},
    "without self": {"exclude_self": True},
    "easy anchors, the others none": {"anchors": "easy", "wrong": "view"},
    "hard anchors": {"anchors": "hard", "exclude_self": True},
    "its own right ones alone": {"right_share": None, "anchors": "easy", "wrong": "view"},
    "remove": {"role": "remove"},
    "remove twice as many, a quarter right": {"role": "remove", "removed": 2.0, "right_share": 0.25},
    "remove the class": {"role": "remove", "right_share": 1.0, "exclude_self": True},
    "remove random wrong rows": {"role": "remove", "right_share": 0.0, "wrong": "random"},
    "remove the farthest": {"role": "remove", "right": "farthest", "wrong": "farthest"},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.5]


def draws(generator, batch, settings):
    """attract: a number per anchor that decides whether the positive is right; both: one per anchor and row."""
    n, m = len(batch["index"]), settings["queue_size"]
    decides = torch.rand(n, generator=generator).tolist() if settings.get("role", "attract") == "attract" else None
    return {"drawn": (decides, torch.rand(n, m, generator=generator).tolist())}


def rows_gone(anchor, i, batch, state, settings):
    """The rows of the queue that do not repel anchor i."""
    entries, labels, own = state["queue.entries"], state["queue.label"], batch["label"][i]
    order = batch["drawn"][1][i]
    rows = [
        r
        for r in range(len(entries))
        if not (settings["exclude_self"] and state["queue.index"][r] == batch["index"][i])
    ]
    same = [r for r in rows if labels[r] == own]
    other = [r for r in rows if labels[r] not in (own, -1)]
    n = round(settings["removed"] * len(same))
    n_right = round(settings["right_share"] * n)
    gone = set()
    for kind, distance, number in ((same, settings["right"], n_right), (other, settings["wrong"], n - n_right)):
        near = {r: dot(unit(anchor), entries[r]) for r in kind}
        score = {"nearest": near, "random": order, "farthest": {r: -near[r] for r in kind}}[distance]
        gone |= set(sorted(kind, key=lambda r, score=score: -score[r])[:number])
    return gone


def loss(out, batch, state, settings, progress):
    """Mean over anchors of LSE over the candidates minus the mean over positives, for view 0 against the teacher's 1."""
    terms = []
    attracts = settings["role"] == "attract"
    right = right_anchors(out["t"][1], batch, state, settings, batch["drawn"]) if attracts else []
    for i, (anchor, key) in enumerate(zip(out["z"][0], out["t"][1], strict=True)):
        anchor, key = unit(anchor), unit(key)
        own = dot(anchor, key) / settings["temperature"]
        queue = [dot(anchor, row) / settings["temperature"] for row in state["queue.entries"]]
        if settings["role"] == "remove":
            gone = rows_gone(key, i, batch, state, settings)
            terms.append(log_sum_exp([own, *(s for r, s in enumerate(queue) if r not in gone)]) - own)
            continue
        if settings["right" if i in right else "wrong"] == "view":
            terms.append(log_sum_exp([own, *queue]) - own)
            continue
        row = stand_in(key, i, batch, state, settings, batch["drawn"], i in right)
        positives = [own, dot(anchor, row) / settings["temperature"]]
        terms.append(log_sum_exp([own, *queue]) - mean(positives))
    return mean(terms)


def after(out, batch, state, settings, progress):
    """The teacher's keys of view 1 enter the queue with the index and the class."""
    new = pushed(state, out["t"][1], batch["index"])
    n, size = len(batch["index"]), len(state["queue.entries"])
    for i in range(max(0, n - size), n):
        row = (state["queue.cursor"] + i - max(0, n - size)) % size
        new["queue.label"][row] = batch["label"][i]
    return new


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
