"""Rotation loss (Gidaris et al., "Unsupervised Representation Learning by Predicting Image Rotations", ICLR 2018)."""

from tests.equations.plain import log_sum_exp, mean

SETTINGS = {}
VARIANTS = {"default": {}, "half turns": {"rotations": "0 180"}, "quarter turns": {"rotations": "90 270"}}
OUTPUTS = {"F": "versions encoder classifier"}  # one row per rotation and image, image by image within a rotation
VIEWS = [1]


def loss(out, batch, state, settings, progress):
    """Eq. 3: of each image the mean over its K rotations y of -log F^y(g(X | y)), F a softmax; Eq. 2: over images."""
    n, k = len(batch["index"]), len(settings["rotations"].split())
    per_image = []
    for i in range(n):
        terms = []
        for y in range(k):
            scores = out["F"][0][y * n + i]
            terms.append(log_sum_exp(scores) - scores[y])
        per_image.append(mean(terms))
    return mean(per_image)


def after(out, batch, state, settings, progress):
    """Nothing is kept."""
    return {}
