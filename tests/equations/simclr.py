"""SimCLR loss (Chen et al., "A Simple Framework for Contrastive Learning", ICML 2020, Eq. 1, Alg. 1)."""

import math


def unit(vector):
    """The vector divided by its L2 norm."""
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


def dot(a, b):
    """Inner product; the cosine when both are unit vectors (sim in Eq. 1)."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def log_sum_exp(values):
    """log of the sum of exp(values), shifted by the largest value."""
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


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


def after(state: dict, **given) -> dict:
    """SimCLR keeps no memory."""
    return {}
