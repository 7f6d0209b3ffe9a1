"""Labels that are used equally often."""

import math

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Float, Int

EVERY = 50  # passes between two looks at the change
MOST = 10_000  # passes


@torch.no_grad()
def equal_labels(log_p: Float[Tensor, "n k"], strength: float, tolerance: float = 0.1) -> Int[Tensor, " n"]:
    """Of each row the cluster with most of it in  diag(a) P^strength diag(b)  whose sums are equal (SeLa, Eq. 6-8).

    a and b make every row sum to 1/n and every cluster to 1/k; they come from Sinkhorn and Knopp's passes, clusters
    first, in double precision.

        log_p       log-probabilities; what is added to a whole row changes nothing
        strength    > 0, the paper's lambda: towards infinity rows go where the sum of log_p is largest
        tolerance   > 0; passes end when b's entries change by less in sum, each relative to itself, in a pass (every
                    fiftieth is looked at), or after 10,000

    Raises ValueError for a strength or tolerance <= 0.

    >>> equal_labels(torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]]).log(), 25.0).tolist()
    [0, 0, 1, 1]
    """
    require(strength > 0, "equal_labels", "strength", "> 0", strength)
    require(tolerance > 0, "equal_labels", "tolerance", "> 0", tolerance)
    n, k = log_p.shape
    log = strength * log_p.double()
    rows = torch.full((n,), -math.log(n), dtype=torch.float64, device=log.device)
    for _ in range(
        MOST // EVERY
    ):  # one pass in logs, since P^strength underflows, then others by products, which are fast
        before = rows
        clusters = -math.log(k) - (log + rows[:, None]).logsumexp(0)
        rows = -math.log(n) - (log + clusters).logsumexp(1)
        if (before - rows).expm1().abs().sum() < tolerance:
            break
        share = (log + rows[:, None] + clusters).exp()
        a = torch.ones_like(rows)
        for _ in range(EVERY - 1):
            a = 1 / (n * (share @ (1 / (k * (a @ share)))))
        rows = torch.where(a.log().isfinite().all(), rows + a.log(), rows)  # else the passes in logs alone go on
    return (log + clusters).argmax(1)
