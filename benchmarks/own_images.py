"""What the chapter on one's own images says, in numbers: python -m benchmarks.own_images <unpacked imagenette>

Two measurements, written to benchmarks/results/own_images.json. *Photos*: 60 training photos of each of Imagenette's
ten classes in one flat folder, the labels put aside until after training. *Copies*: planted copies of drawings, found
by a trained encoder, by the same as initialised, and by a perceptual hash.
"""

import csv
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from sslrepro.base.store import environment, read_json, read_lines, write_json
from sslrepro.own.fit import fit_folder
from tests.own.conftest import fill
from tests.own.planted import at_thresholds, by_hash, f1, judged, plant, untrained

RESULTS = Path(__file__).parent / "results" / "own_images.json"
PER_CLASS, SIDE, EPOCHS, SEEDS = 60, 64, 21, (0, 1, 2)
FIXED = 0.9  # a threshold somebody might choose without looking


def photos(root: Path, place: Path) -> list[dict[str, Any]]:
    """First and last look and the scores with labels, one entry per seed."""
    flat, labels = place / "photos", place / "labels.csv"
    flat.mkdir()
    lines = [("file", "label")]
    for folder in sorted((root / "train").iterdir()):
        for path in sorted(folder.iterdir())[:PER_CLASS]:
            shutil.copy(path, flat / path.name)
            lines.append((path.name, folder.name))
    with labels.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    out = []
    for seed in SEEDS:
        run = fit_folder(flat, place / f"{seed}.ssl", epochs=EPOCHS, side=SIDE, seed=seed, labels=labels)
        looks = read_lines(run.folder / "run" / "health.jsonl")
        scored = read_json(run.folder / "labels.json")
        out.append(
            {
                "seed": seed,
                "first": looks[0],
                "last": looks[-1],
                "verdict": run.about["verdict"][0],
                "images": run.about["images"]["n"],
                "scores": scored["scores"],
                "largest_class": scored["largest_class"],
            }
        )
    return out


def copies(place: Path) -> dict[str, Any]:
    """Recall of each kind of copy and precision of pairs: at each searcher's best threshold, and at a fixed one."""
    images = fill(place / "drawings", 60)
    run = fit_folder(images, place / "drawings.ssl", epochs=40, side=24, encoder="conv", batch_size=20, say=None)
    sources = [images / name for name in run.files[::5]]
    truth = plant(sources, place / "planted")
    out: dict[str, Any] = {}
    for name, searcher in (("trained", run), ("as initialised", untrained(run))):
        at = at_thresholds(searcher, place / "planted", truth)
        best = max(at, key=lambda above: f1(at[above]))
        out[name] = at[best] | {"above": best, f"precision at {FIXED}": at[FIXED]["precision"]}
    out["perceptual hash"] = judged(by_hash([*sources, *sorted((place / "planted").iterdir())]), truth)
    return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        record = {
            "copies": copies(Path(folder)),
            "photos": photos(Path(sys.argv[1]).expanduser(), Path(folder)),
            "side": SIDE,
            "epochs": EPOCHS,
            "environment": environment("cpu"),
        }
    write_json(RESULTS, record)
    print(json.dumps(record, indent=1))
