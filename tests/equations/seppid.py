"""SePP-ID pair mining and row weights (Alkhalefi et al., "Semantic Positive Pairs for Enhancing Visual Representation
Learning of Instance Discrimination Methods", TMLR 2024, Alg. 1 and Eq. 2).
"""

from tests.equations.plain import dot, unit


def pairs(vectors, chosen, low, high):
    """Alg. 1 as unordered pairs: all i < j among the chosen images with low <= cos <= high."""
    similar = []
    images = sorted(set(chosen))
    for a, i in enumerate(images):
        for j in images[a + 1 :]:
            if low <= dot(unit(vectors[i]), unit(vectors[j])) <= high:
                similar.append((i, j))
    return sorted(similar)


def weights(is_pair, n_images, n_pairs, weight):
    """Eq. 2: (1/N) sum_i [l(u_i, v_i) + sum_m weight l(u_i, v_im)], as weights of rows drawn from all N + P rows."""
    scale = (n_images + n_pairs) / n_images
    return [weight * scale if pair else scale for pair in is_pair]
