"""Checkpoints: every state of a run in one file, written by the clock, atomically, and read strictly."""

import json
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from sslrepro.base.errors import require
from sslrepro.base.store import write_atomic
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import rank, world_size
from sslrepro.training.config import RunConfig
from sslrepro.training.monitor import Interval, StepDone, peak_bytes


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
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, to_safetensors(tensors, about))


def header(path: Path) -> dict[str, str]:
    """The record a checkpoint carries beside its tensors; a damaged file raises ValueError that names it."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata()
    except SafetensorError as error:
        raise ValueError(f"train: checkpoint {path} cannot be read ({error}). Delete it to start anew.") from None


def restore(
    path: Path,
    config: RunConfig,
    method: Method,
    solver: torch.optim.Optimizer | None = None,
    interval: Interval | None = None,
) -> tuple[int, float]:
    """Load a checkpoint into a method (and optimizer, and open interval); returns (steps done, CPU-seconds spent)."""
    about = header(path)
    require(about["identity"] == config.identity, "train", f"checkpoint {path}", f"of run {config.identity}",
            about["identity"], "Delete it, or run with the configuration beside it.")  # fmt: skip
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
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
    return int(about["step"]), float(about["seconds"])
