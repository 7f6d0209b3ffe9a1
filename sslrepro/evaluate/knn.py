"""Weighted k-nearest-neighbour classification (InstDisc's rule; k and temperature as DINO evaluates features)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Features, Float, Int
from sslrepro.parts.memory import unit
from sslrepro.parts.mining import nearest


@dataclass(frozen=True)
class Protocol:
    k: int = 20  # neighbours that vote; capped at the number of training images
    temperature: float = 0.07  # sigma: weight of a vote is exp(cosine / sigma)


def votes(
    train: Features, query: Float[Tensor, "q f"], k: int, temperature: float, n_classes: int, chunk: int = 1024
) -> Float[Tensor, "q c"]:
    """Summed weights of the neighbours of each class."""
    rows = unit(train.x)
    out = []
    for part in unit(query).split(chunk):
        similarity, place = nearest(part, rows, k)
        weight = ((similarity - similarity[:, :1]) / temperature).exp()  # minus the largest: one vote is always 1
        out.append(torch.zeros(len(part), n_classes, device=part.device).scatter_add_(1, train.y[place], weight))
    return torch.cat(out)


def topk_accuracy(score: Float[Tensor, "q c"], y: Int[Tensor, " q"]) -> dict[str, float]:
    """Top-1, and top-5 where there are more than five classes; a class whose score is -inf is no hit at any rank."""
    k = 5 if score.shape[1] > 5 else 1
    best = score.topk(k, dim=1)
    hit = (best.indices == y[:, None]) & (best.values > -torch.inf)
    accuracy = {"top1": hit[:, 0].float().mean().item()}
    return accuracy | ({"top5": hit.any(1).float().mean().item()} if k == 5 else {})


def scores(train: Features, test: Features, settings: Protocol, seed: int) -> dict[str, float]:
    """knn_top1, knn_top5, and how often a training image's nearest other shares its class (neighbour_match)."""
    require(settings.k >= 1, "evaluate.knn", "k", ">= 1", settings.k)
    require(settings.temperature > 0, "evaluate.knn", "temperature", "> 0", settings.temperature)
    n_classes = int(max(train.y.max(), test.y.max())) + 1
    k = min(settings.k, len(train.x))
    score = votes(train, test.x, k, settings.temperature, n_classes)
    accuracy = topk_accuracy(score.masked_fill(score == 0, -torch.inf), test.y)  # without a vote a class is no answer
    return {f"knn_{name}": value for name, value in accuracy.items()} | {"neighbour_match": neighbour_match(train)}


def neighbour_match(train: Features, n: int = 4096) -> float:
    """Share of (the first n) images whose nearest other image has their class."""
    rows = unit(train.x)
    own = torch.arange(len(rows), device=rows.device)
    hits = []
    for part, index in zip(rows[:n].split(1024), own[:n].split(1024), strict=True):
        similarity, place = nearest(part, rows, 1, index, own)
        hits.append((train.y[place[:, 0]] == train.y[index]) & similarity[:, 0].isfinite())
    return torch.cat(hits).float().mean().item()
