"""Few-label probe: logistic regression on a handful of labels per class, averaged over many draws of them."""

from dataclasses import dataclass

import torch

from sslrepro.base.errors import require
from sslrepro.base.types import Features
from sslrepro.evaluate.knn import topk_accuracy
from sslrepro.evaluate.linear import fit, predict, standardise


@dataclass(frozen=True)
class Protocol:
    per_class: int = 10  # labelled images of each class; a smaller class brings all it has
    draws: int = 20  # independent draws of them
    penalty: float = 1e-2  # fixed: so few labels cannot choose it
    iterations: int = 50


def scores(train: Features, test: Features, settings: Protocol, seed: int) -> dict[str, float]:
    """few_top1 (and few_top5), means over draws; few_std, the standard deviation over draws of top-1.

    A class with fewer than `per_class` training images is learned from those, so that long-tailed images of one's own
    do not end a run without scores; one with none is never right. Raises ValueError for counts below 1.
    """
    n_classes = int(max(train.y.max(), test.y.max())) + 1
    require(settings.per_class >= 1, "evaluate.few", "per_class", ">= 1", settings.per_class)
    require(settings.draws >= 1, "evaluate.few", "draws", ">= 1", settings.draws)
    x, x_test = standardise(train, test)
    generator = torch.Generator().manual_seed(seed)
    accuracies = []
    for _ in range(settings.draws):
        order = torch.randperm(len(x), generator=generator).to(x.device)
        rows = torch.cat([order[train.y[order] == c][: settings.per_class] for c in range(n_classes)])
        w = fit(x[rows], train.y[rows], n_classes, settings.penalty, settings.iterations)
        accuracies.append(topk_accuracy(predict(x_test, w), test.y))
    top1 = torch.tensor([score["top1"] for score in accuracies])
    means = {f"few_{name}": sum(score[name] for score in accuracies) / len(accuracies) for name in accuracies[0]}
    return means | {"few_std": top1.std().item() if len(top1) > 1 else 0.0}
