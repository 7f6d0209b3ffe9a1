"""ISL on MoCo v2 (Wang et al., "Instance Similarity Learning", ICCV 2021, appendix).

NCE-in: P = own key and the bank rows of the members; D = P and the queue rows of other images.
"""

from tests.equations.isl import written
from tests.equations.plain import dot, log_sum_exp, moved_bank, pushed, unit

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
    "mined from written rows": {"mine_from": "written"},
    "small queue": {"queue_size": 5},
    "large queue": {"queue_size": 20},
    "other numbers": {"temperature": 0.1, "bank_momentum": 0.9, "teacher_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.5]


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


def after(out, batch, state, settings, progress) -> dict:
    """The own keys enter the queue and the bank."""
    rows = moved_bank(state["bank.entries"], out["t"][1], batch["index"], settings["bank_momentum"])
    queue = pushed(state, out["t"][1], batch["index"])
    return {**queue, "bank.entries": rows, **written(state, batch["index"], settings)}


def teacher_momentum(settings, progress) -> float:
    """Constant."""
    return settings["teacher_momentum"]
