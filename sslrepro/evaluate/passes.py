"""What a step of a method takes: images encoded per image of the batch, and processor time (InvP, bank and queue)."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

from sslrepro.base.errors import require
from sslrepro.data.dataset import Dataset
from sslrepro.methods.base import Method
from sslrepro.parts.optim import optimizer
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import batches_of, initial_method

OF_RUN = True  # measured on the run itself, not on features


@dataclass(frozen=True)
class Protocol:
    """How it is measured: whole training steps from the run's first weights, `progress` of the way through."""

    steps: int = 31  # of which the median time is taken, after as many as `warm`
    warm: int = 5
    progress: float = 0.5  # past every gate


class Counter:
    """Images that passed each copy of an encoder: the trained one and a teacher's."""

    def __init__(self, method: Method):
        kind = type(method.encoder)
        self.copies = [module for module in method.modules() if isinstance(module, kind)]
        self.images = dict.fromkeys(map(id, self.copies), 0)
        for copy in self.copies:
            copy.register_forward_hook(self._count)

    def _count(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        self.images[id(module)] += len(inputs[0])


def scores(config: RunConfig, data: Dataset, device: str, how: Protocol) -> dict[str, float]:
    """forward_passes, gradient_passes and step_milliseconds of a method.

        forward_passes      images encoded in a step, by the encoder and by copies of it, over images in the batch
        gradient_passes     of them by the trained encoder
        step_milliseconds   median processor time of a whole step: views, encodings, loss, backward pass, memory

    Raises ValueError for fewer than one step.
    """
    require(how.steps >= 1, "evaluate.passes", "steps", ">= 1", how.steps)
    method = initial_method(config, len(data), device)
    counter = Counter(method)
    plan, batches = config.plan, batches_of(config, data, method)
    solver = optimizer(plan.optimizer, method, plan.lr, plan.weight_decay, plan.momentum, method.constant_lr)
    seconds, steps = [], how.warm + how.steps
    for step in range(steps):
        begun = time.process_time()
        out = method.loss(batches.at(step), how.progress)
        out.loss.backward()
        solver.step()
        solver.zero_grad(set_to_none=True)
        method.after_step(out, how.progress)
        seconds.append(time.process_time() - begun)
    shown = steps * plan.batch_size
    return {
        "forward_passes": sum(counter.images.values()) / shown,
        "gradient_passes": counter.images[id(method.encoder)] / shown,
        "step_milliseconds": 1000 * statistics.median(seconds[how.warm :]),
    }
