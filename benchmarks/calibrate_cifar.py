"""Which small encoder can the night scale's CIFAR arm have? Neutral criteria, on images and seeds no ledger uses.

    python -m benchmarks.calibrate_cifar --root DIR --out benchmarks/results/calibrate_cifar.json

Criteria, set beforehand: SimCLR's linear probe reaches 75% on CIFAR-10, the nearest neighbour in its embedding shares
the class in 50%, and one run takes at most 45 minutes of one core. No method under study is run, only SimCLR; probe and
neighbours are of a tenth of the training images that is held out, and the test split is not read. Every candidate that
is asked for is kept in the file, a line of results each, whatever came of it.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sslrepro import evaluate
from sslrepro.base.store import environment, write_json
from sslrepro.base.types import Features
from sslrepro.data.dataset import DataConfig
from sslrepro.data.datasets import load, resolve
from sslrepro.data.recipes import ViewConfig
from sslrepro.evaluate.knn import neighbour_match
from sslrepro.parts.extract import encode_images
from sslrepro.training.config import RunConfig, TrainingConfig
from sslrepro.training.loop import train

ASKED = {"linear": 75.0, "neighbours": 50.0, "minutes": 45.0}  # at least, at least, at most
HELD_OUT = 0.1  # of the training images


def candidate(values: dict[str, Any], seed: int, root: Path) -> RunConfig:
    """SimCLR with an encoder, a length and a learning rate."""
    plan = TrainingConfig(epochs=values["epochs"], batch_size=values["batch_size"], lr=values["lr"], precision="bf16")
    data = resolve(DataConfig("cifar10", held_out=HELD_OUT), root)
    views = ViewConfig(values.get("recipe", "moco-cifar"), crop_min=values.get("crop_min", 0.2))
    return RunConfig("simclr", values.get("settings", {}), values["encoder"], data, views, plan, seed)


def measure(config: RunConfig, root: Path) -> dict[str, float]:
    """Probe and neighbours on the images held out, in percent; processor minutes of the training."""
    splits = load(config.data, root)
    normalise = splits[0].mean_std()
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        method = train(config, Path(folder), splits[0])
    minutes = (time.process_time() - start) / 60
    features = [evaluate.features(method.encoder, split, normalise) for split in splits]
    z = encode_images(nn.Sequential(method.encoder, method.projector), splits[0], normalise)
    return {
        "linear": 100 * evaluate.run("linear", *features)["linear_top1"],
        "knn": 100 * evaluate.run("knn", *features)["knn_top1"],
        "neighbours": 100 * neighbour_match(Features(z, splits[0].labels)),
        "minutes": minutes * 50_000 / len(splits[0]),  # of a run on all images
    }


def main() -> None:
    """Measure candidates and keep them."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--root", type=Path, required=True)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--seeds", type=int, nargs="+", default=[100])
    words.add_argument("--candidates", nargs="+", required=True, help='JSON, such as \'{"encoder": "resnet8", ...}\'')
    words = words.parse_args()
    torch.set_num_threads(1)
    for written in words.candidates:
        for seed in words.seeds:
            values = {"epochs": 5, "batch_size": 256, "lr": 2e-3} | json.loads(written)
            line = values | {"seed": seed} | measure(candidate(values, seed, words.root), words.root)
            print(json.dumps(line), flush=True)
            known = json.loads(words.out.read_text("utf-8")) if words.out.exists() else {"asked": ASKED, "runs": []}
            write_json(words.out, known | {"environment": environment("cpu"), "runs": [*known["runs"], line]})


if __name__ == "__main__":
    main()
