"""Where the pixels of a set lie: in memory, or in a file of which batches read their own rows alone.

A set's pixels are decoded once into three files: `<name>.npy`, uint8 [n 3 side side], as numpy reads it;
`<name>.crc32`, a checksum of every image; `<name>.json`, which is written last and says of what they are. Sets that are
small beside the memory are read into it, larger ones are `StoredImages`: then one copy serves all processes of a
machine, in the system's cache of files. Nothing is mapped: a map counts as memory of the process, and a file that is
cut ends it.
"""

import contextlib
import hashlib
import json
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslrepro.base.device import to_device
from sslrepro.base.errors import require
from sslrepro.base.memory import available_bytes
from sslrepro.base.store import write_atomic, write_json
from sslrepro.base.types import Int, UInt8
from sslrepro.data.decode import decode

BLOCK = 2**24  # bytes of images that are looked at together where all of them are
RESIDENT = 0.25  # share of the available memory that the copies of a set may have, one for each process of a run
FORMAT = 1  # of the three files


class StoredImages:
    """uint8 images of an .npy file, each read when it is asked for: what stands in a `Dataset` where a tensor would.

        path      the file, [n 3 h w] uint8
        checksum  CRC-32 of every image, compared when a process first reads it
        counts    how often each value 0..255 occurs in each channel, [3][256]; None: not known
        place     rows of the file, in this order; None: all of them
        device    where rows are put

    Takes the indices that a tensor takes: a number, a slice, or a tensor of indices [b], which gives [b 3 h w], the
    same bytes as from memory. Neighbouring rows are read in one piece. Nothing read is kept, so
    that no limit of memory counts it. An index on a GPU is waited for.
    Raises ValueError where the file is not as it was written.

    >>> import tempfile
    >>> rows = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 2, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", rows)
    ...     images = StoredImages(Path(f"{folder}/a.npy"))
    ...     images[torch.tensor([4, 0, 1])].equal(torch.from_numpy(rows[[4, 0, 1]])), tuple(images.shape)
    (True, (5, 3, 2, 2))
    """

    dtype = torch.uint8

    def __init__(
        self,
        path: Path,
        checksum: np.ndarray | None = None,
        counts: list[list[int]] | None = None,
        place: Int[Tensor, " n"] | None = None,
        device: torch.device | str = "cpu",
    ):
        self.path, self.checksum, self.counts, self.place = Path(path), checksum, counts, place
        self.device = torch.device(device)
        with self.path.open("rb") as file:  # its header alone: a map of the file would count as memory
            np.lib.format.read_magic(file)
            shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
            self._first = file.tell()
        require(kind == np.uint8 and not fortran, "data.read", f"pixels {path}", "uint8 in C order", str(kind))
        self._n, self._row_shape, self._row_bytes = shape[0], shape[1:], math.prod(shape[1:])
        self._checked = np.zeros(self._n, dtype=bool)
        self._file: Any = None

    def __len__(self) -> int:
        return self._n if self.place is None else len(self.place)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self), *self._row_shape))

    @property
    def nbytes(self) -> int:
        return len(self) * self._row_bytes

    def to(self, device: torch.device | str) -> "StoredImages":
        """The same file, whose rows are put on another device; nothing is read."""
        return StoredImages(self.path, self.checksum, self.counts, self.place, device)

    def rows(self, index: Int[Tensor, " m"]) -> "StoredImages":
        """Some of the images in the given order, as a set of their own; nothing is read."""
        index = index.cpu()
        place = index if self.place is None else self.place[index]
        return StoredImages(self.path, self.checksum, None, place, self.device)

    def split(self, size: int) -> Iterator[UInt8[Tensor, "b 3 h w"]]:
        """Blocks of `size` images in order, the last as short as it comes."""
        for first in range(0, len(self), size):
            yield self[first : first + size]

    def __getitem__(self, index: Any) -> UInt8[Tensor, "..."]:
        if isinstance(index, slice):
            return self._read(torch.arange(len(self))[index])
        index = torch.as_tensor(index)
        rows = self._read(index.reshape(-1).cpu())
        return rows if index.ndim else rows[0]

    def _read(self, index: Int[Tensor, " b"]) -> UInt8[Tensor, "b 3 h w"]:
        n = len(self)
        if len(index) and not (-n <= int(index.min()) and int(index.max()) < n):
            raise IndexError(f"images 0..{n - 1}, got {int(index.min())}..{int(index.max())}")
        index = torch.where(index < 0, index + n, index)
        index = (index if self.place is None else self.place[index]).numpy()
        out = np.empty((len(index), *self._row_shape), dtype=np.uint8)
        ends = [*(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)] if len(index) else []
        for first, last in zip([0, *ends], ends, strict=False):
            self._read_run(int(index[first]), out[first:last])
        return to_device(torch.from_numpy(out), self.device)

    def _read_run(self, row: int, out: np.ndarray) -> None:
        """Fill `out` with the rows of the file from `row` on, in one piece; checksums of those not read before."""
        if self._file is None:
            self._file = self.path.open("rb", buffering=0)
        left, offset = memoryview(out).cast("B"), self._first + row * self._row_bytes
        while left:
            n = os.preadv(self._file.fileno(), [left], offset)
            require(n > 0, "data.read", f"pixels {self.path}", "whole", "an end within its images", REMEDY)
            left, offset = left[n:], offset + n
        for image, place in zip(out, range(row, row + len(out)), strict=True):
            if self.checksum is not None and not self._checked[place]:
                same = zlib.crc32(image) == int(self.checksum[place])
                require(
                    same, "data.read", f"pixels {self.path}", "as they were written", f"another image {place}", REMEDY
                )
                self._checked[place] = True

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}  # another process opens it again


REMEDY = "Delete it: the next call decodes the images again."
Images = UInt8[Tensor, "n 3 h w"] | StoredImages


def rows_of(images: Images, index: Int[Tensor, " m"]) -> UInt8[Tensor, "m 3 h w"] | StoredImages:
    """Some of the images: copied in memory, or the same file seen in another order."""
    return images.rows(index) if isinstance(images, StoredImages) else images[index]


def blocks_of(images: Images) -> Iterator[UInt8[Tensor, "b 3 h w"]]:
    """All images in order, some megabytes at a time."""
    yield from images.split(max(1, BLOCK // (3 * images.shape[2] * images.shape[3])))


def fingerprint(images: Images, labels: Tensor) -> str:
    """First 16 hex digits of the SHA-256 over shape, pixels and labels; pixels are read block by block."""
    digest = hashlib.sha256(str(tuple(images.shape)).encode())
    for block in blocks_of(images):
        digest.update(np.ascontiguousarray(block.cpu().numpy()).data)
    digest.update(np.ascontiguousarray(labels.cpu().numpy()).data)
    return digest.hexdigest()[:16]


def value_counts(images: Images) -> list[list[int]]:
    """How often each value 0..255 occurs in each channel, [3][256]; what a file's record knows is not counted again.

    >>> value_counts(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))[0][:2]
    [32, 0]
    """
    if isinstance(images, StoredImages) and images.counts is not None:
        return images.counts
    counts = torch.zeros(3, 256, dtype=torch.int64, device=images.device)
    for block in blocks_of(images):
        for channel in range(3):
            counts[channel] += torch.bincount(block[:, channel].flatten(), minlength=256)
    return counts.tolist()


def open_images(store: Path, signature: str) -> tuple[Images, dict[str, Any]] | None:
    """(images, record) of pixels that were decoded before; None where they are of other files, damaged or not there.

        store      `<name>.npy`
        signature  of what they were decoded from, and how

    Sets that would take more than `RESIDENT` of the memory that is available, in every process of this machine that
    torchrun started, are `StoredImages`, whose damage is noticed when it is read; others are read here.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads(store.with_suffix(".json").read_text(encoding="utf-8"))
        if about["signature"] != signature or about["format"] != FORMAT:
            return None
        content = store.with_suffix(".crc32").read_bytes()
        checksum = np.frombuffer(content, dtype="<u4")
        images = StoredImages(store, checksum, about["counts"])
        whole = store.stat().st_size == images._first + images._n * images._row_bytes
        if not whole or len(checksum) != about["n"] or zlib.crc32(content) != about["crc32"]:
            return None
        if images._n != about["n"]:  # unreadable files left rows without an image at the end
            images = images.rows(torch.arange(about["n"]))
            images.counts = about["counts"]
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return (images if images.nbytes * processes > RESIDENT * available_bytes() else images[:]), about
    return None


def decode_into(
    store: Path,
    files: Iterable[Path],
    labels: Int[Tensor, " n"],
    side: int,
    signature: str,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Decode files into a store, under temporary names that are renamed when all is there.

        labels    of the files, one each, for the fingerprint
        side      px: see `decode`
        skip_bad  leave out files that cannot be read; they are listed in the record's `bad`: [[place, reason], ...]
        progress  is told (files decoded, files in all)

    One image at a time is in memory, whatever their number. Raises ValueError for an unreadable file.
    """
    entropy = np.random.SeedSequence().entropy % 2**32
    temporary = store.with_name(f".{store.name}.{entropy:08x}")
    n_files = len(labels)
    checksum, counts, bad = np.empty(n_files, dtype="<u4"), np.zeros((3, 256), dtype=np.int64), []
    head = {"descr": "|u1", "fortran_order": False, "shape": (n_files, 3, side, side)}
    try:
        with temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, head)
            for place, path in enumerate(files):  # they may be made one by one
                try:
                    image = np.ascontiguousarray(decode(path, side).numpy())
                except ValueError as error:
                    if not skip_bad:
                        raise
                    bad.append((place, str(error)))
                else:
                    checksum[place - len(bad)] = zlib.crc32(image)
                    counts += [np.bincount(channel.ravel(), minlength=256) for channel in image]
                    file.write(image.data)
                if progress is not None:
                    progress(place + 1, n_files)
            for _ in bad:
                file.write(bytes(3 * side * side))
            file.flush()
            os.fsync(file.fileno())
        n = n_files - len(bad)
        content, keep = checksum[:n].tobytes(), torch.ones(n_files, dtype=torch.bool)
        for place, _ in bad:
            keep[place] = False
        mark = fingerprint(StoredImages(temporary).rows(torch.arange(n)), labels[keep])
        store.with_suffix(".json").unlink(missing_ok=True)  # of what is replaced now
        write_atomic(store.with_suffix(".crc32"), content)
        temporary.replace(store)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    write_json(
        store.with_suffix(".json"),
        {
            "format": FORMAT,
            "signature": signature,
            "fingerprint": mark,
            "n": n,
            "bad": bad,
            "crc32": zlib.crc32(content),
            "counts": counts.tolist(),
        },
    )
