"""How well k-means on the frozen features finds the classes: normalised mutual information (IFND, Table 4)."""

import statistics
from dataclasses import dataclass

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Features, Int
from sslrepro.parts.cluster import kmeans
from sslrepro.parts.memory import unit


@dataclass(frozen=True)
class Protocol:
    runs: int = 5  # of k-means, each from other rows
    iterations: int = 100  # of Lloyd at most; it stops when no row moves


def normalised_mutual_information(label: Int[Tensor, " n"], group: Int[Tensor, " n"]) -> float:
    """I(label; group) / sqrt(H(label) H(group)), in [0, 1]: the geometric mean of the entropies (Strehl and Ghosh).

    0 where one of them has a single value: it tells nothing of the other.
    """
    from sklearn.metrics import normalized_mutual_info_score

    if len(label.unique()) < 2 or len(group.unique()) < 2:
        return 0.0
    shared = normalized_mutual_info_score(label.cpu().numpy(), group.cpu().numpy(), average_method="geometric")
    return min(max(float(shared), 0.0), 1.0)  # 1 + 1e-16 is rounding


def scores(train: Features, test: Features, settings: Protocol, seed: int) -> dict[str, float]:
    """nmi, the mean over k-means runs on the training images, and nmi_std, its standard deviation over them.

    As many clusters as classes, on features of unit length; the paper names neither layer nor images: its own
    Figure 6 takes all training images. The test split is not used. Never compare values of different numbers of
    classes: the measure grows with the number of clusters. On the CPU the same features and seed give the same value.

    Raises ValueError for less than one run or iteration, and for images of a single class.
    """
    require(settings.runs >= 1, "evaluate.nmi", "runs", ">= 1", settings.runs)
    require(settings.iterations >= 1, "evaluate.nmi", "iterations", ">= 1", settings.iterations)
    k = len(train.y.unique())
    require(k >= 2, "evaluate.nmi", "classes", "at least 2, or there is nothing to find", k)
    x = unit(train.x)
    starts = torch.randint(2**31 - 1, (settings.runs,), generator=torch.Generator().manual_seed(seed)).tolist()
    values = [normalised_mutual_information(train.y, kmeans(x, k, s, settings.iterations)[0]) for s in starts]
    return {"nmi": statistics.fmean(values), "nmi_std": statistics.stdev(values) if len(values) > 1 else 0.0}
