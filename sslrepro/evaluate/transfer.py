"""Linear evaluation on other images than an encoder was trained on, after SimCLR and BYOL (NNCLR, SePP-ID, ISL).

Frozen features, no augmentation, multinomial logistic regression by L-BFGS, its penalty the best of 45 on a validation
split of the training images, refitted on all of them, tested once. Several labels per image: linear SVMs, as PCL and
IFND classify VOC 2007.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.base.types import Bool, Float, Int
from sslrepro.data.dataset import balanced_subset
from sslrepro.data.downstream import BY_CLASS, EMBEDDED, downstream
from sslrepro.evaluate.linear import fit, predict
from sslrepro.parts.extract import encode_images
from sslrepro.parts.memory import unit
from sslrepro.parts.trained_encoder import TrainedEncoder

OF_ENCODER = True  # encodes other images than the run's own
GRID = tuple(10.0 ** (-6 + step / 4) for step in range(45))  # 1e-6 to 1e5, four to a decade


@dataclass(frozen=True)
class Protocol:
    """Which sets, and how they are learned.

    sets             names of data/downstream.py, or of a data root
    n_train, n_test  images of each; 0 = all of a set of the root
    side             px
    held_out         share of the training images that chooses the penalty
    iterations       of L-BFGS at most per penalty, from the solution at the next stronger one
    svm              C of the linear SVMs
    """

    sets: tuple[str, ...] | list[str] = EMBEDDED
    n_train: int = 512
    n_test: int = 1024
    side: int = 16
    held_out: float = 0.2
    iterations: int = 20
    svm: float = 0.5


def mean_per_class(score: Float[Tensor, "n c"], y: Int[Tensor, " n"]) -> float:
    """Mean over the classes that occur of the share of their images that are right.

    >>> mean_per_class(torch.eye(2)[torch.tensor([0, 0, 0, 1])], torch.tensor([0, 0, 1, 1]))
    0.75
    """
    right = (score.argmax(1) == y).double()
    return float(torch.stack([right[y == c].mean() for c in y.unique()]).mean())


def top1(score: Float[Tensor, "n c"], y: Int[Tensor, " n"]) -> float:
    """Share of images that are right."""
    return float((score.argmax(1) == y).double().mean())


def average_precision(score: Float[Tensor, " n"], present: Bool[Tensor, " n"], points: int = 11) -> float:
    """Mean over recalls 0, 0.1, ... 1 of the best precision at that recall or more (VOC 2007).

        points   recalls, evenly spaced; 0 = the area under the same curve, as later years of VOC and PCL have it

    Images of equal score count together, so that their order does not matter. NaN where no image is positive.

    >>> average_precision(torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, True]))
    0.8484848484848485
    """
    n_positive = int(present.sum())
    if n_positive == 0:
        return float("nan")
    order = score.argsort(descending=True, stable=True)
    ranked, hits = score[order], present[order].double().cumsum(0)
    last = torch.cat([ranked[1:] != ranked[:-1], torch.ones(1, dtype=torch.bool)])  # of its score
    count = torch.arange(1, len(score) + 1, dtype=torch.float64)
    found, seen = hits[last].numpy(), count[last].numpy()
    recall, precision = found / n_positive, found / seen
    best = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or more
    if points:
        at = [best[recall >= level - 1e-12] for level in np.linspace(0, 1, points)]
        return float(np.mean([values[0] for values in at]))
    return float((np.diff(np.concatenate([[0.0], recall])) * best).sum())


def choose_penalty(
    x: Float[Tensor, "n f"], y: Int[Tensor, " n"], n_classes: int, settings: Protocol, by_class: bool, seed: int
) -> tuple[float, float]:
    """The penalty of the grid that is best on a validation split of training rows, and how good: ties to the stronger.

    penalty   on |W|^2 / 2 beside the sum of the rows' losses: C of scikit-learn is its inverse
    """
    n = len(x)
    held = round(settings.held_out * n)
    allowed = f"a share that leaves rows on both sides of {n}"
    require(0 < held < n, "evaluate.transfer", "held_out", allowed, settings.held_out)
    apart = balanced_subset(y, held, seed).to(x.device)
    fits = torch.ones(n, dtype=torch.bool, device=x.device)
    fits[apart] = False
    metric = mean_per_class if by_class else top1
    best, w = (-1.0, 0.0), None
    for penalty in reversed(GRID):
        w = fit(x[fits], y[fits], n_classes, penalty / int(fits.sum()), settings.iterations, w)
        best = max(best, (metric(predict(x[apart], w), y[apart]), penalty))
    return best[1], best[0]


def classify(
    x: Float[Tensor, "n f"],
    y: Int[Tensor, " n"],
    x_test: Float[Tensor, "m f"],
    y_test: Int[Tensor, " m"],
    settings: Protocol,
    by_class: bool,
    seed: int,
) -> tuple[float, float]:
    """(accuracy on the test rows, the penalty): chosen on train, refitted on all of train, tested once."""
    n_classes = int(max(y.max(), y_test.max())) + 1
    penalty, _ = choose_penalty(x, y, n_classes, settings, by_class, seed)
    w = fit(x, y, n_classes, penalty / len(x), 5 * settings.iterations)
    return (mean_per_class if by_class else top1)(predict(x_test, w), y_test), penalty


def mean_average_precision(
    x: Float[Tensor, "n f"],
    y: Bool[Tensor, "n c"],
    x_test: Float[Tensor, "m f"],
    y_test: Bool[Tensor, "m c"],
    c: float,
) -> tuple[float, float]:
    """Means over classes of the average precision of one linear SVM each: at 11 recalls, and of the whole curve.

    Features of unit length, squared hinge, a positive weighs twice a negative (PCL's code). Classes without a positive
    in either split are left out.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    rows, test_rows = unit(x).cpu().numpy(), unit(x_test).cpu().numpy()
    at_points, whole = [], []
    for label in range(y.shape[1]):
        if not (0 < int(y[:, label].sum()) < len(y)) or not y_test[:, label].any():
            continue
        svm = LinearSVC(C=c, class_weight={True: 2, False: 1}, max_iter=2000, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as many iterations as the papers allow
            svm.fit(rows, y[:, label].cpu().numpy())
        score = torch.from_numpy(svm.decision_function(test_rows))
        at_points.append(average_precision(score, y_test[:, label].cpu()))
        whole.append(average_precision(score, y_test[:, label].cpu(), 0))
    require(bool(whole), "evaluate.transfer", "classes", "at least one with positives in both splits", "none")
    return float(np.mean(at_points)), float(np.mean(whole))


def scores(trained: TrainedEncoder, settings: Protocol) -> dict[str, float]:
    """transfer_<set>, and its penalty, for each set; in [0, 1].

    Accuracy, the mean of it over classes where data/downstream.py says so, or with several labels per image the
    11-point mean average precision, beside that of the whole curve (transfer_<set>_area). Images are normalised as the
    encoder's own training images were.
    """
    require(len(settings.sets) > 0, "evaluate.transfer", "sets", "at least one", settings.sets)
    out: dict[str, float] = {}
    for name in settings.sets:
        splits = downstream(name, settings.n_train, settings.n_test, settings.side, trained.seed, trained.root)
        x, x_test = (
            encode_images(trained.encoder, split.as_dataset().to(trained.device), trained.normalise) for split in splits
        )
        train, test = (split.y.to(trained.device) for split in splits)
        require(bool(x.isfinite().all()), "evaluate.transfer", f"features of {name}", "finite", "some that are not")
        if splits[0].several:
            out[f"transfer_{name}"], out[f"transfer_{name}_area"] = mean_average_precision(
                x, train, x_test, test, settings.svm
            )
        else:
            accuracy, penalty = classify(x, train, x_test, test, settings, name in BY_CLASS, trained.seed)
            out |= {f"transfer_{name}": accuracy, f"transfer_{name}_penalty": penalty}
    return out
