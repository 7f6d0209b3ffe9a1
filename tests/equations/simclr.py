"""SimCLR loss (Chen et al., "A Simple Framework for Contrastive Learning", ICML 2020, Eq. 1, Alg. 1)."""

from tests.equations.plain import dot, log_sum_exp, unit


def loss(z: list[list[list[float]]], index: list[int], temperature: float, **settings) -> float:
    """Mean of the NT-Xent term over every view of every image."""
    # All embeddings in one list, each with the image it came from.
    keys, image = [], []
    for view in z:
        for row, vector in enumerate(view):
            keys.append(unit(vector))
            image.append(index[row])

    total = 0.0
    for a in range(len(keys)):
        # Denominator of Eq. 1: every key but the anchor itself (indicator k != i).
        others = [k for k in range(len(keys)) if k != a]
        denominator = log_sum_exp([dot(keys[a], keys[k]) / temperature for k in others])
        # Numerator of Eq. 1: the other view of the image; the average when there are several.
        positives = [k for k in others if image[k] == image[a]]
        numerator = sum(dot(keys[a], keys[k]) / temperature for k in positives) / len(positives)
        total += denominator - numerator
    # Algorithm 1: L = 1/(2N) sum_k [l(2k-1, 2k) + l(2k, 2k-1)].
    return total / len(keys)


def after(state: dict, **arguments) -> dict:
    """SimCLR keeps no memory."""
    return {}
