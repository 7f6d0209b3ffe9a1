"""Features of any images as a file: csv, npy or parquet."""

import importlib.util
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from sslrepro.base.errors import one_of, require
from sslrepro.base.store import write_atomic
from sslrepro.own.images import ImageFile
from sslrepro.own.progress import table_csv
from sslrepro.own.run import OwnRun, image_files

HEAD = ("file", "width", "height")
ENDINGS = (".csv", ".npy", ".parquet")


def embed_to(
    run: str | Path | OwnRun,
    places: Sequence[str | Path],
    out: str | Path,
    skip_bad: bool = False,
    device: str = "cpu",
    say: Callable[..., None] | None = print,
) -> None:
    """Write features of image files, and of all images under folders, to `out`; its ending is the format.

        run      photos.ssl
        out      `.csv` and `.parquet`: file, width, height, f0, f1, ... (parquet: one column `features` of lists);
                 `.npy`: float32 [n f], and `<name>.files.csv` beside it with file, width, height of each row

    Raises ValueError for wrong input before anything is written.
    """
    out = Path(out).expanduser()
    one_of(out.suffix.lower(), ENDINGS, "embed", "ending of the output")
    require(out.parent.is_dir(), "embed", "out", "a file in an existing folder", str(out))
    if out.suffix.lower() == ".parquet":
        parquet_module()
    run = run if isinstance(run, OwnRun) else OwnRun(run)
    files, bad = image_files(places, skip_bad)
    x = run.features_of(files, device)
    WRITERS[out.suffix.lower()](out, files, x)
    if say:
        for name, reason in bad:
            say(f"left out {name}: {reason}")
        say(f"{len(files):,} images, {x.shape[1]} features -> {out}")


def parquet_module():
    """pyarrow.parquet; raises ValueError with what to install."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            "embed: .parquet needs pyarrow, which is not installed. `pip install pyarrow`, or write .csv or .npy."
        ) from None
    return pyarrow.parquet


def write_parquet(out: Path, files: Sequence[ImageFile], x: torch.Tensor) -> bool:
    """Write file, width, height and features where pyarrow is installed; else leave no file of another run there."""
    installed = importlib.util.find_spec("pyarrow") is not None
    if installed:
        _parquet(out, files, x)
    else:
        out.unlink(missing_ok=True)
    return installed


def _csv(out: Path, files: Sequence[ImageFile], x: torch.Tensor) -> None:
    head = (*HEAD, *(f"f{place}" for place in range(x.shape[1])))
    # nine digits hold a float32 exactly
    rows = [(f.name, f.width, f.height, *(f"{v:.9g}" for v in row)) for f, row in zip(files, x.tolist(), strict=True)]
    write_atomic(out, table_csv([head, *rows]))


def _npy(out: Path, files: Sequence[ImageFile], x: torch.Tensor) -> None:
    buffer = io.BytesIO()
    np.save(buffer, x.numpy())
    write_atomic(out.with_suffix(".files.csv"), table_csv([HEAD, *((f.name, f.width, f.height) for f in files)]))
    write_atomic(out, buffer.getvalue())


def _parquet(out: Path, files: Sequence[ImageFile], x: torch.Tensor) -> None:
    parquet = parquet_module()
    import pyarrow

    columns = {
        "file": [f.name for f in files],
        "width": [f.width for f in files],
        "height": [f.height for f in files],
        "features": list(x.numpy()),
    }
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), sink)
    write_atomic(out, sink.getvalue())


WRITERS = {".csv": _csv, ".npy": _npy, ".parquet": _parquet}
