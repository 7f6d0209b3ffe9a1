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
    "easy anchors": {"anchors": "easy"},
    "hard anchors": {"anchors": "hard", "right": "random"},
    "its own share, drawn": {"right_share": None},
    "its own share, hard anchors": {"right_share": None, "anchors": "hard"},
    "the same images": {"anchors": "fixed"},
    "only right rows": {"wrong": "view"},
    "only its own right rows": {"wrong": "view", "right_share": None, "anchors": "easy"},
    "only wrong rows": {"right": "view"},
    "wrong rows as near as right ones": {"right": "view", "wrong": "as_near", "anchors": "easy"},
    "rows as near as those of the other kind": {"right": "as_near", "wrong": "as_near"},
    "another view for hard anchors": {"right": "another", "wrong": "view", "anchors": "hard"},
    "another view for those that are not right": {"wrong": "another"},
}
VIEWS = [3]  # of which the third is another view of the image for anchors that are to get one, and else unused
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


def allowed_rows(i, batch, state, settings):
    """Rows of the queue that anchor i may take."""
    own = batch["index"][i]
    return [r for r, index in enumerate(state["queue.index"]) if not (settings["exclude_self"] and index == own)]


def ahead(anchor, i, batch, state, settings):
    """By how much the nearest row of anchor i's class is nearer than the nearest of another; None without the first."""
    own, labels = batch["label"][i], state["queue.label"]
    cosine = {r: dot(unit(anchor), state["queue.entries"][r]) for r in allowed_rows(i, batch, state, settings)}
    right = [value for r, value in cosine.items() if labels[r] == own]
    wrong = [value for r, value in cosine.items() if labels[r] not in (own, -1)]
    return max(right) - max(wrong, default=-2.0) if right else None


def right_anchors(anchors, batch, state, settings, drawn):
    """The places of the anchors that are given a row of their class."""
    share, kind = settings["right_share"], settings.get("anchors", "drawn")
    n = range(len(anchors))
    decides = [state["number"][index] for index in batch["index"]] if kind == "fixed" else drawn[0]
    by_draw = [i for i in n if share is not None and decides[i] < share]
    if kind == "fixed" or (kind == "drawn" and share is not None):
        return by_draw
    margin = [ahead(anchors[i], i, batch, state, settings) for i in n]
    own = [i for i in n if margin[i] is not None and margin[i] > 0]
    n_right = len(own) if share is None else len(by_draw)
    worth = {"easy": lambda i: margin[i], "hard": lambda i: -margin[i], "drawn": lambda i: -decides[i]}[kind]
    able = sorted((i for i in n if margin[i] is not None), key=worth, reverse=True)
    return [*able, *(i for i in n if margin[i] is None)][:n_right]


def stand_in(anchor, i, batch, state, settings, drawn, is_right=None):
    """The row of the queue that stands in for anchor i, which is right by draw unless told."""
    is_right = drawn[0][i] < settings["right_share"] if is_right is None else is_right
    order = drawn[1][i]
    entries, labels = state["queue.entries"], state["queue.label"]
    rows = allowed_rows(i, batch, state, settings)
    own = batch["label"][i]
    kind = [r for r in rows if (labels[r] == own if is_right else labels[r] not in (own, -1))]
    distance = settings["right"] if is_right else settings["wrong"]
    if distance == "view":
        return unit(anchor)
    if not kind:
        kind, distance = rows, "nearest"
    if distance == "random":
        return entries[max(kind, key=lambda r: order[r])]
    cosine = {r: dot(unit(anchor), entries[r]) for r in rows}
    if distance == "as_near":
        others = [r for r in rows if labels[r] >= 0 and (labels[r] == own) != is_right]
        wanted = max((cosine[r] for r in others), default=1.0)
        return entries[min(kind, key=lambda r: abs(cosine[r] - wanted))]
    best = max if distance == "nearest" else min
    return entries[best(kind, key=lambda r: cosine[r])]


def loss(out, batch, state, settings, progress):
    """L(stand-in of z1, p2) / 2 + L(stand-in of z2, p1) / 2; the denominator runs over all predictions."""
    terms = []
    for v in range(2):
        keys = [unit(row) for row in out["p"][1 - v]]
        right = right_anchors(out["z"][v], batch, state, settings, batch["drawn"][v])
        for i, anchor in enumerate(out["z"][v]):
            if settings["right" if i in right else "wrong"] == "another":
                n = unit(out["z"][2][i])
            else:
                n = stand_in(anchor, i, batch, state, settings, batch["drawn"][v], i in right)
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
