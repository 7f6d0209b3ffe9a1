"""InvP loss (Wang et al., "Unsupervised Representation Learning by Invariance Propagation", NeurIPS 2020).

L = L_ins + weight * gate * L_inv, in the paper's form (sets of images) or the code's (lists with repeats).
"""

import math

from tests.equations.plain import dot, log_sum_exp, moved_bank, unit

SETTINGS = {
    "dim": 5,
    "hidden": 7,
    "temperature": 0.2,
    "bank_momentum": 0.5,
    "n_neighbours": 2,
    "hops": 3,
    "n_positives": 3,
    "n_negatives": 10,
    "weight": 0.6,
    "instance_weight": 1.0,
    "gate": 0.0375,
    "form": "paper",
}
VARIANTS = {
    "default": {},
    "one hop": {"hops": 1},
    "two hops": {"hops": 2},
    "code": {"form": "code"},
    "code, one hop": {"form": "code", "hops": 1},
    "code, two hops": {"form": "code", "hops": 2},
    "linear head": {"hidden": 0},
    "linear head by name": {"head": "linear"},
    "batch norm in the head": {"head": "batch_norm", "temperature": 0.07},
    "the anchor is a positive": {"anchor": "positive"},
    "the anchor and one hop": {"anchor": "positive", "hops": 1, "n_positives": 50},
    "the anchor is left out": {"anchor": "left_out"},
    "the invariance loss alone": {"instance_weight": 0.0, "gate": 0.0},
    "one positive": {"n_positives": 1},
    "four neighbours": {"n_neighbours": 4, "n_positives": 5},
    "whole bank": {"n_negatives": 40},
    "late gate": {"gate": 0.7},
    "other numbers": {"temperature": 0.1, "weight": 1.5, "bank_momentum": 0.9},
}
OUTPUTS = {"z": "encoder projector"}
VIEWS = [1]
PROGRESS = [0.0, 0.5]


def propagate(graph, i, hops):
    """N(i): the images within `hops` steps of i along the known edges (breadth first), without i."""
    reached, frontier = {i}, [i]
    for _ in range(hops):
        layer = []
        for node in frontier:
            for j in graph[node]:
                if j >= 0 and j not in reached:
                    reached.add(j)
                    layer.append(j)
        frontier = layer
    return reached - {i}


def walks(graph, i, hops):
    """The authors' shortcut: the neighbour lists of levels 1 .. hops one after the other, repeats and i kept."""
    entries, level = [], [i]
    for _ in range(hops):
        level = [j for node in level for j in graph[node] if j >= 0]
        entries += level
    return entries


def paper_form(scores, i, nearest, graph, settings):
    """(L_ins, L_inv) over sets of images."""
    # L_ins: own row against the M nearest rows and itself.
    l_ins = log_sum_exp([scores[j] for j in sorted({*nearest, i})]) - scores[i]
    # L_inv: NCE-in, P = the members of N(i) with the lowest similarity, D = (N_M without N) and P.
    positives = propagate(graph, i, settings["hops"]) | ({i} if settings["anchor"] == "positive" else set())
    if not positives:
        return l_ins, 0.0
    hard = set(sorted(positives, key=lambda j: scores[j])[: settings["n_positives"]])
    denominator = (set(nearest) - positives - ({i} if settings["anchor"] == "left_out" else set())) | hard
    return l_ins, log_sum_exp([scores[j] for j in denominator]) - log_sum_exp([scores[j] for j in hard])


def code_form(scores, i, nearest, graph, settings):
    """(L_ins, L_inv) as the authors' program has them, with its 1e-7 floors."""
    total = sum(math.exp(scores[j]) for j in nearest)
    own = math.exp(scores[i])
    l_ins = -math.log(own / total + 1e-7)
    entries = walks(graph, i, settings["hops"])
    if not entries:
        return l_ins, 0.0
    hard = sorted(entries, key=lambda j: scores[j])[: settings["n_positives"]]
    # The own row is taken off the sum whether or not it is among the nearest; discovered positives stay in it.
    return l_ins, -math.log(sum(math.exp(scores[j]) for j in hard) / (total - own) + 1e-7)


def loss(out, batch, state, settings, progress) -> float:
    """Mean over the rows of L_ins + weight * gate * L_inv."""
    bank, graph = state["bank.entries"], state["graph.neighbours"]
    gate = 0.0 if progress < settings["gate"] else 1.0
    form = {"paper": paper_form, "code": code_form}[settings["form"]]
    total = 0.0
    for row, i in zip(out["z"][0], batch["index"], strict=True):
        anchor = unit(row)
        scores = [dot(anchor, entry) / settings["temperature"] for entry in bank]
        nearest = sorted(range(len(bank)), key=lambda j: -scores[j])[: settings["n_negatives"]]
        l_ins, l_inv = form(scores, i, nearest, graph, settings)
        total += settings["instance_weight"] * l_ins + settings["weight"] * gate * l_inv
    return total / len(batch["index"])


def after(out, batch, state, settings, progress) -> dict:
    """Bank rows of the batch; its graph rows: the k nearest of the bank before the step, own row excluded."""
    bank = state["bank.entries"]
    graph = [list(row) for row in state["graph.neighbours"]]
    for row, i in zip(out["z"][0], batch["index"], strict=True):
        anchor = unit(row)
        others = sorted((j for j in range(len(bank)) if j != i), key=lambda j: -dot(anchor, bank[j]))
        graph[i] = others[: settings["n_neighbours"]]
    rows = moved_bank(bank, out["z"][0], batch["index"], settings["bank_momentum"])
    return {"bank.entries": rows, "graph.neighbours": graph}
