"""Health of embeddings, logged while training."""

from torch import Tensor

from sslrepro.types import Float


def spread(z: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Collapse monitor: std over the batch, mean over dimensions, times sqrt(d).

    About 1 for unit rows spread over the sphere, 0 when all embeddings are equal.
    """
    return z.detach().float().std(0).mean() * z.shape[1] ** 0.5
