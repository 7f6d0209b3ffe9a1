"""Checkpoints: every state of a run in one file, written by the clock, atomically, and read strictly."""

import json
import time
from pathlib import Path

import torch

from sslrepro.base.errors import require
from sslrepro.base.tensors import read_record, read_tensors, write_tensors
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import rank, world_size
from sslrepro.training.config import RunConfig
from sslrepro.training.monitor import Interval, StepDone, peak_bytes

# owner, what, remedy: for every error about a file
CHECKPOINT = "train", "checkpoint", "Delete it to start anew."


class Checkpoints:
    """Saves a run by the clock, told of every step: a kill then costs seconds, however slow steps are.

    interval   what the next line of the log is the mean of: it is saved too
    every      seconds between saves; the last step is always saved
    seconds    CPU-seconds that training took before

    With several processes only steps with a line of the log are saved: the interval's sums lie on all of them.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        solver: torch.optim.Optimizer,
        interval: Interval,
        every: float = 15.0,
        seconds: float = 0.0,
        device: torch.device | str = "cpu",
    ):
        self.path, self.config, self.solver, self.interval = path, config, solver, interval
        self.every, self.seconds, self.device = every, seconds, torch.device(device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self.saved_at, self.busy_before = time.perf_counter(), time.process_time()

    def __call__(self, now: StepDone) -> None:
        """Save after the last step, and where a save is due."""
        due = time.perf_counter() - self.saved_at >= self.every
        whole = self.interval.n == 0 or (world_size() == 1 and due and self.interval.finite())
        if now.step == now.steps or (due and whole):
            self.save(now.method, now.step)
            self.saved_at = time.perf_counter()

    def save(self, method: Method, step: int) -> None:
        """Write the checkpoint, on the first process."""
        spent = self.seconds + time.process_time() - self.busy_before
        if rank() == 0:
            save(self.path, self.config, method, self.solver, step, spent, peak_bytes(self.device), self.interval)


def save(
    path: Path,
    config: RunConfig,
    method: Method,
    solver: torch.optim.Optimizer,
    step: int,
    seconds: float,
    peak: int,
    interval: Interval | None = None,
) -> None:
    """Write a checkpoint atomically: all parameters and buffers, the optimizer's state, the step, the open interval."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    for number, state in solver.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items() if value is not None}
    about = {"identity": config.identity, "step": str(step), "seconds": repr(seconds), "peak_bytes": str(peak)}
    if interval is not None and interval.n:
        tensors |= {f"interval.{name}": total for name, total in interval.sums.items()}
        about["interval"] = json.dumps({"n": interval.n, "counts": interval.counts}, sort_keys=True)
    write_tensors(path, tensors, about)


def header(path: Path) -> dict[str, str]:
    """The record a checkpoint carries beside its tensors; a damaged file raises ValueError that names it."""
    return _whole(path, read_record(path, *CHECKPOINT))


def _whole(path: Path, about: dict[str, str]) -> dict[str, str]:
    """The record of a checkpoint, where it has everything that `save` puts there."""
    good = about.keys() >= {"identity", "step", "seconds", "peak_bytes"} and about["step"].isdecimal()
    require(
        good,
        CHECKPOINT[0],
        f"{CHECKPOINT[1]} {path}",
        "one with its record (identity, step, seconds, peak_bytes)",
        sorted(about),
        CHECKPOINT[2],
    )
    return about


def restore(
    path: Path,
    config: RunConfig,
    method: Method,
    solver: torch.optim.Optimizer | None = None,
    interval: Interval | None = None,
) -> tuple[int, float]:
    """Load a checkpoint into a method (and optimizer, and open interval); returns (steps done, CPU-seconds spent)."""
    tensors, about = read_tensors(path, *CHECKPOINT)
    _whole(path, about)
    require(
        about["identity"] == config.identity,
        "train",
        f"checkpoint {path}",
        f"of run {config.identity}",
        about["identity"],
        "Delete it, or run with the configuration beside it.",
    )
    try:
        _load(tensors, about, method, solver, interval)
    except (RuntimeError, ValueError, LookupError, TypeError) as error:  # tensors of other names or shapes
        raise ValueError(
            f"train: checkpoint {path} does not fit its run ({' '.join(str(error).split())}). {CHECKPOINT[2]}"
        ) from None
    return int(about["step"]), float(about["seconds"])


def _load(
    tensors: dict[str, torch.Tensor],
    about: dict[str, str],
    method: Method,
    solver: torch.optim.Optimizer | None,
    interval: Interval | None,
) -> None:
    own = {name.removeprefix("method."): t for name, t in tensors.items() if name.startswith("method.")}
    method.load_state_dict(own, strict=True)
    if solver is not None:
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".", 2)
                state.setdefault(int(number), {})[key] = tensor
        solver.load_state_dict({"state": state, "param_groups": solver.state_dict()["param_groups"]})
        # the file holds contiguous tensors; fused kernels need a state laid out as its (channels_last) parameter
        for parameter, kept in solver.state.items():
            for key, value in kept.items():
                if value.shape == parameter.shape:
                    kept[key] = torch.empty_like(parameter).copy_(value)
    if interval is not None and "interval" in about:
        counted = json.loads(about["interval"])
        interval.n, interval.counts = counted["n"], counted["counts"]
        device = interval.data.device
        interval.sums = {name: tensors[f"interval.{name}"].to(device) for name in interval.counts}
        if rank() > 0:  # images that were counted are counted once, by the first process
            interval.sums |= {name: torch.zeros_like(t) for name, t in interval.sums.items() if name.startswith("_")}
