"""FNC loss (Huynh et al., "Boosting Contrastive Learning with False Negative Cancellation", WACV 2022)."""

from tests.equations.plain import dot, log_sum_exp, pushed, unit

SETTINGS = {"dim": 5, "hidden": 7, "temperature": 0.3, "queue_size": 8, "top_k": 2}
VARIANTS = {
    "default": {},
    "no threshold": {"threshold": -1.0},
    "high threshold": {"threshold": 0.99},
    "eliminate": {"mode": "eliminate"},
    "eliminate, no threshold": {"mode": "eliminate", "threshold": -1.0},
    "eliminate, high threshold": {"mode": "eliminate", "threshold": 0.99},
    "five nearest": {"top_k": 5, "threshold": 0.3},
    "long queue": {"queue_size": 30, "top_k": 5, "threshold": 0.3},
    "fast teacher": {"teacher_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
VIEWS = [4]
PROGRESS = [0.0, 0.5]
SCALE = 1.0  # the code doubles the loss (SimCLR's official scale); means here, as for SimCLR


def all_keys(out, batch, state):
    """(vector, image, row, view) of the teacher's embeddings of every view, then of the queue (row and view -1)."""
    keys = []
    for v, view in enumerate(out["t"]):
        for row, vector in enumerate(view):
            keys.append((unit(vector), batch["index"][row], row, v))
    for vector, image in zip(state["queue.entries"], state["queue.index"], strict=True):
        keys.append((vector, image, -1, -1))
    return keys


def false_negatives(i, keys, batch, settings):
    """Positions of the keys in the top k of the score that also pass the threshold."""
    own = batch["index"][i]
    views = [vector for vector, _, row, _ in keys if row == i]
    scores = {}
    for k, (vector, image, _, _) in enumerate(keys):
        # Keys of the own image and random rows of the queue (no image) are never false negatives.
        if image not in (own, -1):
            # score(key) = max over the teacher views of the image of the cosine.
            scores[k] = max(dot(view, vector) for view in views)
    best = sorted(scores, key=scores.get, reverse=True)[: settings["top_k"]]
    return {k for k in best if scores[k] > settings["threshold"]}


def loss(out, batch, state, settings, progress):
    """Mean over every view of every image of -1/|P| sum_(p in P) s(a, p) + log sum_(k in D) exp s(a, k)."""
    keys = all_keys(out, batch, state)
    total, anchors = 0.0, 0
    for i in range(len(batch["index"])):
        false = false_negatives(i, keys, batch, settings)
        for v, view in enumerate(out["z"]):
            anchor = unit(view[i])
            scores = [dot(anchor, vector) / settings["temperature"] for vector, _, _, _ in keys]
            # D: all keys but the key of the same view of the same row. P: the other views of the row.
            candidates = {k for k, key in enumerate(keys) if key[2:] != (i, v)}
            positives = {k for k in candidates if keys[k][2] == i}
            if settings["mode"] == "attract":
                positives |= false
            else:
                candidates -= false
            numerator = sum(scores[k] for k in positives) / len(positives)
            total += log_sum_exp([scores[k] for k in candidates]) - numerator
            anchors += 1
    return SCALE * total / anchors


def after(out, batch, state, settings, progress):
    """The teacher embeddings of all views enter the queue in one push: the rows of view 0 first."""
    rows, index = [], []
    for view in out["t"]:
        rows += list(view)
        index += batch["index"]
    return pushed(state, rows, index)


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
