"""Checkpoints: every state of a run in one file, written atomically and read strictly."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from sslrepro.base.errors import require
from sslrepro.base.store import write_atomic
from sslrepro.methods.base import Method
from sslrepro.training.config import RunConfig


def save(
    path: Path,
    config: RunConfig,
    method: Method,
    solver: torch.optim.Optimizer,
    step: int,
    seconds: float,
    peak: int,
) -> None:
    """Write a checkpoint atomically: all parameters and buffers, the optimizer's state, and the step."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    for number, state in solver.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items() if value is not None}
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    about = {"identity": config.identity, "step": str(step), "seconds": repr(seconds), "peak_bytes": str(peak)}
    write_atomic(path, to_safetensors(tensors, about))


def header(path: Path) -> dict[str, str]:
    """The record a checkpoint carries beside its tensors; a damaged file raises ValueError that names it."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata()
    except SafetensorError as error:
        raise ValueError(f"train: checkpoint {path} cannot be read ({error}). Delete it to start anew.") from None


def restore(
    path: Path, config: RunConfig, method: Method, solver: torch.optim.Optimizer | None = None
) -> tuple[int, float]:
    """Load a checkpoint into a method (and optimizer); returns (steps done, CPU-seconds spent)."""
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
    return int(about["step"]), float(about["seconds"])
