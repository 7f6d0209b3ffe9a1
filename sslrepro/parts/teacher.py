"""The teacher: a slow copy of a network."""

import copy
import math

import torch
from torch import nn

from sslrepro.base.errors import require


class MomentumTeacher(nn.Module):
    """Exponential moving average of a student's parameters; never trained.

    MoCo moves the teacher before each forward pass, BYOL and DINO after each step. Both are the same sequence: the
    only difference is the update at step 0, when teacher and student are equal. So `after_step` serves all.
    Batch-norm statistics are the teacher's own: it runs in train mode and is never averaged in (as in MoCo, DINO).
    """

    def __init__(self, student: nn.Module):
        super().__init__()
        self.net = copy.deepcopy(student).requires_grad_(False)

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    @torch.no_grad()
    def move_towards(self, student: nn.Module, momentum: float) -> None:
        """parameter <- momentum * parameter + (1 - momentum) * student's, momentum in [0, 1]."""
        require(0 <= momentum <= 1, "MomentumTeacher", "momentum", "in [0, 1]", momentum)
        own, new = list(self.net.parameters()), list(student.parameters())
        torch._foreach_lerp_(own, new, 1 - momentum)


def rising_momentum(momentum: float, progress: float) -> float:
    """A teacher's momentum that rises from its first value to 1 by a half cosine (BYOL, Sec. 3.1; DINO).

    progress   share of training done, in [0, 1)
    """
    return 1 - (1 - momentum) * (math.cos(math.pi * progress) + 1) / 2
