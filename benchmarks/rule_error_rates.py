"""How often the rule of docs/adr/0004 is wrong, on simulated experiments: python benchmarks/rule_error_rates.py

Seeds are normal with standard deviation 1 around the true cell; each experiment draws its seeds anew and is judged.
"""

import numpy as np

from sslrepro.claims import CONTRADICTED, HOLDS, Cell

EXPERIMENTS, DRAWS = 400, 4_000


def rates(truth: list[float], n: int, rng: np.random.Generator) -> tuple[float, float]:
    """Shares of experiments in which "the cells rise from first to last" holds and is contradicted."""
    found = []
    for _ in range(EXPERIMENTS):
        seeds = rng.normal(truth, 1.0, (n, len(truth)))
        cells = [Cell(mean, sd, n) for mean, sd in zip(seeds.mean(0), seeds.std(0, ddof=1), strict=True)]
        drawn = np.stack([cell.draws(rng, DRAWS) for cell in cells])
        found.append(np.mean((np.diff(drawn, axis=0) > 0).all(0)))
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
