"""A run that is done where its folder is not: its files go out as bytes and come back as bytes; no disk is shared."""

import contextlib
import io
import json
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sslrepro.base.device import own_gpu
from sslrepro.base.errors import require
from sslrepro.base.store import Store, lock_folder, write_atomic
from sslrepro.study.run import Run, is_complete, perform_run

CHECKPOINT, RESULTS = "checkpoint.safetensors", "results.jsonl"
FILES = ("config.json", "environment.json", "log.jsonl", "pairs.safetensors", CHECKPOINT, RESULTS)
CUT_OFF = "cut off: the time is over"
TOPIC = "sslrepro-steps"  # under which workers of a Dask cluster say how far they are
TELL_SECONDS = 0.5  # between two such words


class OutOfTime(Exception):
    """The budget is spent; the run's last checkpoint stands."""


def folders_of(run: Run) -> list[str]:
    """The folders that a run writes to: its own, and before it that of the sampler it needs."""
    sampler = None if run.config is None else run.config.sampler
    return [*([sampler.name] if sampler else []), run.name]


def pack(run: Run, folder: Path) -> bytes:
    """What there is of a run under a folder of runs, as a tar archive; b"" where nothing is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        there = [folder / name / file for name in folders_of(run) for file in FILES if (folder / name / file).is_file()]
        for path in there:
            archive.add(path, path.relative_to(folder).as_posix())
    return buffer.getvalue() if there else b""


def unpack(run: Run, content: bytes, folder: Path, held: bool = False) -> None:
    """Put what `pack` took under another folder of runs, results last; nothing that is there is lost.

    A checkpoint and log are taken where they are further than those that are there, a result where there is none of its
    evaluation.

    held   whether this process has the lock of the run's folder already

    Raises ValueError for anything that `pack` would not have put there.
    """
    if not content:
        return
    files: dict[str, dict[str, bytes]] = {name: {} for name in folders_of(run)}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                name, _, file = member.name.partition("/")
                expected = name in files and file in FILES and member.isfile()
                require(expected, "study.away", "file", f"one of {run.name}", member.name)
                files[name][file] = archive.extractfile(member).read()
    except tarfile.TarError as error:
        raise ValueError(f"study.away: the files of {run.name} cannot be unpacked ({error}).") from None
    for name, contents in files.items():
        if not contents:
            continue
        with contextlib.nullcontext() if held and name == run.name else lock_folder(folder / name):
            if name == run.name and is_complete(run, Store(folder)):
                continue
            _merge(folder / name, contents)


def _merge(place: Path, contents: dict[str, bytes]) -> None:
    """Take files into a run's folder: those of training where they are further, and results of further evaluations."""
    path, store = place / CHECKPOINT, Store(place.parent)
    there = steps_in(path.read_bytes()) if path.exists() else -1
    if steps_in(contents.get(CHECKPOINT, b"")) > there:
        for file in FILES:
            if file in contents and file != RESULTS:
                write_atomic(place / file, contents[file])
    known = store.results(place.name)
    if not known and RESULTS in contents:
        write_atomic(place / RESULTS, contents[RESULTS])
    for line in contents.get(RESULTS, b"").splitlines() if known else ():
        result = json.loads(line)
        if result["key"] not in known:
            store.append_result(place.name, result)


def steps_in(checkpoint: bytes) -> int:
    """Steps that a checkpoint, as bytes, was trained for; 0 for none, and for a damaged one."""
    length = int.from_bytes(checkpoint[:8], "little")  # safetensors: a header of that many bytes of JSON
    try:
        return int(json.loads(checkpoint[8 : 8 + length])["__metadata__"]["step"])
    except (ValueError, KeyError, TypeError):
        return 0


def perform_away(
    run: Run,
    begun: bytes,
    root: str | None,
    device: str,
    n_threads: int,
    compiling: str,
    until: float | None = None,
    home: str = "",
) -> tuple[str, bytes]:
    """Do a run in a folder of this machine that is gone afterwards: (what went wrong, its files).

        begun   what there was of it, from `pack`
        root    folder of data sets, on this machine
        until   seconds since 1970 after which no step is taken: then what went wrong is `CUT_OFF`, and the files go on
                from there the next time
        home    where the files come from, for errors

    Wrong input comes back in words, anything else as a traceback.
    """
    if until is not None and time.time() >= until:
        return CUT_OFF, b""
    tell, last = teller(), 0.0

    def report(step: int, steps: int) -> None:
        nonlocal last
        now = time.time()
        if until is not None and now >= until:
            raise OutOfTime
        if now - last > TELL_SECONDS or step == steps:
            last = now
            tell(run.name, step)

    with scratch() as folder:
        wrong = ""
        try:
            unpack(run, begun, folder)
            perform_run(run, folder, root, own_gpu(device), n_threads, report, compiling)
        except OutOfTime:
            wrong = CUT_OFF
        except (ValueError, OSError, FloatingPointError) as error:
            wrong = " ".join(str(error).split())
        except Exception:
            wrong = traceback.format_exc()
        return wrong.replace(str(folder), home or str(folder)), pack(run, folder)


def dask_worker() -> Any:
    """The Dask worker that this is called in; None in any other process."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def teller() -> Callable[[str, int], None]:
    """What says how far a run is to whoever started it, as far as it can be told from here."""
    worker = dask_worker()
    return (lambda name, step: None) if worker is None else lambda name, step: worker.log_event(TOPIC, [name, step])


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a run; in a Dask worker among its own files, which the next one removes if it is killed."""
    worker = dask_worker()
    with tempfile.TemporaryDirectory(prefix="sslrepro-", dir=worker and worker.local_directory) as folder:
        yield Path(folder)


def as_message(name: str, step: int) -> bytes:
    """A step of a run, as workers say it to the bar."""
    return json.dumps([name, step]).encode()
