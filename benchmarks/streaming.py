"""Sets larger than memory, and ImageNet's shape, measured: python -m benchmarks.streaming <folder of JPEGs>

*Larger*: a folder whose pixels are four times the memory that the process may allocate is decoded, counted over and
trained on for `STEPS` steps, beside the same without a limit: weights, pixels, mean and deviation must be equal to the
bit. The limit is RLIMIT_DATA (heap and private maps), set to what the process has taken after the same steps on 64
images, so after all imports, plus `ALLOWED`.
*ImageNet*: the path of the `paper` profile's data over an index of 1,281,167 images that stands on `SAMPLE` real ones
(`StoredImages.rows` maps the entries onto them): bytes, memory, images a second. What 1,281,167 real images would
take is a product of these, under `extrapolated`. Rates are a second of one core, with `--device cuda` that of a
training step a second of the GPU. The JPEGs are smaller files than ImageNet's (`jpeg_bytes`; 110 kB there).
Writes benchmarks/results/streaming-<device>.json, where `make reproduce PROFILE=paper DRY=1` reads its hours.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from sslrepro.base.memory import PAGE
from sslrepro.base.store import environment, read_json, write_json
from sslrepro.data import sources
from sslrepro.data.dataset import Dataset
from sslrepro.data.decode import images_under
from sslrepro.data.sources import fingerprint
from sslrepro.own.images import pixels, survey
from sslrepro.parts.first_weights import mark_of
from sslrepro.study.profiles import SIZES, profile
from sslrepro.training.loop import batches_of, fit, initial_method, threads

RESULTS = Path(__file__).parent / "results"
ALLOWED, TIMES, SIDE = 96 * 2**20, 4, 96  # bytes; px
STEPS = 60
SAMPLE, PROCESSES = 256, 64
LIKE = (500, 375)  # px, a usual image of ImageNet


clock = time.process_time  # seconds of this process on a processor, whatever else runs there


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes: VmData, RssAnon, VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


class Enough(Exception):
    """The steps that are measured were taken."""


def steps_of(data: Dataset) -> str:
    """Train `STEPS` steps on images from anywhere in the set; a mark of the weights after them."""
    config = profile("smoke").config("simclr", 0)
    config = config.with_changes(**{"plan.batch_size": 16, "plan.epochs": 1, "data.side": SIDE})
    method = initial_method(config, len(data))

    def stop(now: Any) -> None:
        if now.step == STEPS:
            raise Enough

    with contextlib.suppress(Enough):
        fit(method, batches_of(config, data, method), config.plan, stop)
    return mark_of(method.state_dict())


def train_within(folder: Path, small: Path, allowed: int | None, answer: Any) -> None:
    """Decode, count and train in this process, under the limit, and tell what it took."""
    with threads(1):
        steps_of(pixels(survey(small), SIDE)[1])
        base = status("VmData")
        if allowed is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (base + allowed, base + allowed))
        begun = clock()
        data = pixels(survey(folder), SIDE)[1]
        out = {"weights": steps_of(data), "pixels": fingerprint(data.images, data.labels), "mean_std": data.mean_std()}
    refused = False
    if allowed is not None:
        try:
            data.images[:]
        except (MemoryError, RuntimeError):
            refused = True
    answer.put(
        {
            "same": out,
            "read_from": type(data.images).__name__,
            "base_bytes": base,
            "limit_bytes": allowed,
            "peak_resident_bytes": status("VmHWM"),
            "whole_set_refused": refused,
            "seconds": round(clock() - begun, 1),
        }
    )


def larger(place: Path) -> dict[str, Any]:
    """The same folder with and without a limit."""
    n = TIMES * ALLOWED // (3 * SIDE * SIDE) + 1
    folder, small = place / "many", place / "few"
    rng = np.random.default_rng(0)
    for where, count in ((folder, n), (small, 64)):
        where.mkdir()
        for number in tqdm(range(count), "images", leave=False):
            coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((SIDE, SIDE)).save(where / f"{number:05}.bmp")
    context, out = multiprocessing.get_context("spawn"), {}
    for name, allowed in (("limited", ALLOWED), ("free", None)):
        answer = context.Queue()
        process = context.Process(target=train_within, args=(folder, small, allowed, answer))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"streaming: the {name} process failed")
        out[name] = answer.get(timeout=10)
    same = out["limited"]["same"] == out["free"]["same"]
    return out | {
        "images": n,
        "set_bytes": n * 3 * SIDE * SIDE,
        "allowed_bytes": ALLOWED,
        "steps": STEPS,
        "same_to_the_bit": same,
    }


def imagenet(jpegs: Path, place: Path, device: str) -> dict[str, Any]:
    """The paper profile's data path and its step, over an index of ImageNet's length."""
    files = []
    for number, path in enumerate(images_under(jpegs)[:SAMPLE]):
        files.append(place / f"{number}.jpg")
        Image.open(path).convert("RGB").resize(LIKE).save(files[-1], quality=92)
    store, n = place / "sample.npy", SIZES["imagenet"]
    begun = clock()
    sources.decode_into(store, files, torch.zeros(len(files), dtype=torch.int64), 224, "sample")
    decoding = len(files) / (clock() - begun)

    before = status("RssAnon")
    counts = read_json(store.with_suffix(".json"))["counts"]
    stored = sources.StoredImages(store, np.fromfile(store.with_suffix(".crc32"), dtype="<u4"), counts)
    index = torch.arange(n) % len(files)
    images = stored.rows(index)
    images.counts = counts  # the record of a real store has those of all its images
    data = Dataset("imagenet", images, torch.arange(n) % 1000, tuple(map(str, range(1000))))
    config = profile("paper").config("nnclr", 0)
    batches = batches_of(config, data, initial_method(config.with_changes(encoder="conv-tiny"), n))
    mine = replace(batches, world=PROCESSES)
    mine.at(0)
    memory = status("RssAnon") - before
    shares = [mine.order(0)[start : start + 64] for start in range(0, 64 * 20, 64)]
    for share in shares:
        data.take(share)  # every image once: checksums are compared
    begun = clock()
    for share in shares:
        data.take(share)
    reading = 64 * len(shares) / (clock() - begun)
    waits = []
    for step in range(1, 4):
        begun = clock()
        mine.at(step)
        waits.append(clock() - begun)
    per_image = 3 * 224 * 224
    return {
        "index": n,
        "real_images": len(files),
        "jpeg_bytes": sum(f.stat().st_size for f in files) // len(files),
        "bytes_an_image": per_image,
        "memory_of_index_bytes": memory,
        "decoded_per_second": round(decoding, 1),
        "read_per_second": round(reading),
        "views_images_per_second": round(64 / statistics.median(waits), 1),
        "processes": PROCESSES,
        "step": step_rate(device),
        "extrapolated": {"store_bytes": n * per_image, "decoding_core_hours": round(n / decoding / 3600, 2)},
    }


def step_rate(device: str, batch: int | None = None, repeats: int = 3) -> dict[str, Any]:
    """Images (two views each) a second of NNCLR's step with a ResNet-50 at 224 px, a memory of one batch."""
    batch = batch or (4 if device == "cpu" else 128)
    precision = "fp32" if device == "cpu" else "bf16"
    config = profile("paper").config("nnclr", 0)
    config = config.with_changes(
        **{"plan.batch_size": batch, "plan.epochs": 1, "plan.precision": precision, "settings.queue_size": 4 * batch}
    )
    n = batch * (repeats + 1)
    images = torch.randint(0, 256, (n, 3, 224, 224), dtype=torch.uint8)
    data = Dataset("random", images, torch.zeros(n, dtype=torch.int64), ("any",)).to(device)
    method, ends = initial_method(config, n, device), []
    now_seconds = clock if device == "cpu" else time.perf_counter

    def note(now: Any) -> None:
        if device != "cpu":
            torch.cuda.synchronize()
        ends.append(now_seconds())

    fit(method, batches_of(config, data, method), config.plan, note, device)
    seconds = statistics.median(b - a for a, b in itertools.pairwise(ends))
    return {"images_per_second": round(batch / seconds, 3), "batch": batch, "precision": precision, "n": repeats}


def main(words: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jpegs", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=("larger", "imagenet"))
    settings = parser.parse_args(words)
    path = RESULTS / f"streaming-{settings.device}.json"
    record = read_json(path) if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SSLREPRO_CACHE"] = f"{folder}/cache"
        with threads(1):
            if settings.only != "larger":
                record["imagenet"] = imagenet(settings.jpegs, Path(folder), settings.device)
        if settings.only != "imagenet":
            record["larger"] = larger(Path(folder))
    record["environment"] = environment(settings.device)
    record["page_bytes"] = PAGE
    write_json(path, record)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
