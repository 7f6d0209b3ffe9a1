"""How often the rule of docs/adr/0004 is wrong, on simulated experiments: python benchmarks/rule_error_rates.py

Seeds are normal with standard deviation 1 around the true cell; each experiment draws its seeds anew and is judged.
"""

import numpy as np

from sslrepro.claims import CONTRADICTED, HOLDS, Cell

EXPERIMENTS, DRAWS = 400, 4_000


def rises(drawn: np.ndarray) -> np.ndarray:
    """The cells rise from first to last."""
    return (np.diff(drawn, axis=0) > 0).all(0)


def within(tolerance: float):
    """The cells differ by at most so much."""
    return lambda drawn: np.ptp(drawn, axis=0) <= tolerance


def rates(truth: list[float], n: int, rng: np.random.Generator, claim=rises) -> tuple[float, float]:
    """Shares of experiments in which the claim holds and is contradicted."""
    found = []
    for _ in range(EXPERIMENTS):
        seeds = rng.normal(truth, 1.0, (n, len(truth)))
        cells = [Cell(mean, sd, n) for mean, sd in zip(seeds.mean(0), seeds.std(0, ddof=1), strict=True)]
        drawn = np.stack([cell.draws(rng, DRAWS) for cell in cells])
        found.append(np.mean(claim(drawn)))
    return float(np.mean(np.array(found) >= HOLDS)), float(np.mean(np.array(found) <= CONTRADICTED))


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    for name, truth in (
        ("two equal cells", [0, 0]),
        ("four equal cells", [0] * 4),
        ("five equal cells", [0] * 5),
        ("five cells, steps of half a standard deviation", [0, 0.5, 1, 1.5, 2]),
    ):
        for n in (3, 5):
            holds, contradicted = rates(truth, n, rng)
            print(f"{name:48} n={n}  holds {100 * holds:5.1f}%  contradicted {100 * contradicted:5.1f}%")
    for name, cells, tolerance in (
        ("two equal cells, said to differ by <= 0.15 sd", 2, 0.15),
        ("two equal cells, said to differ by <= 4 sd", 2, 4.0),
        ("five equal cells, said to lie within 1 sd", 5, 1.0),
    ):
        for n in (3, 5):
            holds, contradicted = rates([0] * cells, n, rng, within(tolerance))
            print(f"{name:48} n={n}  holds {100 * holds:5.1f}%  contradicted {100 * contradicted:5.1f}%")
