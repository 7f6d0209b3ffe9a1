"""SeLa loss (Asano et al., "Self-Labelling via Simultaneous Clustering and Representation Learning", ICLR 2020)."""

from tests.equations.plain import log_sum_exp, mean

SETTINGS = {"clusters": 4, "n_heads": 3}
VARIANTS = {"default": {}, "one head": {"n_heads": 1}, "rare": {"renewals": 2, "clusters": 5}}
OUTPUTS = {"scores": "encoder classifiers"}  # of all heads, one after another
PROGRESS = [0.5]
VIEWS = [1]


def loss(out, batch, state, settings, progress):
    """Eq. 5: of every head -log p(y_i | x_i) with the image's label of that head, mean over images and heads."""
    k, heads = settings["clusters"], []
    for head in range(settings["n_heads"]):
        terms = []
        for i, row in zip(batch["index"], out["scores"][0], strict=True):
            scores = row[head * k : (head + 1) * k]
            terms.append(log_sum_exp(scores) - scores[state["labels"][head][i]])
        heads.append(mean(terms))
    return mean(heads)


def after(out, batch, state, settings, progress):
    """Labels change between epochs alone."""
    return {}
