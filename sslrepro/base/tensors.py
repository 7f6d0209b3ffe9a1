"""Files of tensors that carry a digest: bytes that changed on disk are noticed before they are used."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from sslrepro.base.errors import require
from sslrepro.base.store import write_atomic

DIGEST = "sha256"
COST = ("seconds", "peak_bytes")  # of making them: two runs that end with the same weights have the same digest


def digest_of(tensors: dict[str, torch.Tensor], about: dict[str, str]) -> str:
    """SHA-256 over tensors, by name, and the record beside them, without what making them cost."""
    kept = {name: text for name, text in about.items() if name not in (DIGEST, *COST)}
    state = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        state.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], about: dict[str, str]) -> None:
    """Write tensors and a record of texts beside them, with their digest, atomically.

    Takes as much memory again as the tensors do. Raises MemoryError where that is not to be had.
    """
    tensors = _separate({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    about = about | {DIGEST: digest_of(tensors, about)}
    try:
        content = save(tensors, about)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # which has no public name, and is no Exception
            raise
        size = sum(tensor.nbytes for tensor in tensors.values())
        raise MemoryError(f"no memory for the {size:,} bytes of {path}: what was written before is kept") from None
    write_atomic(path, content)


def _separate(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors, those that are a part of another's memory copied: the format holds each on its own."""
    held: set[int] = set()
    out = {}
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage()
        own = memory.nbytes() == tensor.nbytes and memory.data_ptr() not in held
        held.add(memory.data_ptr())
        out[name] = tensor if own else tensor.clone()
    return out


def read_record(path: Path, owner: str, what: str, remedy: str) -> dict[str, str]:
    """The record beside the tensors of a file, {} where there is none; nothing is compared with the digest.

    what   the file is, and `remedy`: both in words, for the ValueError of a file that cannot be read
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{owner}: {what} {path} cannot be read ({error}). {remedy}") from None


def read_tensors(path: Path, owner: str, what: str, remedy: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, record) of a file; raises ValueError where it cannot be read, or is not what was written.

    Files that are older than digests carry none and are taken as they are.
    """
    about = read_record(path, owner, what, remedy)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if DIGEST in about:
        digest = digest_of(tensors, about)
        written = about[DIGEST][:12]
        require(
            digest == about[DIGEST],
            owner,
            f"{what} {path}",
            f"as it was written (SHA-256 {written}...)",
            f"{digest[:12]}...",
            f"It changed on disk. {remedy}",
        )
    return tensors, about
