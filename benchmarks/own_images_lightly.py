"""Your own images beside lightly: python -m benchmarks.own_images_lightly <unpacked imagenette> [CPU minutes a side]

The same 600 photos, the same 64 px, ResNet-18, batch and minutes of one core for both; NNCLR by `sslrepro fit` and as
lightly's documentation writes it. Labels are read after training alone. Needs lightly (`pip install -e .[peers]`);
written to benchmarks/results/own_images_lightly.json.
"""

import inspect
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sslrepro.base.store import environment, write_json
from sslrepro.own.fit import fit_folder
from sslrepro.own.images import decode_files
from sslrepro.own.run import OwnRun, image_files
from sslrepro.parts.memory import unit
from tests.own.planted import KINDS, THRESHOLDS, by_hash, f1, judged, plant, untrained

RESULTS = Path(__file__).parent / "results" / "own_images_lightly.json"
SIDE, BATCH, SEED, NEAR, SOURCES = 64, 64, 0, 10, 40
THRESHOLDS_OF_PAIRS = (*THRESHOLDS, 0.995, 0.999)
COMMANDS = ("sslrepro fit photos --side 64", "sslrepro near photos.ssl a.jpg -k 10",
            "sslrepro duplicates photos.ssl planted --above 0.95 -o dup.csv")  # fmt: skip


def lightly_side(photos: str, side: int, batch: int, seconds: float) -> tuple[Any, int]:
    """NNCLR as lightly's documentation writes it; trains until the seconds of processor time are used."""
    import torchvision
    from lightly.data import LightlyDataset
    from lightly.loss import NTXentLoss
    from lightly.models.modules import NNCLRPredictionHead, NNCLRProjectionHead, NNMemoryBankModule
    from lightly.transforms import SimCLRTransform

    class NNCLR(torch.nn.Module):
        def __init__(self, backbone: torch.nn.Module):
            super().__init__()
            self.backbone = backbone
            self.projection_head = NNCLRProjectionHead(512, 512, 128)
            self.prediction_head = NNCLRPredictionHead(128, 512, 128)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            z = self.projection_head(self.backbone(x).flatten(start_dim=1))
            return z.detach(), self.prediction_head(z)

    start = time.process_time()
    backbone = torch.nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])
    model = NNCLR(backbone)
    memory_bank = NNMemoryBankModule(size=(256, 128))
    dataset = LightlyDataset(photos, transform=SimCLRTransform(input_size=side))
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True, drop_last=True, num_workers=0)
    criterion = NTXentLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
    epochs = 0
    while time.process_time() - start < seconds:
        for (x0, x1), _, _ in loader:
            z0, p0 = model(x0)
            z1, p1 = model(x1)
            z0 = memory_bank(z0, update=False)
            z1 = memory_bank(z1, update=True)
            loss = 0.5 * (criterion(z0, p1) + criterion(z1, p0))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        epochs += 1
    return backbone.eval(), epochs


def photos_of(root: Path, place: Path) -> dict[str, str]:
    """All training photos in one flat folder; file name -> class."""
    place.mkdir()
    label_of = {}
    for folder in sorted((root / "train").iterdir()):
        for path in sorted(folder.iterdir()):
            shutil.copy(path, place / path.name)
            label_of[path.name] = folder.name
    return label_of


def neighbours_right(x: Tensor, labels: list[str]) -> float:
    """Share of every photo's nearest, itself left out, that have its class."""
    number = torch.tensor([sorted(set(labels)).index(label) for label in labels])
    near = (x @ x.T).fill_diagonal_(-2).topk(NEAR).indices
    return (number[near] == number[:, None]).float().mean().item()


def best_copies(x: Tensor, names: list[str], truth: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """What is found above the best of the thresholds; only pairs with a planted copy or its source are judged."""
    about = {*truth, *(source for source, _ in truth.values())}
    at = {}
    for above in THRESHOLDS_OF_PAIRS:
        rows = (x @ x.T >= above).triu(1).nonzero().tolist()
        pairs = {frozenset((names[i], names[j])) for i, j in rows}
        at[above] = judged({pair for pair in pairs if pair & about}, truth)
    best = max(at, key=lambda above: f1(at[above]))
    return at[best] | {"above": best}


def ours(photos: Path, place: Path, seconds: float) -> tuple[OwnRun, int, float]:
    """(run, epochs, seconds of processor time) of the longest training that fits the seconds."""
    spent = []
    for epochs in (1, 2):
        start = time.process_time()
        fit_folder(photos, place / f"{epochs}.ssl", epochs=epochs, side=SIDE, batch_size=BATCH, seed=SEED, say=None)
        spent.append(time.process_time() - start)
    each = spent[1] - spent[0]
    epochs = max(1, int((seconds - (spent[0] - each)) / each))
    start = time.process_time()
    run = fit_folder(photos, place / "photos.ssl", epochs=epochs, side=SIDE, batch_size=BATCH, seed=SEED, say=None)
    return run, epochs, time.process_time() - start


def main(root: Path, minutes: float) -> dict[str, Any]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        label_of = photos_of(root, place / "photos")
        run, epochs, seconds = ours(place / "photos", place, 60 * minutes)
        torch.manual_seed(SEED)
        start = time.process_time()
        backbone, their_epochs = lightly_side(str(place / "photos"), SIDE, BATCH, 60 * minutes)
        their_seconds = time.process_time() - start
        sources = [place / "photos" / name for name in run.files[:: len(run.files) // SOURCES]]
        truth = plant(sources, place / "planted")
        copies = image_files([place / "planted"])[0]
        names, labels = run.files, [label_of[name] for name in run.files]
        pixels = decode_files((*run.listing, *copies), SIDE).float() / 255
        mean, std = (torch.tensor(part).view(3, 1, 1) for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        with torch.no_grad():
            theirs = torch.cat([backbone((part - mean) / std).flatten(1) for part in pixels.split(128)])
        features = {"sslrepro": torch.cat([run.features, run.features_of(copies)]), "lightly": theirs}
        random = untrained(run)
        features["as initialised"] = torch.cat([random.features, random.features_of(copies)])
        every = [*names, *(Path(file.name).name for file in copies)]
        rows: dict[str, Any] = {}
        for name, x in features.items():
            x = unit(x - x[: len(names)].mean(0))
            rows[name] = {"neighbours_right": neighbours_right(x[: len(names)], labels),
                          "copies": best_copies(x, every, truth)}  # fmt: skip
        hashed = by_hash([*(place / "photos" / name for name in names), *sorted((place / "planted").iterdir())])
        about = {*truth, *(source for source, _ in truth.values())}
        rows["perceptual hash"] = {"copies": judged({pair for pair in hashed if pair & about}, truth)}
        rows["sslrepro"] |= {"epochs": epochs, "processor_seconds": seconds, "typed": len(COMMANDS)}
        typed = [line for line in inspect.getsource(lightly_side).splitlines()[2:] if line.strip()]
        rows["lightly"] |= {"epochs": their_epochs, "processor_seconds": their_seconds, "typed": len(typed)}
        return {"photos": len(names), "classes": len(set(labels)), "near": NEAR, "sources": len(sources),
                "kinds": list(KINDS), "side": SIDE, "batch_size": BATCH, "seed": SEED, "minutes": minutes,
                "rows": rows, "environment": environment("cpu")}  # fmt: skip


if __name__ == "__main__":
    record = main(Path(sys.argv[1]).expanduser(), float(sys.argv[2]) if len(sys.argv) > 2 else 6.0)
    write_json(RESULTS, record)
    print(record["rows"])
