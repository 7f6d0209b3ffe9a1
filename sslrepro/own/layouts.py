"""Where do images stand on a map? t-SNE and UMAP of their features, the same places for the same seed."""

from collections.abc import Callable

import numpy as np
import torch

from sslrepro.base.types import Float
from sslrepro.embeddings.maps import NEIGHBOURS, PERPLEXITY
from sslrepro.training.loop import threads

EXACT = 5_000  # images up to which t-SNE searches neighbours exactly


def by_tsne(x: Float[torch.Tensor, "n f"], seed: int = 0) -> np.ndarray:
    """[n 2] positions by t-SNE of unit rows, in -1..1.

    Raises ValueError where openTSNE is not installed.
    """
    try:
        import openTSNE
    except ImportError:
        raise ValueError("map: openTSNE is not installed. `pip install openTSNE`.") from None
    rows = x.numpy()
    shared = dict(perplexity=min(PERPLEXITY, (len(rows) - 1) / 3), random_state=seed, n_jobs=1, metric="euclidean")
    search = "exact" if len(rows) <= EXACT else "annoy"
    solver = openTSNE.TSNE(
        initialization="pca", neighbors=search, negative_gradient_method="fft" if len(rows) > EXACT else "bh", **shared
    )
    return in_square(np.asarray(solver.fit(rows)))


def by_umap(x: Float[torch.Tensor, "n f"], seed: int = 0) -> np.ndarray:
    """[n 2] positions by UMAP of unit rows, in -1..1, from their two principal components.

    Raises ValueError where umap-learn is not installed.
    """
    with threads(torch.get_num_threads()):  # numba sets the thread count of the whole process
        try:
            import umap
        except ImportError:
            raise ValueError("map: umap-learn is not installed. `pip install umap-learn`.") from None
        rows = x.numpy()
        near = max(2, min(NEIGHBOURS, len(rows) - 1))
        solver = umap.UMAP(n_neighbors=near, init="pca", random_state=seed, n_jobs=1)
        return in_square(np.asarray(solver.fit_transform(rows)))


def in_square(places: np.ndarray) -> np.ndarray:
    """Positions less their mean, the farthest coordinate at 1."""
    places = places - places.mean(0)
    return places / max(np.abs(places).max(), 1e-12)


LAYOUTS: dict[str, Callable[..., np.ndarray]] = {"t-SNE": by_tsne, "UMAP": by_umap}  # the first is shown first
