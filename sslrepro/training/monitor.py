"""What is measured while a method trains: means of an interval, agreement with the classes, memory."""

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from sslrepro.base.types import Step
from sslrepro.data.dataset import Dataset
from sslrepro.data.sources import blocks_of
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import all_reduce, world_size
from sslrepro.parts.metrics import group_rates, relation_match
from sslrepro.training.config import TrainingConfig

RUNAWAY = 1e6  # a weight this large, or not finite, is none that training meant
COLLAPSED = 0.05  # embedding_std below this share of a healthy spread: all embeddings are nearly equal


@dataclass(frozen=True)
class StepDone:
    """One step of training that was just taken.

    step     steps done, this one counted
    steps    in all
    epoch    passes over the data done, in fractions
    lr       learning rate of the step
    out      what the method's `loss` returned
    method   as the step left it
    """

    step: int
    steps: int
    epoch: float
    lr: float
    out: Step
    method: Method


class TrainingLog:
    """A log of training, told of every step: a line of means every `every` steps and at the last one.

    data       the training images, whose labels tell how often mined positives share the class
    first      steps that were taken before, for the rate
    interval   of steps since the last line; default an empty one
    extra      goes into every line
    write      is given each line; `lines` holds them all
    """

    def __init__(
        self,
        data: Dataset,
        plan: TrainingConfig,
        every: int = 20,
        first: int = 0,
        interval: "Interval | None" = None,
        extra: dict[str, float] | None = None,
        write: Callable[[dict[str, Any]], None] | None = None,
    ):
        self.data, self.plan, self.every, self.first = data, plan, every, first
        self.interval = Interval(data) if interval is None else interval
        self.extra, self.write = extra or {}, write
        self.lines: list[dict[str, Any]] = []
        self.begun_at, self.warned = time.perf_counter(), False

    def __call__(self, now: StepDone) -> None:
        """Take a step in; raises FloatingPointError at a line whose loss is not finite, warns once of collapse."""
        self.interval.add(now.out)
        if now.step % self.every and now.step != now.steps:
            return
        means, owner = self.interval.means(), type(now.method).__name__  # the only copies to the host of the loop
        if not abs(means["loss"]) < float("inf"):
            raise FloatingPointError(
                f"{owner}: the loss is {means['loss']} within steps {now.step - self.interval.n_last + 1}..{now.step} "
                f"of {now.steps}. {advice(now.method, self.plan)}"
            )
        collapsed = means.get("embedding_std", 1.0) < COLLAPSED
        if collapsed and not self.warned:
            self.warned = True
            warnings.warn(
                f"{owner}: embeddings have collapsed by step {now.step} (spread "
                f"{means['embedding_std']:.3f}, healthy is about 1).{self._why_equal()}",
                stacklevel=2,
            )
        rate = (now.step - self.first) * self.plan.batch_size / (time.perf_counter() - self.begun_at)
        line = {"step": now.step, "epoch": now.epoch, "lr": now.lr} | means | {"collapsed": collapsed}
        line |= self.extra | class_agreement(now.method, self.data) | {"images_per_second": round(rate, 1)}
        self.lines.append(line)
        if self.write is not None:
            self.write(line)

    def _why_equal(self) -> str:
        first = self.data.images[:1]
        equal = all(bool((block == first).all()) for block in blocks_of(self.data.images))
        return " All images are equal: no setting can keep their embeddings apart." if equal else ""


def advice(method: Method, plan: TrainingConfig) -> str:
    """What to change after a loss that is not finite: by whether the weights, or the loss alone, ran away."""
    largest = max(float(p.detach().abs().max()) for p in method.parameters())
    if largest < RUNAWAY:
        bf16 = " or train in fp32" if plan.precision == "bf16" else ""
        return f"The weights are sound (largest {largest:.3g}), so lr is not the cause. Raise the temperature{bf16}."
    return f"The weights ran away. Lower lr (now {plan.lr}) or raise warmup."


def class_agreement(method: Method, data: Dataset) -> dict[str, float]:
    """How well what a method takes to be alike agrees with the classes; labels meet it here, never in the method."""
    out = dict(method.reports)
    if method.pseudo_labels is not None:
        for level, group in enumerate(method.pseudo_labels):
            rates = group_rates(data.labels, group)
            out |= {f"{name}_{level}": value for name, value in rates.items() if value == value}
    if method.relations is not None:
        rates = relation_match(data.labels, method.relations)
        out |= {f"relation_{name}": value for name, value in rates.items() if value == value}
    return out


class Interval:
    """Sums since the last log line, on the device; labels meet mined positives here and nowhere else."""

    def __init__(self, data: Dataset):
        self.data = data
        self.clear()

    def clear(self) -> None:
        self.n = 0
        self.sums: dict[str, torch.Tensor] = {}
        self.counts: dict[str, int] = {}

    def finite(self) -> bool:
        """Whether the losses so far are finite numbers; reads the device."""
        return not self.n or bool(torch.isfinite(self.sums["loss"]))

    def add(self, out: Step) -> None:
        """Add the scalars of one step, and how often its mined positives share the anchor's class."""
        scalars = {"loss": out.loss.detach()} | out.metrics
        if out.mined is not None:
            anchor, positive = out.mined
            labels = self.data.labels
            known = positive >= 0
            match = known & (labels[anchor] == labels[positive.clamp_min(0)])
            other = known & (anchor != positive)
            scalars |= {"_known": known.sum(), "_match": match.sum(), "_other": other.sum()}
            scalars["_match_other"] = (match & other).sum()
            scalars["_all"] = known.new_full((), len(known), dtype=torch.int64)
        for name, value in scalars.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.double()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.n += 1

    def means(self) -> dict[str, float]:
        """Means over the interval, which starts anew."""
        sums = {name: all_reduce(value).item() for name, value in self.sums.items()}
        n = world_size()
        out = {name: value / self.counts[name] / n for name, value in sums.items() if not name.startswith("_")}
        if "_known" in sums:
            out["mined_share"] = sums["_known"] / max(sums["_all"], 1)
            if sums["_known"]:
                out["neighbour_match"] = sums["_match"] / sums["_known"]
            if sums["_other"]:
                out["neighbour_match_without_self"] = sums["_match_other"] / sums["_other"]
        self.n_last = self.n
        self.clear()
        return out


def all_have_gradients(method: Method) -> None:
    """Raise RuntimeError naming the trainable parameters the first step left without a gradient."""
    idle = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise RuntimeError(f"{type(method).__name__}: no gradient reaches {', '.join(idle)}.")


def peak_bytes(device: torch.device) -> int:
    """Peak memory: allocated on the GPU, or resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
