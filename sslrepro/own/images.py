"""Any tree of images as one data set: no classes, no splits; what is in it is said, and what cannot be read named."""

import hashlib
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from sslrepro.base.errors import require
from sslrepro.base.paths import cache_folder
from sslrepro.base.store import lock_folder, write_atomic
from sslrepro.base.types import UInt8
from sslrepro.data.dataset import Dataset
from sslrepro.data.decode import EXTENSIONS, VERSION, decode, image_names, open_image
from sslrepro.data.sources import StoredImages, decode_into, open_images

FEWEST = 8  # images: fewer leave nothing to tell apart
ORIENTATION = 0x0112  # the EXIF tag
SKIP = "--skip-bad (skip_bad=True) leaves unreadable files out and lists them."


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file, as its header says. Folders hold millions, so that a path is made when it is asked for.

    folder         that the name is relative to, one object for all files; for single files the working folder
    name           in UTF-8, with / on every system; for single files as it was given
    width, height  px, upright
    kind           "jpeg", "png", ...
    turned         whether EXIF says that the pixels lie on their side or head
    """

    folder: Path
    name: str
    width: int
    height: int
    kind: str
    turned: bool

    @property
    def path(self) -> Path:
        return self.folder / os.fsdecode(self.name.encode())


@dataclass(frozen=True)
class Survey:
    """The images of a folder, by their headers; `bad` are (name, reason) of files that cannot be read."""

    folder: Path
    files: tuple[ImageFile, ...]
    bad: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shorter_sides(self) -> list[int]:
        """Of every image, px."""
        return [min(file.width, file.height) for file in self.files]

    @property
    def words(self) -> str:
        """One line: how many, of which kinds, turned by EXIF, left out, and their shorter sides.

        >>> files = [ImageFile(Path(), f"{n}.jpg", 40 + n, 30, "jpeg", n == 0) for n in range(2)]
        >>> Survey(Path("."), tuple(files)).words
        '2 images (2 jpeg; 1 turned by EXIF), 30 px'
        """
        counts = Counter(file.kind for file in self.files)
        kinds = ", ".join(f"{counts[kind]:,} {kind}" for kind in sorted(counts, key=lambda kind: (-counts[kind], kind)))
        long = sum(max(file.width, file.height) > 2 * min(file.width, file.height) for file in self.files)
        notes = [
            f"{n:,} {what}"
            for n, what in (
                (sum(file.turned for file in self.files), "turned by EXIF"),
                (long, "longer than 2:1, of which the middle is seen"),
                (len(self.bad), "unreadable, left out"),
            )
            if n
        ]
        sides = self.shorter_sides
        span = f"{min(sides):,} px" if min(sides) == max(sides) else f"{min(sides):,} to {max(sides):,} px"
        return f"{len(self):,} images ({'; '.join([kinds, *notes])}), {span}"


def survey(folder: str | Path, skip_bad: bool = False) -> Survey:
    """Every image under a folder at any depth, by its header, sorted by path; hidden and junk files are passed over.

        skip_bad   list files that cannot be read in `bad`, instead of raising

    Raises ValueError for what is no folder, for fewer than `FEWEST` images, and for the first unreadable file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for n in range(8):
    ...         Image.new("RGB", (20, 10 + n)).save(f"{folder}/{n}.png")
    ...     survey(folder).words
    '8 images (8 png), 10 to 17 px'
    """
    folder = Path(folder).expanduser()
    require(folder.is_dir(), "fit", "folder", "an existing folder of images", str(folder))
    names = image_names(folder)
    if not names:
        others = Counter(path.suffix.lower() for path in folder.rglob("*") if path.is_file() and path.suffix)
        held = ", ".join(f"{n} {ending}" for ending, n in others.most_common(3)) or "no file"
        require(False, "fit", f"folder {folder}", f"one that holds images ({' '.join(EXTENSIONS)})", held)
    files, bad = headers(names, skip_bad, folder)
    require(len(files) >= FEWEST, "fit", f"images under {folder}", f">= {FEWEST}", len(files))
    return Survey(folder, files, bad)


def headers(
    names: Sequence[str | Path], skip_bad: bool = False, folder: Path = Path(), remedy: str = SKIP
) -> tuple[tuple[ImageFile, ...], tuple[tuple[str, str], ...]]:
    """(images, bad) of files, in their order: see `Survey`. Reads headers only.

    folder   that names are relative to
    remedy   is said with the error of a file that cannot be read
    """
    files: list[ImageFile] = []
    bad: list[tuple[str, str]] = []
    for name in map(str, names):
        try:
            files.append(_header(folder, name))
        except ValueError as error:
            if not skip_bad:
                raise ValueError(f"{error} {remedy}".strip()) from None
            bad.append((printable(name), str(error)))
    return tuple(files), tuple(bad)


def printable(name: str) -> str:
    """A file name as text that can be written as UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _header(folder: Path, name: str) -> ImageFile:
    path = folder / name
    try:
        name = os.fsencode(name).decode("utf-8")  # whatever the locale takes its bytes for
    except UnicodeError:
        require(False, "data.read", "image", "a file whose name is UTF-8", printable(name), "Rename it.")
    require(path.is_file(), "data.read", "image", "an existing file", str(path))
    try:
        with warnings.catch_warnings(), open_image(path) as image:
            warnings.simplefilter("ignore")  # of bombs: what decodes it says so
            turn = image.getexif().get(ORIENTATION, 1)
            width, height = image.size if turn not in (5, 6, 7, 8) else image.size[::-1]
            kind = sys.intern((image.format or path.suffix[1:]).lower().replace("mpo", "jpeg"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if str(error).startswith("data.read: "):
            raise
        raise ValueError(f"data.read: image {path} cannot be read ({error}). Remove or replace it.") from None
    return ImageFile(folder, name, width, height, kind, turn in range(2, 9))


def pixels(
    seen: Survey,
    side: int,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> tuple[Survey, Dataset]:
    """The images as uint8 [n 3 side side], and the survey without those that only decoding shows to be unreadable.

        side       px: the shorter side is resized to it, then the centre is kept
        progress   is told (images decoded, images in all); not where they come from the cache
        cache      folder of decoded pixels; default the user's cache folder

    Decoded once into a file (data/sources.py): sets that are large beside the memory are read from it batch by batch.
    Labels are all 0, of one class without a meaning.
    Raises ValueError for an unreadable image, unless `skip_bad`.
    """
    store = store_of(seen, side, cache)
    signature = _signature(seen, side)
    nobody = torch.zeros(len(seen), dtype=torch.int64)
    with lock_folder(store.with_suffix(".lock")):  # one process of a machine decodes, the others find it
        stored = open_images(store, signature)
        if stored is None or (stored[1]["bad"] and not skip_bad):
            try:
                decode_into(store, (file.path for file in seen.files), nobody, side, signature, skip_bad, progress)
            except ValueError as error:
                raise ValueError(f"{error} {SKIP}") from None
            stored = open_images(store, signature)
    require(
        stored is not None,
        "fit",
        f"pixels in {store}",
        "as they were just written",
        "others",
        "The disk may be failing: choose another --cache.",
    )
    images, about = stored
    bad = {place: reason for place, reason in about["bad"]}
    files = tuple(file for place, file in enumerate(seen.files) if place not in bad)
    require(len(files) >= FEWEST, "fit", f"readable images under {seen.folder}", f">= {FEWEST}", len(files))
    labels = nobody[: len(files)]
    data = Dataset(seen.folder.resolve().name, images, labels, ("image",), {}, about["fingerprint"])
    left_out = tuple((printable(seen.files[place].name), reason) for place, reason in bad.items())
    return Survey(seen.folder, files, (*seen.bad, *left_out)), data


def _signature(seen: Survey, side: int) -> str:
    """Of what pixels are decoded from: name, size and time of every file, and the side."""
    digest = hashlib.sha256(json.dumps([VERSION, side]).encode())
    for file in seen.files:
        about = file.path.stat()
        digest.update(json.dumps([file.name, about.st_size, about.st_mtime_ns]).encode())
    return digest.hexdigest()


def store_of(seen: Survey, side: int, cache: Path | None = None) -> Path:
    """The file that holds, or would hold, the pixels of a folder at a side."""
    place = hashlib.sha256(str(seen.folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return (cache_folder() if cache is None else cache) / f"own-{place}-{side}px.npy"


def pixels_in_words(seen: Survey, data: Dataset, cache: Path | None = None) -> str:
    """How many bytes the decoded pixels are, where they are kept, and whether batches are read from there."""
    store = store_of(seen, data.images.shape[-1], cache)
    streams = " and read from there, batch by batch" if isinstance(data.images, StoredImages) else ""
    return f"pixels: {size_in_words(data.images.nbytes)} kept in {store}{streams}"


def size_in_words(n_bytes: int) -> str:
    """Bytes as a reader says them.

    >>> size_in_words(18_432), size_in_words(55_296_000), size_in_words(192_855_190_016)
    ('18 kB', '55 MB', '193 GB')
    """
    unit, length = next((pair for pair in (("GB", 1e9), ("MB", 1e6)) if n_bytes >= pair[1]), ("kB", 1e3))
    return f"{n_bytes / length:,.0f} {unit}"


def decode_files(files: Sequence[ImageFile], side: int) -> UInt8[torch.Tensor, "n 3 s s"]:
    """A few images as one tensor, not cached."""
    return torch.stack([decode(file.path, side) for file in files])


def write_text(path: Path, text: str) -> None:
    """Write a whole text file in UTF-8, or nothing; an OSError becomes one line that names the path."""
    try:
        write_atomic(path, text)
    except OSError as error:
        raise ValueError(f"own: {path} cannot be written ({error.strerror}). Choose another place.") from None
