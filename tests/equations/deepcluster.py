"""DeepCluster-v2 loss (Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
NeurIPS 2020, after "Deep Clustering for Unsupervised Learning of Visual Features", ECCV 2018).
"""

from tests.equations.plain import dot, log_sum_exp, mean, unit

SETTINGS = {"dim": 5, "hidden": 7, "clusters": 4, "n_heads": 3}
VARIANTS = {"default": {}, "one head": {"n_heads": 1}, "warm": {"temperature": 0.5}}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.5]
VIEWS = [2, 4]


def loss(out, batch, state, settings, progress):
    """Cross-entropy of every view against the cluster of its image, with the centroids as fixed classifier weights."""
    terms = []
    for labels, centroids in zip(state["labels"], state["centroids"], strict=True):
        assigned = [row for row, i in enumerate(batch["index"]) if labels[i] != -100]
        for view in out["z"]:
            rows = []
            for row in assigned:
                logits = [dot(unit(view[row]), c) / settings["temperature"] for c in centroids]
                rows.append(log_sum_exp(logits) - logits[labels[batch["index"][row]]])
            terms.append(mean(rows) if rows else 0.0)
    return mean(terms)


def after(out, batch, state, settings, progress):
    """Bank c keeps the last embedding of assignment crop c of every image."""
    new = {}
    for c in (0, 1):
        bank = [list(row) for row in state[f"banks.{c}.entries"]]
        for i, vector in zip(batch["index"], out["z"][c], strict=True):
            bank[i] = unit(vector)
        new[f"banks.{c}.entries"] = bank
    return new
