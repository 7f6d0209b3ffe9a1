"""Encoders compiled: the same weights and checkpoints, fewer kernels."""

from sslrepro.base.errors import one_of
from sslrepro.methods.base import Method
from sslrepro.parts.teacher import MomentumTeacher

COMPILING = ("no", "kernels", "graphs")


def compile_encoders(method: Method, how: str) -> Method:
    """The method with its encoders' forward and backward passes compiled; names of weights and checkpoints stay.

        how   "no"; "kernels": fused by torch.compile; "graphs": and replayed as CUDA graphs, so that a step of many
              small kernels is no longer held up by their launches

    Numbers then agree with the plain run to rounding, no longer to the bit. Worth a minute of warm-up on a GPU; on the
    CPU it needs a C++ compiler and gains little.
    """
    one_of(how, COMPILING, "train", "compiling")
    if how == "no":
        return method
    for owner in method.modules():
        nets = [
            net for name, net in owner.named_children() if name in ("projector", "predictor") and [*net.parameters()]
        ]
        if isinstance(owner, Method):
            nets.append(owner.encoder)
        elif isinstance(owner, MomentumTeacher):
            nets.append(owner)
        for net in nets:
            net.compile(dynamic=False, mode="reduce-overhead" if how == "graphs" else "default")
    return method
