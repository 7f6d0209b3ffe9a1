"""The kinds of settings that methods have: what each may be, and what becomes of it at a smaller scale.

A method's `Config` tells both beside the default, so that a new method is checked and scaled without a list to edit:

    queue_size: int = rows(65_536)  # at most an eighth of the images

A `Rule` makes of a setting's default what stands at a scale. What a table sets stands as it is set, unless the kind
has a rule for that too (`of_tables`): widths keep their ratio to the default, clusters are so many per class.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sslrepro.base.values import COSINE, COUNT, NOT_NEGATIVE, POSITIVE, SHARE, Range, setting

TEACHER_MOMENTUM = 0.99  # most at a small scale, MoCo's own for CIFAR: there are far fewer steps
LEAST_PASSES = 10  # of a mining net


@dataclass(frozen=True)
class Scale:
    """What settings follow at a scale smaller than the papers'.

    n_images      training images; 0 where nobody can tell: nothing is then capped by them
    n_classes     their classes
    epochs        of the run
    batch_size    of the run, images
    usual_batch   of the scale, where the run's own is another
    widths        "dim", "hidden", "hidden_predictor" -> the widest such head; none where heads stay as printed
    sampler_share epochs of a sampler's training in one of the run's
    usual_epochs  of the scale, where a table sets the run's own; 0: the run's
    queue_share   of the images that a queue has rows for, at most
    """

    n_images: int
    n_classes: int
    epochs: int
    batch_size: int
    usual_batch: int
    widths: dict[str, int] = field(default_factory=dict)
    sampler_share: float = 1 / 8
    usual_epochs: int = 0
    queue_share: float = 1 / 8

    @property
    def most_rows(self) -> float:
        """Of a queue; without bound where the number of images is unknown."""
        return max(1, int(self.n_images * self.queue_share)) if self.n_images else math.inf

    @property
    def epoch(self) -> float:
        """An epoch as a share of training."""
        return 1 / max(self.epochs, 1)


Rule = Callable[[Any, Scale, dict[str, Any]], Any]  # (value, scale, the method's settings, those above scaled) -> value


def choice(*options: str, **about: Any) -> Any:
    """One of some texts; the first is the default."""
    return setting(options[0], options, **about)


def above_zero(default: float | None, **about: Any) -> Any:
    """A temperature, a learning rate: what is divided by or multiplied with."""
    return setting(default, POSITIVE, **about)


def not_negative(default: float | None, **about: Any) -> Any:
    """A weight in the loss."""
    return setting(default, NOT_NEGATIVE, **about)


def cosine(default: float, **about: Any) -> Any:
    """A bound on a cosine."""
    return setting(default, COSINE, **about)


def share(default: float | None, allowed: Range = SHARE, **about: Any) -> Any:
    """Of training, of images, of an old value: a number from 0 to 1."""
    return setting(default, allowed, **about)


def count(default: int | tuple[int, ...] | None, allowed: Range = COUNT, **about: Any) -> Any:
    """How many."""
    return setting(default, allowed, **about)


def classes(default: int) -> Any:
    """Those of the training images."""
    return count(default, scale=lambda value, scale, _: scale.n_classes)


def images(default: int) -> Any:
    """Images that are drawn or looked at: at most all."""
    return count(default, scale=lambda value, scale, _: min(value, scale.n_images or value))


def batch_of_run(default: int) -> Any:
    """Images per step of a net beside the method's: as many as in the run's own."""
    return count(default, scale=lambda value, scale, _: scale.batch_size)


def rows(default: int, **about: Any) -> Any:
    """Of a queue or of what is searched: at most the scale's share of the images (`Scale.queue_share`)."""
    return count(default, scale=lambda value, scale, _: min(value, scale.most_rows), **about)


def rows_in_batches(default: int, batch: int) -> Any:
    """Of a queue counted in batches of `batch` images: as many batches, at most the scale's share of the images."""

    def at_scale(value: int, scale: Scale, _: dict[str, Any]) -> int:
        most = scale.most_rows if scale.n_images else value
        return max(1, min(round(value / batch * scale.usual_batch), most))

    return count(default, scale=at_scale, of_tables=at_scale)


def width(default: int, head: str, allowed: Range = COUNT) -> Any:
    """Of a head: at most the scale's; what a table sets keeps its ratio to the default."""

    def narrow(scale: Scale) -> int:
        return min(default, scale.widths.get(head, default))

    return setting(
        default,
        allowed,
        scale=lambda _, scale, __: narrow(scale),
        of_tables=lambda value, scale, _: round(value / default * narrow(scale)),
    )


def bottleneck(default: int, of: str, part: float) -> Any:
    """Of a head narrower than the embedding: `part` of the scaled width `of`, a setting above it, at every scale.

    SimSiam's predictor is a quarter as wide as its embedding. What a table sets keeps its ratio to the default.
    """

    def narrow(value: int, settings: dict[str, Any]) -> int:
        return max(1, round(value / default * part * settings[of]))

    return count(
        default,
        scale=lambda value, _, settings: narrow(value, settings),
        of_tables=lambda value, _, settings: narrow(value, settings),
    )


def momentum(default: float | None) -> Any:
    """Of a teacher, the weight of its old value: smaller where there are fewer steps."""
    return share(default, scale=lambda value, *_: None if value is None else min(value, TEACHER_MOMENTUM))


def start(default: float) -> Any:
    """Share of training before something begins that needs a bank or a graph: at least an epoch."""
    return share(default, scale=lambda value, scale, _: min(max(value, scale.epoch), 1.0))


def jump(default: float) -> Any:
    """Share of training at which the accepted share jumps; where a table sets it, not before labels had two epochs.

    Labels are first made after one epoch, so an earlier step would be no step.
    """
    return share(default, of_tables=lambda value, scale, _: min(max(value, 2 * scale.epoch), 1.0))


def per_class(default: int | tuple[int, ...]) -> Any:
    """Clusters or prototypes: as many per class as on ImageNet's 1,000 classes, at most a quarter of the images."""

    def at_scale(value: int | tuple[int, ...], scale: Scale, _: dict[str, Any]) -> int | tuple[int, ...]:
        if isinstance(value, tuple | list):
            return tuple(at_scale(k, scale, _) for k in value)
        if not scale.n_images:
            return value
        return min(max(2, round(value / 1000 * scale.n_classes)), max(2, scale.n_images // 4))

    return count(default, scale=at_scale, of_tables=at_scale)


def passes(default: int) -> Any:
    """Of a mining net over the images: at most twice the run's epochs, at least ten."""
    return count(default, scale=lambda value, scale, _: min(value, max(LEAST_PASSES, 2 * scale.epochs)))


def noise_rows(default: int) -> Any:
    """In place of a softmax over all images, 0 for the softmax: none on small sets, as in the released code."""
    return count(default, NOT_NEGATIVE, scale=lambda *_: 0)


def settings_of(method: str) -> Any:
    """Those of the method that another setting names: scaled and checked as its own, its defaults filled in."""
    return setting({}, of=method)


def passing_over_self() -> Any:
    """Whether rows of the anchor's own image are passed over: always where the queue spans much of a small set."""
    return setting(False, scale=lambda *_: True)
