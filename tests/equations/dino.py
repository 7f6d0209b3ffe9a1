"""DINO loss and centre (Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021)."""

import math

SETTINGS = {"dim": 5, "hidden": 7, "n_prototypes": 9}
VARIANTS = {
    "default": {},
    "temperatures": {"temperature": 0.3, "teacher_temperature": 0.1, "teacher_temperature_end": 0.2},
    "short warm-up": {"teacher_temperature_warmup": 0.1},
    "no warm-up": {"teacher_temperature_warmup": 0.0},
    "fast centre and teacher": {"centre_momentum": 0.5, "teacher_momentum": 0.9},
}
OUTPUTS = {"s": "encoder projector unit prototypes", "t": "teacher"}
VIEWS = [2, 4]
PROGRESS = [0.0, 0.15, 0.5]


def log_softmax(values):
    """Each value minus the log of the sum of exp(values)."""
    top = max(values)
    total = top + math.log(sum(math.exp(v - top) for v in values))
    return [v - total for v in values]


def teacher_temperature(settings, progress):
    """Linear from the start to the end value over the warm-up share of training, then constant."""
    start, end = settings["teacher_temperature"], settings["teacher_temperature_end"]
    warmup = settings["teacher_temperature_warmup"]
    if progress >= warmup:
        return end
    return start + (end - start) * progress / warmup


def loss(out, batch, state, settings, progress):
    """Mean over pairs (teacher view t in {0, 1}, student view v != t) and rows of the cross-entropy."""
    sharp = teacher_temperature(settings, progress)
    n = len(batch["index"])
    pairs = [(t, v) for t in (0, 1) for v in range(len(out["s"])) if v != t]
    total = 0.0
    for t, v in pairs:
        for i in range(n):
            # Teacher: centred and sharpened. -sum softmax((t - c) / tau_t) log softmax(s / tau_s).
            target = log_softmax([(x - c) / sharp for x, c in zip(out["t"][t][i], state["centre"], strict=True)])
            guess = log_softmax([x / settings["temperature"] for x in out["s"][v][i]])
            total += batch["weight"][i] * -sum(math.exp(a) * b for a, b in zip(target, guess, strict=True))
    return total / len(pairs) / n


def after(out, batch, state, settings, progress):
    """After the loss: c <- m c + (1 - m) mean of the teacher scores over the rows of both teacher views."""
    rows = list(out["t"][0]) + list(out["t"][1])
    m = settings["centre_momentum"]
    centre = []
    for k, old in enumerate(state["centre"]):
        centre.append(m * old + (1 - m) * sum(row[k] for row in rows) / len(rows))
    return {"centre": centre}


def teacher_momentum(settings, progress):
    """Cosine from the start value to 1: 1 - (1 - tau_0) (cos(pi t / T) + 1) / 2."""
    return 1 - (1 - settings["teacher_momentum"]) * (math.cos(math.pi * progress) + 1) / 2
