"""Barlow Twins loss (Zbontar et al., "Barlow Twins", ICML 2021)."""

import math

SETTINGS = {"dim": 5, "hidden": 7}
VARIANTS = {"default": {}, "strong off-diagonal": {"off_diagonal": 0.5}}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.5]


def standardised(rows):
    """Batch normalisation without scale and shift: biased variance, eps 1e-5."""
    n, d = len(rows), len(rows[0])
    mean = [sum(row[j] for row in rows) / n for j in range(d)]
    var = [sum((row[j] - mean[j]) ** 2 for row in rows) / n for j in range(d)]
    return [[(row[j] - mean[j]) / math.sqrt(var[j] + 1e-5) for j in range(d)] for row in rows]


def loss(out, batch, state, settings, progress):
    """sum_j (1 - c_jj)^2 + lambda sum_(j != k) c_jk^2 with c = BN(z_a)^T BN(z_b) / n."""
    za, zb = standardised(out["z"][0]), standardised(out["z"][1])
    n, d = len(za), len(za[0])
    total = 0.0
    for j in range(d):
        for k in range(d):
            c = sum(za[i][j] * zb[i][k] for i in range(n)) / n
            total += (1 - c) ** 2 if j == k else settings["off_diagonal"] * c**2
    return total


def after(out, batch, state, settings, progress):
    """Barlow Twins keeps no memory."""
    return {}
