"""ISL on MoCo v2 (Wang et al., "Instance Similarity Learning", ICCV 2021, appendix).

NCE-in: P = own key and the bank rows of the members; D = P and the queue rows of other images.
"""

import math

SETTINGS = {
    "dim": 5,
    "hidden": 7,
    "temperature": 0.2,
    "queue_size": 8,
    "teacher_momentum": 0.999,
    "bank_momentum": 0.5,
}
VARIANTS = {
    "default": {},
    "small queue": {"queue_size": 5},
    "large queue": {"queue_size": 20},
    "other numbers": {"temperature": 0.1, "bank_momentum": 0.9, "teacher_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.5]


def unit(vector):
    """The vector divided by its L2 norm."""
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


def dot(a, b):
    """Inner product; the cosine of unit vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def log_sum_exp(values):
    """log of the sum of exp(values), shifted by the largest value."""
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def loss(out, batch, state, settings, progress) -> float:
    """Mean over the rows of -LSE over P + LSE over D."""
    bank, entries, image = state["bank.entries"], state["queue.entries"], state["queue.index"]
    total = 0.0
    for row, key, i in zip(out["z"][0], out["t"][1], batch["index"], strict=True):
        anchor = unit(row)
        members = sorted({j for j in state["affinity.members"][i] if j >= 0})
        positives = [unit(key)] + [bank[j] for j in members]
        # Queue rows of the image and of its members are left out; random rows stay.
        others = [entries[r] for r in range(len(entries)) if image[r] != i and image[r] not in members]
        scores = [dot(anchor, k) / settings["temperature"] for k in positives + others]
        total += log_sum_exp(scores) - log_sum_exp(scores[: len(positives)])
    return total / len(batch["index"])


def push(state, rows, index):
    """The queue after `rows`: first in, first out; of a batch larger than the queue only the last rows stay."""
    names = ["entries", "index", "label", "born", "cursor", "pushes"]
    queue = {name: state["queue." + name] for name in names}
    queue = {name: list(value) if isinstance(value, list) else value for name, value in queue.items()}
    size = len(queue["entries"])
    queue["pushes"] += 1
    for b in range(max(0, len(rows) - size), len(rows)):
        place = queue["cursor"]
        queue["entries"][place] = unit(rows[b])
        queue["index"][place] = index[b]
        queue["label"][place] = -1
        queue["born"][place] = queue["pushes"]
        queue["cursor"] = (place + 1) % size
    return {"queue." + name: value for name, value in queue.items()}


def bank_after(bank, rows, index, momentum):
    """B_i <- norm(momentum * B_i + (1 - momentum) * unit(row)); the last row of an image wins."""
    new = list(bank)
    for row, i in zip(rows, index, strict=True):
        new[i] = unit([momentum * old + (1 - momentum) * x for old, x in zip(bank[i], unit(row), strict=True)])
    return new


def after(out, batch, state, settings, progress) -> dict:
    """The own keys enter the queue and the bank."""
    rows = bank_after(state["bank.entries"], out["t"][1], batch["index"], settings["bank_momentum"])
    return {**push(state, out["t"][1], batch["index"]), "bank.entries": rows}


def teacher_momentum(settings, progress) -> float:
    """Constant."""
    return settings["teacher_momentum"]
