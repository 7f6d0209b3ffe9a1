"""What the `paper` profile would take: its sets, looked for, and its hours, from rates that were measured."""

from pathlib import Path
from typing import Any

from sslrepro.base.paths import PROJECT
from sslrepro.base.store import read_json
from sslrepro.data import folders
from sslrepro.data.dataset import SHAPES
from sslrepro.study.run import Run

RATES = PROJECT / "benchmarks" / "results"  # streaming-<device>.json, of benchmarks/streaming.py
DEVICES = (1, 8, 64)  # beside each other; 64 have the paper's 64 images each
MEASURE = "`python -m benchmarks.streaming <folder of JPEGs> --only imagenet --device cuda`"


def measured_rates(folder: Path = RATES) -> dict[str, dict[str, Any]]:
    """Device ("cpu", "cuda") -> what was measured there of ImageNet's shape; {} where nothing was."""
    records = {path.stem.partition("-")[2]: read_json(path) for path in sorted(folder.glob("streaming-*.json"))}
    return {
        kind: record["imagenet"] | {"device": record["environment"]["device"]}
        for kind, record in records.items()
        if "imagenet" in record
    }


def sets_in_words(runs: list[Run], root: Path | None) -> list[str]:
    """A line for every set that runs read: its images by their names, or that it was not looked for.

    Raises ValueError for a set that the root lacks.
    """
    out = []
    for name in sorted({run.data.name for run in runs} - {*SHAPES, "digits"}):
        if root is None:
            out.append(f"images    {name}: not looked for; DATA=<folder that holds {name}/> checks it")
            continue
        counts = folders.sizes(name, root)
        numbers = ", ".join(f"{n:,} {split}" for split, n in counts.items()) or "torchvision's files"
        out.append(f"images    {name}: {numbers} images under {root}; none decoded")
    return out


def images_shown(runs: list[Run]) -> list[int]:
    """Images that each trained run sees, again and again ones counted every time."""
    return [run.steps * run.config.plan.batch_size for run in runs if run.config is not None]


def total_hours(runs: list[Run], rates: dict[str, dict[str, Any]] | None = None) -> dict[str, float]:
    """Device that was measured ("cpu": one core, "cuda") -> hours of all runs at paper scale on one such device."""
    rates = measured_rates() if rates is None else rates
    return {kind: sum(images_shown(runs)) / of["step"]["images_per_second"] / 3600 for kind, of in rates.items()}


def hours_in_words(runs: list[Run], rates: dict[str, dict[str, Any]] | None = None) -> list[str]:
    """A line for every kind of device that was measured: hours of all runs, and of the longest on several devices.

    The rate is that of NNCLR with a ResNet-50 at 224 px; other methods are taken to cost as much. Several devices are
    taken to be as many times faster: what they tell each other is not counted.
    """
    rates = measured_rates() if rates is None else rates
    shown = images_shown(runs)
    out = []
    for kind, of in rates.items():
        rate, unit = of["step"]["images_per_second"], "core" if kind == "cpu" else "GPU"
        longest = ", ".join(f"{max(shown) / rate / 3600 / n:,.0f} on {n}" for n in DEVICES)
        in_all = total_hours(runs, {kind: of})[kind]
        out.append(
            f"time      {in_all:,.0f} {unit}-hours in all; the longest run takes {longest} "
            f"({unit}s), at {rate:,.1f} images a second measured on one ({of['device']}, "
            f"{of['step']['precision']})"
        )
        decoding = of["extrapolated"]["decoding_core_hours"]
        out.append(
            f"pixels    {of['extrapolated']['store_bytes'] / 1e9:,.0f} GB, decoded once in {decoding:,.1f} "
            f"core-hours (extrapolated from {of['real_images']} images)"
        )
    if "cuda" not in rates:
        out.append(f"GPUs      none was measured: {MEASURE} on yours adds its hours here")
    return out
