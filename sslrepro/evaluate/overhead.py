"""What a longer queue costs: memory and steps per second of NNCLR over the queue's length (NNCLR, Table 9)."""

import statistics
import time
from dataclasses import dataclass, replace

import torch

from sslrepro.base.errors import require
from sslrepro.data.dataset import Dataset
from sslrepro.methods.base import Method
from sslrepro.parts.optim import optimizer
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import batches_of, initial_method

OF_RUN = True  # measured on the run itself, not on features


@dataclass(frozen=True)
class Protocol:
    """How it is measured: whole training steps at every length in turn, `repeats` times, after one warm-up each."""

    queue_sizes: tuple[int, ...] | list[int] = (8_192, 16_384, 32_768, 65_536, 98_304)  # rows
    dim: int = 256  # d, width of a row
    batch_size: int = 128  # images per step
    repeats: int = 7  # rounds; the median is reported


def stepper(config: RunConfig, data: Dataset, device: str):
    """(method, function that takes one whole training step) of a run, as the loop takes it."""
    method = initial_method(config, len(data), device)
    plan, source = config.plan, batches_of(config, data, method)
    solver = optimizer(plan.optimizer, method, plan.lr, plan.weight_decay, plan.momentum, method.constant_lr)
    autocast = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=plan.precision == "bf16")
    place = 0

    def step() -> None:
        nonlocal place
        batch = source.at(place)
        with autocast:
            out = method.loss(batch, 0.5)
        out.loss.backward()
        solver.step()
        solver.zero_grad(set_to_none=True)
        method.after_step(out, 0.5)
        place += 1

    return method, step


def seconds(step, device: str) -> float:
    """Wall time of one step, the device's queue drained before and after."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def queue_bytes(method: Method) -> tuple[int, int]:
    """Bytes of the queue's rows, and of what it notes beside them: image, class and age of each."""
    rows = method.queue.entries.nbytes
    return rows, sum(buffer.nbytes for buffer in method.queue.buffers()) - rows


def scores(config: RunConfig, data: Dataset, device: str, how: Protocol) -> dict[str, float]:
    """Per length m of the queue: steps_per_second_m, its ratio to the shortest one's, and bytes.

        config   an NNCLR run, whose queue, width and batch the protocol replaces

        steps_per_second_<m>   median over the rounds
        of_shortest_<m>        median of the ratios, round by round, to the shortest queue's steps per second
        row_bytes_<m>, note_bytes_<m>   of the queue

    Lengths take turns within a round, so that whatever else the machine does meets all of them. Raises ValueError for
    another method or fewer than two lengths.
    """
    sizes = sorted(how.queue_sizes)
    require(config.method == "nnclr", "evaluate.overhead", "method", "nnclr", config.method)
    require(len(sizes) >= 2, "evaluate.overhead", "queue_sizes", "at least two lengths", sizes)
    out: dict[str, float] = {}
    steps = {}
    for size in sizes:
        settings = config.settings | {"queue_size": size, "dim": how.dim}
        plan = replace(config.plan, batch_size=min(how.batch_size, len(data)), epochs=1)
        method, steps[size] = stepper(replace(config, settings=settings, plan=plan), data, device)
        out[f"row_bytes_{size}"], out[f"note_bytes_{size}"] = map(float, queue_bytes(method))
    for step in steps.values():
        step()
    rounds = [{size: seconds(step, device) for size, step in steps.items()} for _ in range(how.repeats)]
    for size in sizes:
        out[f"steps_per_second_{size}"] = 1 / statistics.median(durations[size] for durations in rounds)
        out[f"of_shortest_{size}"] = statistics.median(durations[sizes[0]] / durations[size] for durations in rounds)
    return out
