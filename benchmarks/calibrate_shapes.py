"""Is `shapes` as hard as docs/adr/0003 asks, at the cpu profile? Neutral criteria, on seeds no ledger uses.

    python benchmarks/calibrate_shapes.py --seeds 100 101 102

No method under study is run: only pixels, a random encoder, SimCLR and the supervised upper bound.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from sslrepro import evaluate
from sslrepro.base.types import Features
from sslrepro.data.datasets import load, resolve
from sslrepro.evaluate.knn import neighbour_match
from sslrepro.parts.extract import encode_images
from sslrepro.study.profiles import profile
from sslrepro.training.loop import train

ASKED = {
    "random encoder, linear": (0, 45),
    "pixels, 20-NN": (0, 50),
    "SimCLR, linear": (65, 85),
    "SupCon, linear": (92, 100),
    "SimCLR, nearest neighbour in the embedding has the class": (50, 65),
}


def measurements(seed: int) -> dict[str, float]:
    """The five numbers, in percent."""
    cpu = profile("cpu")
    numbers = {}
    for method, epochs in (("simclr", 0), ("simclr", None), ("supcon", None)):
        config = cpu.config(method, seed)
        config = replace(config, data=resolve(config.data))
        if epochs is not None:
            config = config.with_changes(**{"plan.epochs": epochs})
        splits = load(config.data)
        normalise = splits[0].mean_std()
        with tempfile.TemporaryDirectory() as folder:
            trained_method = train(config, Path(folder), splits[0])
        features = [evaluate.features(trained_method.encoder, split, normalise) for split in splits]
        accuracy = 100 * evaluate.run("linear", *features)["linear_top1"]
        name = "random encoder" if epochs == 0 else type(trained_method).__name__
        numbers[f"{name}, linear"] = accuracy
        if name == "SimCLR":
            z = encode_images(nn.Sequential(trained_method.encoder, trained_method.projector), splits[0], normalise)
            match = neighbour_match(Features(z, splits[0].labels))
            numbers["SimCLR, nearest neighbour in the embedding has the class"] = 100 * match
    pixels = [evaluate.pixels(split) for split in splits]
    numbers["pixels, 20-NN"] = 100 * evaluate.run("knn", *pixels)["knn_top1"]
    return numbers


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    torch.set_num_threads(1)
    runs = [measurements(seed) for seed in words.parse_args().seeds]
    for name, (low, high) in ASKED.items():
        values = [run[name] for run in runs]
        inside = all(low <= value <= high for value in values)
        print(
            f"{name:58} asked {low}..{high}  found {' '.join(f'{v:5.1f}' for v in values)}  {'ok' if inside else 'OUT'}"
        )
