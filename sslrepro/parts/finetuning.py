"""Fine-tuning of all layers on a fixed list of labelled images, by the recipes of the papers."""

import copy
import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Int
from sslrepro.data.dataset import Dataset, balanced_subset
from sslrepro.data.recipes import View
from sslrepro.data.views import augment_images, prepare_views
from sslrepro.parts.extract import encode_images

LEAST_BATCH = 2  # batch norm needs two images
BETWEEN = math.sqrt(0.01 * 0.1)  # shares below it follow a recipe's 1%, those above its 10%


@dataclass(frozen=True)
class Recipe:
    """How a paper fine-tunes on 1% and on 10% of the labels; pairs are (at 1%, at 10%).

    epochs        those tried, for each
    rates         learning rates of the encoder that are tried, at `batch_size`; a smaller batch has as much less
    head          the classifier's rate over the encoder's, for each
    steps         parts of the epochs after which rates fall to a fifth; () = half a cosine to 0
    """

    epochs: tuple[tuple[int, ...], tuple[int, ...]]
    batch_size: int
    rates: tuple[float, ...]
    head: tuple[float, float] = (1.0, 1.0)
    weight_decay: float = 0.0
    nesterov: bool = True
    steps: tuple[float, ...] = ()


RECIPES = {
    "simclr": Recipe(((60,), (30,)), 4096, (0.8,)),  # SimCLR and SePP-ID; no warm-up
    "byol": Recipe(
        ((30, 50), (30, 50)), 1024, (0.01, 0.02, 0.05, 0.1, 0.005)
    ),  # BYOL and NNCLR, chosen on labels apart
    "ifnd": Recipe(((20,), (20,)), 256, (0.01,), (100.0, 10.0), 5e-4, False, (0.6, 0.8)),
}


@dataclass(frozen=True)
class Plan:
    """One fine-tuning: epochs, images per step, the encoder's rate, and what the recipe says of the rest."""

    epochs: int
    batch_size: int
    rate: float
    head: float
    weight_decay: float
    nesterov: bool
    steps: tuple[float, ...]
    crop_min: float

    def factor(self, progress: float) -> float:
        """What the rates are multiplied by at a share of the steps done."""
        if self.steps:
            return 0.2 ** sum(progress >= step for step in self.steps)
        return (1 + math.cos(math.pi * progress)) / 2


def label_list(labels: Int[Tensor, " n"], share: float, draw: int = 0) -> Int[Tensor, " m"]:
    """Places of the images whose labels are used: `share` of all, as many of every class, at least one, sorted.

    The list depends on the labels and `draw` alone, so every method and seed of training has the same; of two shares
    the smaller one's is part of the larger one's. Where classes differ in size a small class brings all it has. For
    ImageNet the field has fixed lists, SimCLR's `1percent.txt` and `10percent.txt` (12,811 and 128,116 images, in
    TensorFlow Datasets as `imagenet2012_subset`): a comparison with printed numbers needs those.

    >>> label_list(torch.tensor([0, 1] * 50), 0.1).shape
    torch.Size([10])
    """
    require(0 < share <= 1, "parts.finetuning", "share", "in (0, 1]", share)
    n_classes = len(labels.unique())
    return balanced_subset(labels, n_classes * max(1, round(share * len(labels) / n_classes)), draw)


def plans(
    recipe: str, share: float, batch_size: int, rates: tuple[float, ...], length: float, crop_min: float
) -> list[Plan]:
    """What a recipe tries at a share of the labels.

        batch_size, rates   () and 0 for the recipe's own; given rates are for the given batch as it is
        length              share of the recipe's epochs

    Raises ValueError for an unknown recipe.
    """
    how = RECIPES[one_of(recipe, RECIPES, "parts.finetuning", "recipe")]
    place = 0 if share < BETWEEN else 1
    epochs = [max(1, round(length * n)) for n in how.epochs[place]]
    size = batch_size or how.batch_size
    tried = tuple(rates) or tuple(rate * size / how.batch_size for rate in how.rates)
    return [
        Plan(n, size, rate, how.head[place], how.weight_decay, how.nesterov, how.steps, crop_min)
        for n, rate in itertools.product(epochs, tried)
    ]


def fine_tune(
    encoder: nn.Module,
    data: Dataset,
    n_classes: int,
    plan: Plan,
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    seed: int,
) -> nn.Sequential:
    """A copy of an encoder with a classifier on it, all layers trained on all of `data`; the encoder stays as it is.

        seed   of the order of images and their crops

    The classifier starts at zero. Views are random crops and mirrors; a batch is never larger than the list.
    """
    require(len(data) >= LEAST_BATCH, "parts.finetuning", "images", f">= {LEAST_BATCH}", len(data))
    net = nn.Sequential(copy.deepcopy(encoder), nn.Linear(encoder.dim, n_classes)).to(data.device).train()
    net.requires_grad_(True)
    nn.init.zeros_(net[1].weight)
    nn.init.zeros_(net[1].bias)
    groups = [
        {"params": list(net[0].parameters()), "base": plan.rate},
        {"params": list(net[1].parameters()), "base": plan.rate * plan.head},
    ]
    solver = torch.optim.SGD(groups, plan.rate, momentum=0.9, weight_decay=plan.weight_decay, nesterov=plan.nesterov)
    generator = torch.Generator().manual_seed(seed)
    view = View(crop=(plan.crop_min, 1.0))
    size = max(LEAST_BATCH, min(plan.batch_size, len(data)))
    per_epoch = len(data) // size
    for step in range(plan.epochs * per_epoch):
        place = step % per_epoch
        if place == 0:
            order = torch.randperm(len(data), generator=generator).to(data.device)
        rows = order[place * size : (place + 1) * size]
        images = augment_images(data.take(rows).float().div_(255), view, generator)
        for group in solver.param_groups:
            group["lr"] = group["base"] * plan.factor(step / (plan.epochs * per_epoch))
        loss = nn.functional.cross_entropy(net(prepare_views(images, normalise)), data.labels[rows])
        solver.zero_grad(set_to_none=True)
        loss.backward()
        solver.step()
    return net.eval()


def choose_plan(
    encoder: nn.Module,
    data: Dataset,
    n_classes: int,
    tried: list[Plan],
    held_out: float,
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    seed: int,
    draw: int,
) -> tuple[Plan, float]:
    """The plan that is right most often on labels kept apart from the list, and how often; ties go to the lower loss.

    As many images of every class are kept apart, at least one. A single plan, or a list with one image of a class,
    leaves nothing to choose: the first plan, or the middle one, and -1.
    """
    if len(tried) == 1:
        return tried[0], -1.0
    n, classes = len(data), len(data.labels.unique())
    per_class = min(max(1, round(held_out * n / classes)), n // classes - 1)
    if per_class < 1:
        return tried[len(tried) // 2], -1.0
    apart = balanced_subset(data.labels, per_class * classes, draw + 1)
    kept = torch.ones(n, dtype=torch.bool)
    kept[apart] = False
    fits, chooses = data.rows(kept.nonzero()[:, 0]), data.rows(apart)
    best = None
    for plan in tried:
        score = encode_images(fine_tune(encoder, fits, n_classes, plan, normalise, seed), chooses, normalise)
        right = float((score.argmax(1) == chooses.labels).float().mean())
        loss = float(nn.functional.cross_entropy(score, chooses.labels))
        key = (right, -loss if math.isfinite(loss) else -math.inf)
        if best is None or key > best[0]:
            best = key, plan
    return best[1], best[0][0]


def least_change(net: nn.Module, encoder: nn.Module) -> float:
    """The smallest change of any weight matrix or kernel, relative to its norm: above zero where all layers train."""
    pairs = zip(net.parameters(), encoder.parameters(), strict=True)
    return min(float((new.detach() - old.detach()).norm() / old.detach().norm()) for new, old in pairs if old.ndim > 1)
