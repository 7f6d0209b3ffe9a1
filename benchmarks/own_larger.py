"""`sslrepro fit`, whole, on more than memory holds: python -m benchmarks.own_larger [--whole]

A folder whose decoded pixels are `TIMES` the memory that the process may still allocate is fitted from the first header
to report.html, one epoch, and searched for duplicates. The limit is RLIMIT_DATA (heap and private maps): what the
process has taken after the same fit on few images, so with all libraries, plus `ALLOWED`. `--whole`: the pixels are
`TIMES` the limit itself, libraries included, which takes 6 GB on disk. Beside it the same fit from memory, without a
limit, is ended after `STEPS` steps; by then the weights must be equal to the bit.
Writes benchmarks/results/own_larger.json.
"""

import argparse
import contextlib
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.streaming import Enough, status
from sslrepro.base.store import environment, read_json, write_json
from sslrepro.data import sources
from sslrepro.own import fit as fitting
from sslrepro.own.duplicates import duplicates
from sslrepro.own.images import pixels, survey
from sslrepro.own.progress import Looks
from sslrepro.parts.first_weights import mark_of
from sslrepro.training.loop import threads

RESULTS = Path(__file__).parent / "results" / "own_larger.json"
TIMES, ALLOWED, STEPS = 4, 128 * 2**20, 40
FEW, SIDE, BATCH = 128, 128, 16  # images; px; images a step
MiB = 2**20


def draw(folder: Path, n: int) -> None:
    """n different images of 6 x 6 px, which decoding enlarges."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n):
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(folder / f"{number:06}.bmp")


def fit(folder: Path, out: Path, cache: Path, last: int | None = None) -> dict[str, Any]:
    """Fit as the command does; the weights after `STEPS` steps, and what is left. `last`: end after so many steps."""
    told: dict[str, Any] = {}

    class Marks(Looks):
        def __call__(self, step, method) -> None:
            super().__call__(step, method)
            if step == STEPS:
                told["weights"] = mark_of(method.state_dict())
            if step == last:
                raise Enough

    fitting.Looks = Marks
    with contextlib.suppress(Enough):
        run = fitting.fit_folder(
            folder, out, epochs=1, encoder="conv-tiny", side=SIDE, batch_size=BATCH, cache=cache, say=None
        )
        told["steps"] = len(run.files) // BATCH
        told["features"] = list(run.features.shape)
    return told | {"files": sorted(path.name for path in out.iterdir() if path.is_file())}


def fit_within(place: Path, allowed: int | None, whole: bool, answer: Any) -> None:
    """In this process: the fit of few images, then the limit and the fit of many; tells what it took."""
    with threads(1):
        fit(place / "few", place / f"few-{allowed}.ssl", place / f"cache-{allowed}")
        base = status("VmData")
        if allowed is None:
            sources.RESIDENT = 1.0  # from memory, however much of it that is
            n = None
        else:
            limit = base + allowed
            n = TIMES * (limit if whole else allowed) // (3 * SIDE * SIDE) + 1
            draw(place / "many", n)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        begun, busy = time.perf_counter(), time.process_time()
        many = place / f"many-{allowed}.ssl"
        out = fit(place / "many", many, place / "cache", None if allowed else STEPS)
        out["seconds"], out["cpu_seconds"] = time.perf_counter() - begun, time.process_time() - busy
        if allowed is not None:
            out["pairs_of_copies"] = len(duplicates(fitting.OwnRun(many), 0.999999))
            images = pixels(survey(place / "many"), SIDE, cache=place / "cache")[1].images
            out["read_from"] = type(images).__name__
            try:
                images[:]
                out["whole_set_refused"] = False
            except (MemoryError, RuntimeError):
                out["whole_set_refused"] = True
            out |= {
                "images": n,
                "set_MiB": n * 3 * SIDE * SIDE / MiB,
                "limit_MiB": (base + allowed) / MiB,
                "allowed_MiB": allowed / MiB,
            }
        answer.put(out | {"base_MiB": base / MiB, "peak_resident_MiB": status("VmHWM") / MiB})


def measure(place: Path, whole: bool) -> dict[str, Any]:
    """Both fits, each in a process of its own, the limited first: it decodes."""
    draw(place / "few", FEW)
    context, out = multiprocessing.get_context("spawn"), {}
    for name, allowed in (("limited", ALLOWED), ("from_memory", None)):
        answer = context.Queue()
        process = context.Process(target=fit_within, args=(place, allowed, whole, answer))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"own_larger: the {name} process failed")
        out[name] = answer.get(timeout=10)
        print(name, json.dumps(out[name]), flush=True)
    same = out["limited"]["weights"] == out["from_memory"]["weights"]
    return out | {"times": TIMES, "side": SIDE, "batch": BATCH, "marked_step": STEPS, "same_to_the_bit": same}


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--whole", action="store_true")
    whole = words.parse_args().whole
    with tempfile.TemporaryDirectory() as folder:
        record = measure(Path(folder), whole) | {"environment": environment("cpu")}
    before = read_json(RESULTS) if RESULTS.exists() else {}
    write_json(RESULTS, before | {"of the whole limit" if whole else "of what is left beside libraries": record})
