"""Copies planted among images, and how many of them a search finds: recall of each kind, precision of pairs."""

from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.fft import dctn

from sslrepro.own.duplicates import duplicates
from sslrepro.own.run import OwnRun
from sslrepro.parts.encoders import encoder

KINDS = {
    "recompressed": lambda image: image,  # JPEG quality 30
    "resized": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "cropped 90 %": lambda image: image.crop(centre(image, 0.9)),
    "cropped 75 %": lambda image: image.crop(centre(image, 0.75)),
    "tilted 5 degrees": lambda image: image.rotate(5, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)),
    "turned 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


def centre(image: Image.Image, share: float) -> tuple[int, int, int, int]:
    """The middle of an image with `share` of its width and height."""
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return left, top, left + width, top + height


def plant(sources: list[Path], folder: Path) -> dict[str, tuple[str, str]]:
    """One copy of each kind of each source, as JPEG; name of the copy -> (name of the source, kind)."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = {}
    for source in sources:
        image = Image.open(source).convert("RGB")
        for number, (kind, change) in enumerate(KINDS.items()):
            path = folder / f"{source.stem}-{number}.jpg"
            change(image).save(path, quality=30 if kind == "recompressed" else 85)
            truth[path.name] = (source.name, kind)
    return truth


def judged(pairs: set[frozenset[str]], truth: dict[str, tuple[str, str]]) -> dict[str, float]:
    """Recall of each kind (copy and source are a pair), and precision: pairs that show one image among all pairs."""
    origin = {name: source for name, (source, _) in truth.items()}
    right = [pair for pair in pairs if len({origin.get(name, name) for name in pair}) == 1]
    out = {"precision": len(right) / len(pairs) if pairs else 1.0, "pairs": len(pairs)}
    for kind in KINDS:
        mine = [frozenset((name, source)) for name, (source, of) in truth.items() if of == kind]
        out[kind] = sum(pair in pairs for pair in mine) / len(mine)
    return out


def by_encoder(run: OwnRun, folder: Path, above: float, turned: bool = False) -> set[frozenset[str]]:
    """Pairs of names within the groups that `duplicates` finds."""
    groups = duplicates(run, above, [folder], turned)
    return {
        frozenset(pair) for group in groups for pair in combinations([Path(copy.file.name).name for copy in group], 2)
    }


def by_hash(paths: list[Path], most: int = 8) -> set[frozenset[str]]:
    """Pairs whose perceptual hashes (pHash: signs of 8 x 8 low frequencies, 64 bits) differ in at most `most` bits."""
    bits = []
    for path in paths:
        gray = Image.open(path).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
        low = dctn(np.asarray(gray, dtype=float), norm="ortho")[:8, :8].ravel()
        bits.append(low > np.median(low[1:]))
    signs = 2.0 * np.array(bits) - 1
    differ = (64 - signs @ signs.T) / 2
    return {frozenset((paths[i].name, paths[j].name)) for i, j in np.argwhere(differ <= most).tolist() if i < j}


THRESHOLDS = (0.9, 0.95, 0.97, 0.98, 0.99)


def at_thresholds(run: OwnRun, folder: Path, truth: dict[str, tuple[str, str]]) -> dict[float, dict[str, float]]:
    """Threshold -> what `judged` says of the pairs above it."""
    return {above: judged(by_encoder(run, folder, above), truth) for above in THRESHOLDS}


def f1(scores: dict[str, float]) -> float:
    """Harmonic mean of precision and of recall over the kinds."""
    recall = sum(scores[kind] for kind in KINDS) / len(KINDS)
    return 2 * recall * scores["precision"] / max(recall + scores["precision"], 1e-9)


def untrained(run: OwnRun, seed: int = 0) -> OwnRun:
    """The same run with its encoder as initialised."""
    other = OwnRun(run.folder)
    torch.manual_seed(seed)
    other.__dict__["encoder"] = encoder(run.about["encoder"]).eval()
    other.__dict__["features"] = other.features_of(other.listing)
    return other
