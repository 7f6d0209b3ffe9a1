"""What passes between host and device in a training step, without either waiting for the other."""

import fcntl
import functools
import os
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor


def to_device(x: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the host on the device; to a GPU through pinned memory, so that the host need not wait for the copy.

    A plain `.to` waits until everything queued on the GPU is done.
    """
    if torch.device(device).type == "cuda" and x.device.type == "cpu" and torch.cuda.is_available():
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


BF16_UNITS = ("avx512_bf16", "amx_bf16")


def bf16_units(device: torch.device | str) -> tuple[str, ...]:
    """The instructions that multiply bf16 numbers in hardware, as torch names them; () where bf16 is only emulated.

    On a processor some of `BF16_UNITS`; on a GPU its name, from compute capability 8.0.

    >>> set(bf16_units("cpu")) <= set(BF16_UNITS)
    True
    """
    if torch.device(device).type == "cuda":
        real = torch.cuda.is_bf16_supported(including_emulation=False)
        return (torch.cuda.get_device_name(),) if real else ()
    has = torch.cpu.get_capabilities()
    return tuple(unit for unit in BF16_UNITS if has.get(unit))


def precision_line(precision: str, device: torch.device | str) -> str:
    """What a run's precision means on a device, in one line: by which unit bf16 is multiplied, or that it is emulated.

    >>> precision_line("fp32", "cpu")
    'precision fp32'
    """
    if precision != "bf16":
        return f"precision {precision}"
    units = bf16_units(device)
    if units:
        return f"precision bf16 in layers, by {' and '.join(units)}; losses, norms and searches in fp32"
    return "precision bf16, emulated: this processor does not multiply it, so fp32 is as fast or faster"


@functools.lru_cache(maxsize=256)
def constant(values: tuple, device: torch.device) -> Tensor:
    """A float tensor of fixed numbers (nested tuples), sent to the device once. It must not be written to."""
    return torch.tensor(values, device=device)


_claims: dict[str, TextIO] = {}  # device -> the open file whose lock says that this process has it


def own_gpu(device: str, folder: Path | None = None) -> str:
    """A GPU for this process alone where "cuda" names none and the machine has several; any other device as it is.

        folder   of the locks, on this machine; default the system's temporary one

    The first that no other process of this user has; where all are taken they are shared evenly. It is held until
    the process ends, however it ends.
    """
    count = torch.cuda.device_count() if device == "cuda" and torch.cuda.is_available() else 0
    if count < 2:
        return device
    if _claims:
        return next(iter(_claims))
    folder = folder or Path(tempfile.gettempdir()) / f"sslrepro-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")  # what torch counts from 0 may be any of the machine
    for number in range(count):
        name = names[number].strip() if number < len(names) and names[number].strip() else str(number)
        file = (folder / f"gpu-{name}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _claims[f"cuda:{number}"] = file
        return f"cuda:{number}"
    return f"cuda:{os.getpid() % count}"


class CachedRead:
    """What was read from a tensor, kept until the tensor is written to or replaced.

    Reading a number from a GPU waits for everything queued on it; where the answer cannot have changed there is no
    reason to ask again. Views and clones count as other tensors; copies of a note know nothing.
    """

    def __init__(self) -> None:
        self._tensor: weakref.ref[Tensor] | None = None
        self._version = -1
        self._value: Any = None

    def get(self, tensor: Tensor, read: Callable[[Tensor], Any]) -> Any:
        """`read(tensor)`, remembered for as long as the tensor stays what it is."""
        if self._tensor is None or self._tensor() is not tensor or self._version != tensor._version:
            self.put(tensor, read(tensor))
        return self._value

    def put(self, tensor: Tensor, value: Any) -> None:
        """Note a value that the writer of the tensor knows."""
        self._tensor, self._version, self._value = weakref.ref(tensor), tensor._version, value

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return CachedRead, ()
