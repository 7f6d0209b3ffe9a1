"""What can be said of a run before its first step: that it would take years, or that a setting cannot mean much."""

import functools

import torch
from torch.utils.flop_counter import FlopCounterMode

from sslrepro import methods
from sslrepro.data.recipes import recipe
from sslrepro.parts.encoders import encoder
from sslrepro.training.config import RunConfig

# floating-point operations per second that no core or GPU exceeds: two AVX-512 multiply-adds a cycle in fp32, an AMX
# tile product every 16 cycles in bf16, both at 4 GHz; a GPU's peak of 2025 in bf16, rounded up, in either precision
FASTEST = {("cpu", "fp32"): 3e11, ("cpu", "bf16"): 8e12, ("cuda", "fp32"): 3e15, ("cuda", "bf16"): 3e15}
STEP_SECONDS = 1e-4  # that a step takes at least, however small the encoder
STORED = {"digits": 8, "cifar10": 32, "cifar100": 32, "stl10": 96, "tinyimagenet": 64, "imagenet": 224}  # px
LONG = 7 * 86_400.0  # seconds, in training alone: said before it starts
UNITS = (("year", 365.25 * 86_400), ("day", 86_400.0), ("hour", 3600.0), ("minute", 60.0))


@functools.lru_cache(64)
def operations(name: str, side: int) -> int:
    """Floating-point operations of an encoder for one image of `side` px; computed on tensors without values."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(name).eval()(torch.empty(1, 3, side, side))
    return counter.get_total_flops()


def least_seconds(config: RunConfig, n_images: int, device: str = "cpu", threads: int = 1) -> float:
    """Seconds that training takes at least on any machine: its encoder's operations at a speed that none exceeds.

        n_images   of the training set
        threads    or processes that train together, each with a core or GPU

    Forward and backward passes count three times a forward one; heads, memories and teachers count nothing. Images
    that are kept at the size of their files, which only reading tells, count as 32 px.
    """
    side = config.data.side or STORED.get(config.data.name, 32)
    n_views = methods.method_class(config.method).n_views
    sides = [view.side(side) for view in recipe(config.views)]
    sides = sides if n_views is None else [sides[place % len(sides)] for place in range(n_views)]
    per_image = 3 * sum(operations(config.encoder, each) for each in sides)
    images = config.plan.epochs * n_images
    speed = FASTEST[torch.device(device).type, config.plan.precision] * threads
    return max(images * per_image / speed, images / config.plan.batch_size * STEP_SECONDS)


def in_words(seconds: float) -> str:
    """A time in its largest unit: "3.2 years"."""
    unit, length = next(((unit, length) for unit, length in UNITS if seconds >= length), ("second", 1.0))
    number = seconds / length
    return f"{number:,.0f} {unit}s" if number >= 10 else f"{number:.1f} {unit}s"


def doubts(config: RunConfig, n_images: int, device: str = "cpu", threads: int = 1) -> list[str]:
    """What a reader should know before a run starts, a sentence each; [] for a run without surprises.

    Arguments are those of `least_seconds`.

    >>> from sslrepro.study.profiles import profile
    >>> config = profile("smoke").config("swav", 0)
    >>> doubts(config, 768)
    []
    >>> endless = config.with_changes(**{"plan.epochs": 10**6, "encoder": "resnet50"})
    >>> print(doubts(endless, 768)[0].partition(":")[0])
    train: plan.epochs is 1,000,000
    """
    out = []
    seconds = least_seconds(config, n_images, device, threads)
    if seconds >= LONG:
        out.append(
            f"train: plan.epochs is {config.plan.epochs:,}: with {config.encoder} on {n_images:,} images "
            f"this takes at least {in_words(seconds)} on {device}, whatever the machine. Fewer epochs, fewer "
            "images or a smaller encoder make it shorter."
        )
    for name in ("n_prototypes", "clusters"):
        value = config.settings.get(name)
        most = max(value) if isinstance(value, list | tuple) and value else value
        if isinstance(most, int) and most > n_images:
            out.append(
                f"train: settings.{name} is {most:,}, more than the {n_images:,} images: most of them stay "
                f"empty. A quarter of the images, {n_images // 4:,}, is the most a scale sets."
            )
    return out
