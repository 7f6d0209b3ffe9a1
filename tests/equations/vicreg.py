"""VICReg loss, official total (Bardes et al., "VICReg", ICLR 2022)."""

import math

SETTINGS = {"dim": 5, "hidden": 7}
VARIANTS = {
    "default": {},
    "invariance": {"invariance": 1.0, "variance": 0.0, "covariance": 0.0},
    "variance": {"invariance": 0.0, "variance": 1.0, "covariance": 0.0},
    "covariance": {"invariance": 0.0, "variance": 0.0, "covariance": 1.0},
}
OUTPUTS = {"z": "encoder projector"}
PROGRESS = [0.5]


def covariance(rows):
    """Cov(Z) = 1/(n - 1) sum_i (z_i - mean)(z_i - mean)^T."""
    n, d = len(rows), len(rows[0])
    mean = [sum(row[j] for row in rows) / n for j in range(d)]
    centred = [[row[j] - mean[j] for j in range(d)] for row in rows]
    return [[sum(row[j] * row[k] for row in centred) / (n - 1) for k in range(d)] for j in range(d)]


def loss(out, batch, state, settings, progress):
    """25 s + 25 (v_a / 2 + v_b / 2) + (c_a + c_b), on embeddings that are not normalised."""
    za, zb = out["z"][0], out["z"][1]
    n, d = len(za), len(za[0])

    # Invariance s: mean square over n d; the weight of a row touches this term only.
    s = 0.0
    for i in range(n):
        s += batch["weight"][i] * sum((x - y) ** 2 for x, y in zip(za[i], zb[i], strict=True)) / d
    s /= n

    v = c = 0.0
    for rows in (za, zb):
        cov = covariance(rows)
        # Variance v = mean_j relu(1 - sqrt(Var_j + 1e-4)); the official code halves it.
        v += sum(max(0.0, 1 - math.sqrt(cov[j][j] + 1e-4)) for j in range(d)) / d / 2
        # Covariance c = sum_(j != k) Cov_jk^2 / d.
        c += sum(cov[j][k] ** 2 for j in range(d) for k in range(d) if j != k) / d
    return settings["invariance"] * s + settings["variance"] * v + settings["covariance"] * c


def after(out, batch, state, settings, progress):
    """VICReg keeps no memory."""
    return {}
