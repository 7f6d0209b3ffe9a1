"""Is it working? Numbers that need no labels, taken while training, and what they mean in words."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslrepro.base.types import Float, Int
from sslrepro.data.dataset import Dataset
from sslrepro.data.views import Batches, augment_images, prepare_views
from sslrepro.methods.base import Method
from sslrepro.parts.extract import encode_images, eval_mode
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import spread
from sslrepro.parts.mining import nearest

SEEN = 512  # images that a look is taken at, the same every time
NEAR = 10  # neighbours whose stability is measured
LOOKS = 20  # in a run, at most
COLLAPSED, HUDDLED = 0.05, 0.3  # spread, of 1
WORKS = 0.5  # share of images that another view of them recognises, from which on it works
SETTLED = 0.85  # share of neighbours kept between looks from which on more epochs change little


def rank_me(x: Float[Tensor, "n f"]) -> float:
    """Effective rank of features: exp of the entropy of their singular values (RankMe, arXiv:2210.02885, Eq. 1).

    From 1 (all on one line) to min(n, f).

    >>> round(rank_me(torch.eye(4)), 3), round(rank_me(torch.ones(6, 4)), 3)
    (4.0, 1.0)
    """
    values = torch.linalg.svdvals(x.double())
    share = values / values.sum().clamp_min(1e-12)
    return math.exp(-(share * (share + 1e-12).log()).sum().item())


def uniformity(z: Float[Tensor, "n d"]) -> float:
    """log of the mean of exp(-2 |zi - zj|^2) over pairs of unit rows (arXiv:2005.10242, Eq. 3); lower is more uniform.

    >>> round(uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 3)
    -8.0
    """
    return torch.pdist(z.double()).square().mul(-2).exp().mean().log().item()


def alignment(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> float:
    """Mean squared distance of two views of an image, unit rows (arXiv:2005.10242, Eq. 2); 0 is best, 2 is chance."""
    return (a - b).double().square().sum(1).mean().item()


def neighbours(x: Float[Tensor, "n f"], k: int = NEAR) -> Int[Tensor, "n k"]:
    """The k nearest other rows of each row, by cosine."""
    rows, own = unit(x), torch.arange(len(x), device=x.device)
    return nearest(rows, rows, min(k, len(x) - 1), own, own)[1]


def share_kept(before: Int[Tensor, "n k"], now: Int[Tensor, "n k"]) -> float:
    """Mean share of neighbours that were neighbours before, whatever their order.

    >>> share_kept(torch.tensor([[1, 2]]), torch.tensor([[2, 3]]))
    0.5
    """
    return (now[:, :, None] == before[:, None, :]).any(2).float().mean().item()


def share_recognised(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> float:
    """Share of images whose own other view is the nearest of all other views, unit rows.

    >>> share_recognised(torch.eye(3), torch.eye(3)[[0, 1, 1]]) < 1
    True
    """
    best = nearest(a, b, 1)[1][:, 0]
    return (best == torch.arange(len(a), device=a.device)).float().mean().item()


@dataclass
class Health:
    """Looks at the features of a few images while a method trains; told before every step, it writes nothing to it.

    data, batches   the training images, and what the method sees of them
    at_once         images that are encoded together
    """

    data: Dataset
    batches: Batches
    at_once: int = 64

    def __post_init__(self) -> None:
        n = len(self.data)
        chosen = torch.randperm(n, generator=torch.Generator().manual_seed(0))[:SEEN].sort().values
        self.images = self.data.rows(chosen)
        self.last: Tensor | None = None

    def look(self, method: Method, epoch: int) -> dict[str, Any]:
        """The numbers after an epoch: rank, spread, uniformity, alignment, recognised, kept (None at the first look).

        rank, recognised and kept of the features; the others of unit embeddings where the method has a head
        """
        x = encode_images(method.encoder, self.images, self.batches.normalise, self.at_once)
        generator = torch.Generator().manual_seed(1)
        with eval_mode(method):
            x1, x2 = (self._features(method, view, generator) for view in (self.batches.views * 2)[:2])
            head = getattr(method, "projector", None)
            a, b = (unit(rows if head is None else head(rows)) for rows in (x1, x2))
        near = neighbours(x)
        out = {
            "epoch": epoch,
            "rank": rank_me(x - x.mean(0)),
            "width": x.shape[1],
            "spread": spread(a).item(),
            "uniformity": uniformity(a),
            "alignment": alignment(a, b),
            "recognised": share_recognised(unit(x1 - x1.mean(0)), unit(x2 - x2.mean(0))),
            "images": len(x),
            "kept": None if self.last is None else share_kept(self.last, near),
        }
        self.last = near
        return out

    def _features(self, method: Method, view: Any, generator: torch.Generator) -> Float[Tensor, "n f"]:
        out = []
        for index in self.images.index.split(self.at_once):
            images = self.images.take(index).float().div_(255)
            out.append(method.encoder(prepare_views(augment_images(images, view, generator), self.batches.normalise)))
        return torch.cat(out).float()


def early_stop(looks: list[dict[str, Any]]) -> str:
    """An offer to stop before the last epoch, once two looks on end found that neighbours have settled; else "".

    >>> looks = [dict(epoch=5 * n, kept=kept, spread=0.9) for n, kept in enumerate((None, 0.6, 0.9, 0.87))]
    >>> early_stop(looks[:3]), early_stop(looks).partition(".")[0]
    ('', 'neighbours have settled: 87 % of the 10 nearest are the same as after epoch 10, 90 % as after epoch 5 before')
    """
    if len(looks) < 3 or any((look["kept"] or 0) < SETTLED or look["spread"] < HUDDLED for look in looks[-2:]):
        return ""
    first, before, now = looks[-3:]
    return (
        f"neighbours have settled: {100 * now['kept']:.0f} % of the {NEAR} nearest are the same as after epoch "
        f"{before['epoch']}, {100 * before['kept']:.0f} % as after epoch {first['epoch']} before. Training goes "
        f"on; to end it here, press Ctrl-C and give the same command with --epochs {now['epoch']}, or "
        "with the number that it then names, if more are trained by then"
    )


def verdict(looks: list[dict[str, Any]]) -> list[str]:
    """What the looks say, in sentences: the first answers whether it is working.

    >>> look = dict(epoch=0, rank=20.0, width=512, spread=0.9, uniformity=-3.0, alignment=0.9, recognised=0.2,
    ...             images=512, kept=None)
    >>> verdict([look, look | dict(epoch=9, rank=60.0, alignment=0.3, recognised=0.7, kept=0.5)])[0]
    'It is working: images are recognised by another view of them, and stay apart.'
    """
    if not looks:
        return ["Nothing was measured yet."]
    first, now = looks[0], looks[-1]
    out = []
    apart = now["spread"] >= HUDDLED
    noise = (first["recognised"] * (1 - first["recognised"]) / first["images"]) ** 0.5
    better = now["recognised"] > first["recognised"] + 2 * noise
    if now["spread"] < COLLAPSED:
        out.append(
            f"It has collapsed: embeddings of all images are nearly equal (spread {now['spread']:.3f}, healthy "
            "is near 1). Try another method, a larger batch or a lower learning rate."
        )
    elif len(looks) == 1:
        out.append("Too early to tell: one look so far.")
    elif apart and now["recognised"] >= WORKS:
        out.append("It is working: images are recognised by another view of them, and stay apart.")
    elif apart and better:
        out.append(
            "It has begun to work: more images are recognised by another view of them than before training, but "
            "most are not. More epochs, which raise the learning rate again, may help."
        )
    elif not apart:
        out.append(f"Images huddle: the spread of embeddings is {now['spread']:.2f}, healthy is near 1.")
    else:
        out.append("Not yet: images are recognised by another view of them no better than before training.")
    out.append(
        f"Another view of an image is the nearest of {now['images']:,} for {100 * now['recognised']:.0f} % of "
        f"them; before training for {100 * first['recognised']:.0f} %."
    )
    out.append(
        f"Spread of images: {now['spread']:.2f} of 1; uniformity {now['uniformity']:.2f} (lower is better); "
        f"alignment of two views {now['alignment']:.2f} (0 is best, 2 is chance)."
    )
    out.append(
        f"Effective rank of the features (RankMe): {first['rank']:.0f} before, {now['rank']:.0f} now, of "
        f"{now['width']}."
    )
    if now["kept"] is not None:
        since = looks[-2]["epoch"]
        same = f"{100 * now['kept']:.0f} % of each image's {NEAR} nearest are the same as after epoch {since}"
        settled = now["kept"] >= SETTLED
        out.append(
            same
            + (
                ": neighbours have settled, more epochs at this learning rate will change little."
                if settled
                else ": neighbours still change."
            )
        )
    return out
