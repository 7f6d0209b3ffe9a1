"""IFND on SwAV (Chen et al., "Incremental False Negative Detection for Contrastive Learning",
ICLR 2022, App. F: codes of the mean feature of a pseudo-label group).
"""

from tests.equations.plain import dot, mean, pushed, unit
from tests.equations.swav import cross_entropy, sinkhorn

SETTINGS = {"dim": 5, "hidden": 7, "n_prototypes": 7, "queue_size": 8, "clusters": [3, 5]}
VARIANTS = {
    "default": {},
    "short queue": {"queue_size": 4},
    "queue at once": {"queue_from": 0.0},
    "no queue yet": {"queue_from": 0.9},
    "soft codes": {"epsilon": 0.5, "sinkhorn_iterations": 1, "temperature": 0.3},
    "step": {"acceptance": "step", "step_at": 0.3},
    "constant": {"acceptance": "constant", "final_rate": 0.5, "confidence": "density"},
    "one level": {"clusters": [4]},
    "clusters of features": {"space": "features"},
}
OUTPUTS = {"z": "encoder projector unit"}
PROGRESS = [0.0, 0.5]
VIEWS = [2, 4]


def group_means(rows, labels):
    """Every row replaced by the unit mean of the unit rows with its label."""
    out = []
    for label in labels:
        members = [unit(row) for row, y in zip(rows, labels, strict=True) if y == label]
        out.append(unit([mean(column) for column in zip(*members, strict=True)]))
    return out


def codes_of(c, label, out, batch, state, settings, progress):
    """Codes of the batch rows of crop c from the group means over the batch and, once it is full, queue c."""
    rows, images = list(out["z"][c]), list(batch["index"] if c == 0 else batch["partner"])
    if progress >= settings["queue_from"] and min(state[f"queues.{c}.index"]) >= 0:
        rows += state[f"queues.{c}.entries"]
        images += state[f"queues.{c}.index"]
    means = group_means(rows, [label[i] for i in images])
    scores = [[dot(row, prototype) for prototype in state["prototypes.weight"]] for row in means]
    return sinkhorn(scores, settings["epsilon"], settings["sinkhorn_iterations"])[: len(out["z"][c])]


def loss(out, batch, state, settings, progress):
    """Swapped prediction of the group codes; the predicting side is unchanged; mean over levels."""
    levels = []
    for label in state["pseudo.label"]:
        for c in (0, 1):
            codes = codes_of(c, label, out, batch, state, settings, progress)
            terms = []
            for v, view in enumerate(out["z"]):
                if v == c:
                    continue
                for code, row in zip(codes, view, strict=True):
                    scores = [dot(row, prototype) for prototype in state["prototypes.weight"]]
                    terms.append(cross_entropy(code, scores, settings["temperature"]))
            levels.append(mean(terms))
    return mean(levels)


def after(out, batch, state, settings, progress):
    """From `queue_from` on, queue c takes the embeddings of crop c."""
    if progress < settings["queue_from"]:
        return {}
    first = pushed(state, out["z"][0], batch["index"], "queues.0")
    return {**first, **pushed(state, out["z"][1], batch["partner"], "queues.1")}
