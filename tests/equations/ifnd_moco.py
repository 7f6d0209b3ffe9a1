"""IFND on MoCo v2 (Chen et al., "Incremental False Negative Detection for Contrastive Learning",
ICLR 2022; elimination loss on a queue of keys).
"""

from tests.equations.plain import dot, log_sum_exp, mean, pushed, unit

SETTINGS = {"dim": 5, "hidden": 7, "queue_size": 8, "clusters": [3, 5]}
VARIANTS = {
    "default": {},
    "step": {"acceptance": "step", "step_at": 0.3},
    "constant": {"acceptance": "constant", "final_rate": 0.5},
    "density": {"confidence": "density"},
    "one level": {"clusters": [4], "temperature": 0.5},
    "short queue": {"queue_size": 4},
    "three layers": {"head": "three layers"},
    "clusters of features": {"space": "features"},
    "nothing accepted": {"final_rate": 0.0},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.5]


def loss(out, batch, state, settings, progress):
    """Per level: the own key against itself and the queue rows of images with another pseudo-label; mean of levels."""
    terms = []
    for label in state["pseudo.label"]:
        for i, z, key in zip(batch["index"], out["z"][0], out["t"][1], strict=True):
            candidates = [unit(key)]
            for entry, image in zip(state["queue.entries"], state["queue.index"], strict=True):
                # A random starting row (image -1) has no pseudo-label and stays.
                if image == -1 or label[image] != label[i]:
                    candidates.append(entry)
            logits = [dot(unit(z), k) / settings["temperature"] for k in candidates]
            terms.append(log_sum_exp(logits) - logits[0])
    return mean(terms)


def after(out, batch, state, settings, progress):
    """The teacher's keys of view 1 enter the queue with the index of their image."""
    return pushed(state, out["t"][1], batch["partner"])


def teacher_momentum(settings, progress):
    """Constant."""
    return settings["teacher_momentum"]
