"""IFND on SimCLR (Chen et al., "Incremental False Negative Detection for Contrastive Learning",
ICLR 2022; elimination and attraction losses), and ProtoNCE on SimCLR (PCL's Eq. 11 for accepted images).
"""

from tests.equations.plain import dot, log_sum_exp, mean, unit

SETTINGS = {"dim": 5, "hidden": 7, "clusters": [3, 5]}
VARIANTS = {
    "default": {},
    "attract": {"mode": "attract"},
    "step": {"acceptance": "step", "step_at": 0.3},
    "constant": {"acceptance": "constant", "final_rate": 0.5},
    "density": {"confidence": "density", "mode": "attract"},
    "one level": {"clusters": [4], "temperature": 0.2},
    "prototype": {"mode": "prototype"},
    "prototype of everyone": {"mode": "prototype", "acceptance": "step", "step_at": 0.3, "temperature": 0.2},
    "prototype, whole clusters": {"mode": "prototype", "confidence": "density", "clusters": [4]},
}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.5]


def loss(out, batch, state, settings, progress):
    """Mean over levels and anchors; a key with the anchor's pseudo-label is removed or made a positive.

    In mode "prototype" no key is; an anchor with an accepted label adds -log of the share that its cluster's centroid
    takes of all centroids of the level, each scored v . c / phi_c.
    """
    # Both views of every image in one list; the twin of an anchor is the other view of the same row.
    keys = [(row, batch["index"][row], unit(z)) for view in out["z"] for row, z in enumerate(view)]
    terms = []
    for level, label in enumerate(state["pseudo.label"]):
        for a, (row, image, anchor) in enumerate(keys):
            scores = [dot(anchor, vector) / settings["temperature"] for _, _, vector in keys]
            others = [k for k in range(len(keys)) if k != a]
            twin = [k for k in others if keys[k][0] == row]
            same = [k for k in others if k not in twin and label[keys[k][1]] == label[image]]
            if settings["mode"] == "eliminate":
                # The twin against the twin and the views of images with another pseudo-label.
                positives, candidates = twin, [k for k in others if k not in same]
            elif settings["mode"] == "prototype":
                positives, candidates = twin, others
            else:
                # The mean over the twin and the views with the same pseudo-label, against all other views.
                positives, candidates = twin + same, others
            term = log_sum_exp([scores[k] for k in candidates]) - mean(scores[k] for k in positives)
            if settings["mode"] == "prototype" and label[image] >= 0:
                phi = state[f"pseudo.density.{level}"]
                logits = [dot(anchor, c) / phi[k] for k, c in enumerate(state[f"pseudo.centroids.{level}"])]
                term += log_sum_exp(logits) - logits[label[image]]
            terms.append(term)
    return mean(terms)


def after(out, batch, state, settings, progress):
    """Nothing is written: pseudo-labels change at re-clustering only."""
    return {}
