"""What a training step encodes: images through student and teacher, per image of the batch (InvP's rebuttal)."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from sslrepro.data.dataset import Dataset
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import batches_of, initial_method

OF_RUN = True  # measured on the run itself, not on features


@dataclass(frozen=True)
class Protocol:
    """How it is counted: over one training step of `batch_size` images, in the middle of training."""

    batch_size: int = 16  # images


def scores(config: RunConfig, data: Dataset, device: str, how: Protocol) -> dict[str, float]:
    """{"forward_passes"}: images that pass through the encoder or its teacher in a step, per image of the batch.

    config   any run; its batch is replaced by the protocol's, at most all images
    """
    size = min(how.batch_size, len(data))
    config = replace(config, plan=replace(config.plan, batch_size=size))
    method = initial_method(config, len(data), device)
    encoders = [part for part in method.modules() if type(part) is type(method.encoder)]  # the student's, a teacher's
    counted = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal counted
        counted += len(inputs[0])

    for part in encoders:
        part.register_forward_pre_hook(count)
    batch = batches_of(config, data, method).at(0)
    method.after_step(method.loss(batch, 0.5), 0.5)
    return {"forward_passes": counted / size}
