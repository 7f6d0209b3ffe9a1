"""NNSiam's loss (ICCV 2021, App. B) with targets that are right as often, and as near, as asked."""

from tests.equations.nnclr_controlled import after, draws, stand_in
from tests.equations.plain import dot, unit

__all__ = ["OUTPUTS", "PROGRESS", "SETTINGS", "VARIANTS", "after", "draws", "loss"]

SETTINGS = {"dim": 5, "hidden": 7, "hidden_predictor": 9, "queue_size": 13, "right_share": 0.5}
VARIANTS = {
    "default": {},
    "without self": {"exclude_self": True},
    "never right": {"right_share": 0.0},
    "farthest of the class, random of others": {"right": "farthest", "wrong": "random"},
}
OUTPUTS = {"z": "encoder projector", "p": "encoder projector predictor"}
PROGRESS = [0.5]


def loss(out, batch, state, settings, progress):
    """Mean over rows of -1/2 [cos(p_a, stand-in of z_b) + cos(p_b, stand-in of z_a)]."""
    n = len(batch["index"])
    total = 0.0
    for a, b in [(0, 1), (1, 0)]:
        for i in range(n):
            target = stand_in(out["z"][b][i], i, batch, state, settings, batch["drawn"][b])
            total += -dot(unit(out["p"][a][i]), unit(target)) / 2
    return total / n
