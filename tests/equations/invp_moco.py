"""InvP (Wang et al., "Invariance Propagation", NeurIPS 2020) with the queue of MoCo v2 in place of the bank.

L = L_ins + weight * gate * L_inv; members of N(i) that have left the queue are dropped.
"""

from tests.equations.invp import propagate
from tests.equations.plain import dot, log_sum_exp, pushed, unit

SETTINGS = {
    "dim": 5,
    "hidden": 7,
    "temperature": 0.2,
    "queue_size": 12,
    "teacher_momentum": 0.999,
    "n_neighbours": 2,
    "hops": 3,
    "n_positives": 3,
    "n_negatives": 10,
    "weight": 0.6,
    "gate": 0.0375,
}
VARIANTS = {
    "default": {},
    "one hop": {"hops": 1},
    "two hops": {"hops": 2},
    "linear head": {"head": "linear", "temperature": 0.07},
    "batch norm in the head": {"head": "batch_norm"},
    "one positive": {"n_positives": 1},
    "few negatives": {"n_negatives": 4},
    "four neighbours": {"n_neighbours": 4},
    "late gate": {"gate": 0.7},
    "small queue": {"queue_size": 5},
    "other numbers": {"temperature": 0.1, "weight": 1.5, "teacher_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector", "t": "teacher"}
PROGRESS = [0.0, 0.5]


def loss(out, batch, state, settings, progress) -> float:
    """Mean over the rows of L_ins + weight * gate * L_inv."""
    entries, image = state["queue.entries"], state["queue.index"]
    gate = 0.0 if progress < settings["gate"] else 1.0
    total = 0.0
    for row, key, i in zip(out["z"][0], out["t"][1], batch["index"], strict=True):
        anchor = unit(row)
        own = dot(anchor, unit(key)) / settings["temperature"]
        scores = [dot(anchor, entry) / settings["temperature"] for entry in entries]
        # N_M: the nearest rows that are not the anchor's own image.
        others = sorted((r for r in range(len(entries)) if image[r] != i), key=lambda r: -scores[r])
        nearest = others[: settings["n_negatives"]]
        # L_ins: the own key against itself and N_M.
        total += log_sum_exp([own] + [scores[r] for r in nearest]) - own
        # L_inv: NCE-in, P = the rows of N(i) with the lowest similarity, D = (N_M without N) and P.
        members = propagate(state["graph.neighbours"], i, settings["hops"])
        positives = [r for r in range(len(entries)) if image[r] in members]
        if positives:
            hard = sorted(positives, key=lambda r: scores[r])[: settings["n_positives"]]
            denominator = [r for r in nearest if r not in positives] + hard
            l_inv = log_sum_exp([scores[r] for r in denominator]) - log_sum_exp([scores[r] for r in hard])
            total += settings["weight"] * gate * l_inv
    return total / len(batch["index"])


def after(out, batch, state, settings, progress) -> dict:
    """Queue after the own keys; graph rows of the batch from the queue before them."""
    entries, image = state["queue.entries"], state["queue.index"]
    graph = [list(row) for row in state["graph.neighbours"]]
    k = settings["n_neighbours"]
    for row, i in zip(out["z"][0], batch["index"], strict=True):
        anchor = unit(row)
        neighbours = []
        # The distinct images of the nearest rows, nearest first; random rows and the own image are passed over.
        for r in sorted(range(len(entries)), key=lambda r: -dot(anchor, entries[r])):
            if image[r] >= 0 and image[r] != i and image[r] not in neighbours:
                neighbours.append(image[r])
        graph[i] = (neighbours + [-1] * k)[:k]
    return {**pushed(state, out["t"][1], batch["index"]), "graph.neighbours": graph}


def teacher_momentum(settings, progress) -> float:
    """Constant."""
    return settings["teacher_momentum"]
