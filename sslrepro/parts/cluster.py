"""k-means, and what methods read from a clustering: confidence, acceptance, density."""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Float, Int
from sslrepro.parts.distributed import broadcast
from sslrepro.parts.memory import unit

CONFIDENCES = ("cosine", "density")
SCHEDULES = ("linear", "step", "constant")
HAS_FAISS = importlib.util.find_spec("faiss") is not None


@torch.no_grad()
def kmeans(
    x: Float[Tensor, "n d"], k: int, seed: int, iterations: int = 20, spherical: bool = False, engine: str | None = None
) -> tuple[Int[Tensor, " n"], Float[Tensor, "k d"]]:
    """(nearest centroid of each row, centroids) after Lloyd's iterations from `k` distinct rows drawn by `seed`.

    A centroid that loses all its rows moves to the row farthest from its own centroid.

        spherical   centroids are brought to unit length after each iteration
        engine      "faiss" or "torch" for the assignment; None: faiss on the CPU where it is installed. Both give the
                    same assignment but for ties

    Raises ValueError when k is not 1..n.
    """
    require(1 <= k <= len(x), "kmeans", "k", f"1..{len(x)}, the rows", k, "Use fewer clusters or more images.")
    engine = engine or ("faiss" if HAS_FAISS and x.device.type == "cpu" else "torch")
    assign = {"faiss": _faiss, "torch": _torch}[one_of(engine, ("faiss", "torch"), "kmeans", "engine")]
    generator = torch.Generator().manual_seed(seed)
    centroids = x[torch.randperm(len(x), generator=generator)[:k].to(x.device)].clone()
    before = None
    for _ in range(iterations):
        labels, distance = assign(x, centroids)
        if before is not None and torch.equal(labels, before):
            return labels, centroids  # nothing would move any more
        before = labels
        count = torch.bincount(labels, minlength=k)
        centroids = torch.zeros_like(centroids).index_add_(0, labels, x) / count.clamp_min(1)[:, None].to(x.dtype)
        empty = (count == 0).nonzero()[:, 0]
        if len(empty):
            centroids[empty] = x[distance.topk(len(empty)).indices]
        if spherical:
            centroids = unit(centroids)
    return assign(x, centroids)[0], centroids


def _torch(x: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Index of and squared distance to the nearest centroid."""
    half = centroids.square().sum(1) / 2
    best = [(rows @ centroids.T - half).max(1) for rows in x.split(max(1, 2**28 // len(centroids)))]  # 1 GiB at once
    value, label = (torch.cat([part[place] for part in best]) for place in (0, 1))
    return label, (x.square().sum(1) - 2 * value).clamp_min(0)


def _faiss(x: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads())
    try:
        distance, label = faiss.knn(x.float().contiguous().numpy(), centroids.float().contiguous().numpy(), 1)
    finally:
        faiss.omp_set_num_threads(threads)
    return torch.from_numpy(label[:, 0]).long(), torch.from_numpy(distance[:, 0]).to(x.dtype)


def fit_for(owner: str, clusters: tuple[int, ...], n_images: int) -> None:
    """Raise ValueError at construction, not epochs later, for numbers of clusters that the images cannot fill."""
    require(len(clusters) >= 1, owner, "clusters", "at least one number", clusters)
    allowed = f"numbers in 1..{n_images}, the training images"
    require(1 <= min(clusters) and max(clusters) <= n_images, owner, "clusters", allowed, clusters)


def own_label(n_images: int) -> Int[Tensor, " n"]:
    """A label for every image that no other image and no cluster has: -(i + 1)."""
    return -1 - torch.arange(n_images)


@torch.no_grad()
def confidence(
    x: Float[Tensor, "n d"], labels: Int[Tensor, " n"], centroids: Float[Tensor, "k d"], temperature: float
) -> Float[Tensor, " n"]:
    """Share that the own centroid takes in a softmax of cosines over all centroids (IFND, Eq. 2)."""
    out = []
    for rows, own in zip(x.split(16_384), labels.split(16_384), strict=True):
        share = (unit(rows) @ unit(centroids).T / temperature).softmax(1)
        out.append(share.gather(1, own[:, None])[:, 0])
    return torch.cat(out)


@torch.no_grad()
def density(
    x: Float[Tensor, "n d"], labels: Int[Tensor, " n"], centroids: Float[Tensor, "k d"], smoothing: float = 10.0
) -> Float[Tensor, " k"]:
    """Mean distance of a cluster's rows to its centroid over log(size + smoothing): small = dense (PCL, Eq. 12).

    As in its code: clusters of one row take the largest value, all are clipped to the 10th..90th percentile. The mean
    is brought to 1; the caller multiplies by its temperature.
    """
    k = len(centroids)
    count = torch.bincount(labels, minlength=k)
    distance = (x - centroids[labels]).norm(dim=1)
    mean = torch.zeros(k, dtype=x.dtype, device=x.device).index_add_(0, labels, distance) / count.clamp_min(1)
    phi = mean / (count + smoothing).log()
    several = count > 1
    if not bool(several.any()):
        return torch.ones_like(phi)
    phi = torch.where(several, phi, phi[several].max())
    low, high = torch.quantile(phi, torch.tensor([0.1, 0.9], dtype=phi.dtype, device=phi.device))
    phi = phi.clamp(low, high)
    return phi / phi.mean() if float(phi.mean()) > 0 else torch.ones_like(phi)  # only copies: all alike


@torch.no_grad()
def accept_labels(labels: Int[Tensor, " n"], score: Float[Tensor, " n"], rate: float) -> Int[Tensor, " n"]:
    """Pseudo-labels: the cluster of the floor(rate * n) images of largest score, `own_label` for the others (IFND)."""
    require(0 <= rate <= 1, "cluster.accepted", "rate", "in [0, 1]", rate)
    out = own_label(len(labels)).to(labels.device)
    best = score.sort(descending=True, stable=True).indices[: int(rate * len(labels) + 1e-9)]
    out[best] = labels[best]
    return out


class PseudoLabels(nn.Module):
    """Pseudo-labels of all images at several granularities, renewed as training goes (IFND, Alg. 1).

    label   [L n] y*: cluster of an accepted image, else its own label -(i + 1)
    at      progress at the last renewal;  renewals   how often;  seed   of the clusterings, drawn at initialisation

    Where `dim`, the width of the rows, is given, also what PCL contrasts an image with, per granularity; all labels
    are own before the first renewal, so nobody reads them until then:
    centroids   [k d] of unit length;  density   [k] their temperatures, of mean `temperature`
    """

    def __init__(
        self,
        n_images: int,
        clusters: tuple[int, ...],
        confidence: str = "cosine",
        schedule: str = "linear",
        dim: int | None = None,
    ):
        super().__init__()
        fit_for("PseudoLabels", clusters, n_images)
        one_of(confidence, CONFIDENCES, "PseudoLabels", "confidence")
        one_of(schedule, SCHEDULES, "PseudoLabels", "acceptance")
        self.register_buffer("label", own_label(n_images).repeat(len(clusters), 1))
        self.register_buffer("at", torch.zeros((), dtype=torch.float64))
        self.register_buffer("renewals", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))
        sizes = () if dim is None else clusters
        self.centroids = nn.ParameterList(nn.Parameter(torch.zeros(k, dim), requires_grad=False) for k in sizes)
        self.density = nn.ParameterList(nn.Parameter(torch.ones(k), requires_grad=False) for k in sizes)

    def due(self, progress: float, every: float) -> bool:
        """Whether `every` (share of training) has passed since the last renewal; never at the very start."""
        return progress > 0 and progress - float(self.at) >= every - 1e-9

    def refresh(self, x: Callable[[], Float[Tensor, "n d"]], config: Any, progress: float) -> None:
        """Where `config.every` has passed, cluster x() and accept as much as the schedule allows (IFND, Alg. 1).

        config   has clusters, acceptance, final_rate, step_at, temperature, confidence and every
        """
        if self.due(progress, config.every):
            rate = acceptance(progress, config.acceptance, config.final_rate, config.step_at)
            self.renew(unit(x()), config.clusters, rate, config.temperature, config.confidence, progress)

    def renew(
        self,
        x: Float[Tensor, "n d"],
        clusters: tuple[int, ...],
        rate: float,
        temperature: float,
        by: str = "cosine",
        progress: float = 0.0,
    ) -> None:
        """Cluster unit rows at every granularity and accept the `rate` most confident of each.

        by   "cosine" (IFND, Eq. 2) or "density" (PCL's: one value per cluster, so whole clusters go in or out)
        """
        one_of(by, CONFIDENCES, "PseudoLabels", "confidence")
        for level, k in enumerate(clusters):
            seed = int(self.seed) + 1000 * int(self.renewals) + level
            labels, centroids = kmeans(x, k, seed)
            if by == "cosine":
                score = confidence(x, labels, centroids, temperature)
            else:
                score = -density(x, labels, centroids)[labels]
            self.label[level] = accept_labels(labels, score, rate)
            if len(self.centroids):
                self.centroids[level].copy_(unit(centroids))
                self.density[level].copy_(temperature * density(x, labels, centroids))
        for tensor in (self.label, *self.centroids, *self.density):
            broadcast(tensor.data)
        self.at.fill_(progress)
        self.renewals += 1


def acceptance(progress: float, schedule: str, final_rate: float, step_at: float) -> float:
    """Share of images whose cluster label is accepted (IFND, Sec. 3.2).

    "linear" rises from 0 to `final_rate` over training, "step" jumps from 0 to it at `step_at`, "constant" is it.
    """
    one_of(schedule, SCHEDULES, "IFND", "acceptance")
    if schedule == "linear":
        return progress * final_rate
    return final_rate if schedule == "constant" or progress >= step_at else 0.0
