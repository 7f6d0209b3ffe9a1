"""Files of tensors: each on its own, and an error in words where memory does not suffice."""

import pytest
import torch

from sslrepro.base import tensors
from sslrepro.base.tensors import read_tensors, write_tensors


def read(path):
    return read_tensors(path, "test", "file", "")


def test_parts_of_one_memory_are_written_each_whole(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    written = {"all": whole, "again": whole, "row": whole[1], "turned": whole.T, "none": torch.empty(0)}
    write_tensors(tmp_path / "a.safetensors", written, {"step": "3"})
    kept, about = read(tmp_path / "a.safetensors")
    assert about["step"] == "3" and kept.keys() == written.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in written.items())


def test_too_little_memory_is_said_in_one_line_and_loses_nothing(tmp_path, monkeypatch):
    """The library panics then, with an exception that is no Exception."""
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.ones(2)}, {})

    class PanicException(BaseException):
        pass

    def panic(*_):
        raise PanicException("called `Result::unwrap()` on an `Err` value: MemoryError")

    monkeypatch.setattr(tensors, "save", panic)
    with pytest.raises(MemoryError, match=r"^no memory for the 32 bytes of .*a\.safetensors: what was written before"):
        write_tensors(path, {"a": torch.zeros(8)}, {})
    assert read(path)[0]["a"].equal(torch.ones(2)) and [*tmp_path.iterdir()] == [path]
