"""Weights that an encoder starts from: read from a file, compared name by name, and said how many there are."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sslrepro.base.errors import require

INSIDE = ("state_dict", "model", "model_state_dict")  # where checkpoints of other programs keep their tensors


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name, of a safetensors file or one of `torch.save`; no code of the file is run.

    Raises ValueError for what is neither, and for a file without tensors.
    """
    path = Path(path).expanduser()
    require(path.is_file(), "weights", "file", "an existing file", str(path))
    try:
        if path.suffix == ".safetensors":
            held = load_file(path)
        else:
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises what it likes
        kind = "safetensors" if isinstance(error, SafetensorError) else "torch.save, loaded with weights_only=True"
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"weights: {path} cannot be read as {kind} ({reason}).") from None
    for name in INSIDE:
        if isinstance(held, dict) and isinstance(held.get(name), dict):
            held = held[name]
    tensors = {n: t for n, t in held.items() if isinstance(t, Tensor)} if isinstance(held, dict) else {}
    require(bool(tensors), "weights", f"{path}", "a file of tensors by name", type(held).__name__)
    return tensors


def matching(net: nn.Module, tensors: dict[str, Tensor], leave_out: Sequence[str] = ()) -> dict[str, Tensor]:
    """The tensors that a network loads; what only one side has, or in another shape, must be named.

        leave_out   names that are not loaded, of the file or of the network

    Raises ValueError that lists the names, and for a name that neither side has.

    >>> net, file = nn.Linear(2, 1), {"weight": torch.ones(1, 2), "fc": torch.ones(3)}
    >>> sorted(matching(net, file, ["bias", "fc"]))
    ['weight']
    """
    own = net.state_dict()
    for name in leave_out:
        require(
            name in own or name in tensors, "weights", "name to leave out", "one of the file or of the encoder", name
        )
    rest = [name for name in {**own, **tensors} if name not in leave_out]
    odd = {
        "only the encoder has": [name for name in rest if name not in tensors],
        "only the file has": [name for name in rest if name not in own],
        "of another shape": [n for n in rest if n in own and n in tensors and own[n].shape != tensors[n].shape],
    }
    said = "; ".join(f"{len(names)} {what} ({_first(names)})" for what, names in odd.items() if names)
    every = ",".join(name for names in odd.values() for name in names)
    remedy = (
        f"Name what to leave out: --weights-except {every}" if len(every) <= 200 else "Is it another network's file?"
    )
    require(not said, "weights", "tensors", "the encoder's, name by name", said, remedy)
    return {name: tensors[name] for name in rest}


def _first(names: list[str], n: int = 3) -> str:
    return ", ".join(names[:n]) + (", ..." if len(names) > n else "")


def share_in_words(net: nn.Module, tensors: dict[str, Tensor]) -> str:
    """How much of a network comes from a file.

    >>> share_in_words(nn.Linear(2, 1), {"weight": torch.ones(1, 2)})
    '1 of 2 tensors, 66.7% of the numbers'
    """
    own = net.state_dict()
    numbers = sum(own[name].numel() for name in tensors) / max(1, sum(t.numel() for t in own.values()))
    return f"{len(tensors)} of {len(own)} tensors, {100 * numbers:.1f}% of the numbers"


def load_first(net: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put tensors that `matching` chose into a network."""
    if tensors:
        net.load_state_dict(net.state_dict() | tensors, strict=True)


def mark_of(tensors: dict[str, Tensor]) -> str:
    """16 hex digits of the SHA-256 over names and values: part of the identity of a run that starts from them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
