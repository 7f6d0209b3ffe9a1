"""What methods mined on their way: the positives of a few anchors in several rounds, and how many of all are right.

A run is followed from its first step to its end in one go; what is kept of it is one small JSON file.
"""

import functools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from sslrepro.base.errors import one_of
from sslrepro.base.paths import LEDGER
from sslrepro.base.store import environment, read_json, write_json
from sslrepro.data.dataset import Dataset
from sslrepro.data.datasets import load
from sslrepro.embeddings.layers import CHUNK, count, layers
from sslrepro.embeddings.snapshots import queries
from sslrepro.methods.base import Method
from sslrepro.parts.extract import encode_images
from sslrepro.parts.memory import cosines, unit
from sslrepro.parts.mining import extreme
from sslrepro.study.plans import fingerprint_of
from sslrepro.study.profiles import Profile
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import Report, batches_of, fit, initial_method, threads

VERSION = 1  # raise when what a file holds changes
ROUNDS = 4  # equal parts of training, as ISL has; what is in use in the second to the last, and at the end, is kept
KEPT = 12  # positives of an anchor: of those at one distance, the least similar
BINS = 60  # of similarities, from -1 to 1


@dataclass(frozen=True)
class Arm:
    """A run that is followed: its name on the page, its method, and what is set in the paper's units."""

    label: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)


ARMS = {
    "la": Arm("LA", "la"),
    "isl": Arm("ISL", "isl", {"mine_from": "written", "temperature": 0.1, "score_threshold": 0.5, "radius": 0.6}),
    "invp": Arm("InvP", "invp", {"head": "linear", "temperature": 0.07}),
}


# --- what a run mines -------------------------------------------------------------------------------------------------


@torch.no_grad()
def look(method: Method, data: Dataset, epoch: float) -> dict[str, Any]:
    """One stage: {epoch, match, degree, anchors} of a method as it stands; leaves it as it is.

    match     share of all positives of all images that have the anchor's class, by layer; None without any
    degree    positives per image, mean, by layer
    anchors   of a few images: {index, positives: [[index, layer from 1, whether among the hardest], ...]}
    """
    normalise = tuple(tuple(part) for part in data.mean_std())
    z, rows = unit(encode_images(method, data, normalise)), method.bank.entries
    n_hard = getattr(method.config, "n_positives", 0)
    right, every = count(functools.partial(layers, method), data, z)
    anchors = []
    for image in queries(data.labels, torch.arange(len(data), device=z.device)).tolist():
        index = torch.tensor([image], device=z.device)
        of_image, similarity = layers(method, z[index], index), cosines(z[index], rows)
        hard = extreme(similarity, torch.stack(of_image).any(0), n_hard, largest=False)[0]
        listed = [
            [place, layer, bool(hard[place])]
            for layer, mask in enumerate(of_image, 1)
            for place in sorted(mask[0].nonzero()[:, 0].tolist(), key=lambda place: float(similarity[0, place]))[:KEPT]
        ]
        anchors.append({"index": image, "positives": listed})
    return {
        "epoch": epoch,
        "match": [int(r) / int(c) if c else None for r, c in zip(right, every, strict=True)],
        "degree": [int(c) / len(data) for c in every],
        "anchors": anchors,
    }


@torch.no_grad()
def similarities(method: Method, data: Dataset) -> dict[str, list[int]]:
    """Counts of cosines between images and rows of the bank in `BINS` equal bins from -1 to 1, by kind of row (InvP).

    "right", "wrong": discovered, of the anchor's class or not; "hard": the hardest of them, which attract;
    "negative": among the nearest rows, not discovered; "rest": all others, the own row left out.
    """
    normalise = tuple(tuple(part) for part in data.mean_std())
    z, rows, config = unit(encode_images(method, data, normalise)), method.bank.entries, method.config
    counts = {name: torch.zeros(BINS) for name in ("right", "wrong", "hard", "negative", "rest")}
    everyone = torch.arange(len(data), device=z.device)
    for index in everyone.split(CHUNK):
        similarity = cosines(z[index], rows)
        discovered = method.graph.within(index, config.hops)
        near = extreme(similarity, torch.ones_like(discovered), config.n_negatives)
        own, same = index[:, None] == everyone, data.labels[index][:, None] == data.labels
        kinds = {
            "right": discovered & same,
            "wrong": discovered & ~same,
            "hard": extreme(similarity, discovered, config.n_positives, largest=False),
            "negative": near & ~discovered & ~own,
            "rest": ~near & ~discovered & ~own,
        }
        for name, mask in kinds.items():
            counts[name] += torch.histc(similarity[mask].float().cpu(), BINS, -1.0, 1.0)
    return {name: [int(value) for value in values] for name, values in counts.items()}


# --- a run's file ----------------------------------------------------------------------------------------------------


def config_of(arm: str, base: Profile, seed: int = 0, root: str | Path | None = None) -> RunConfig:
    """The run of an arm at a scale, at least a round an epoch; raises ValueError with the nearest arm."""
    run = ARMS[one_of(arm, ARMS, "positives", "arm")]
    config = base.config(run.method, seed, run.settings)
    config = replace(config, data=replace(config.data, fingerprint=fingerprint_of(config.data, base, root)))
    if config.plan.epochs >= ROUNDS:
        return config
    longer = config.with_changes(**{"plan.epochs": ROUNDS})
    later = {name: 1 / ROUNDS for name in ("gate", "warm") if name in longer.settings}  # scaled to fewer epochs
    return replace(longer, settings=longer.settings | later)


def moments(config: RunConfig, per_epoch: int) -> Iterator[int]:
    """The steps that are looked at: the first epoch of each round but the first, and the end."""
    for part in range(1, ROUNDS):
        yield -(-part * config.plan.epochs // ROUNDS) * per_epoch
    yield config.plan.epochs * per_epoch


def follow(
    config: RunConfig, root: str | Path | None = None, device: str = "cpu", report: Report | None = None
) -> dict[str, Any]:
    """What a run mined, from training it once: {version, config, environment, classes, stages, similarity}."""
    data = load(config.data, root)[0].to(device)
    stages: list[dict[str, Any]] = []
    with threads(1):
        method = initial_method(config, len(data), device)
        batches = batches_of(config, data, method)
        at = set(moments(config, batches.per_epoch))

        def watch(step: int, method: Method) -> None:
            if report is not None:
                report(step, max(at))
            if step in at:
                stages.append(look(method, data, step / batches.per_epoch))

        fit(method, batches, config.plan, device=device, before_step=watch)
        watch(max(at), method)
        about = {
            "version": VERSION,
            "config": json.loads(json.dumps(asdict(config))),
            "environment": environment(device),
            "classes": list(data.class_names),
            "stages": stages,
        }
        return about | ({"similarity": similarities(method, data)} if hasattr(method, "graph") else {})


def path_of(arm: str, base: Profile, seed: int = 0) -> Path:
    """Where what an arm mined is kept."""
    return LEDGER / base.name / "figures" / f"positives-{arm}-s{seed}.json"


def load_committed(arm: str, base: Profile, seed: int = 0, root: str | Path | None = None) -> dict[str, Any] | None:
    """The committed file of an arm; None where there is none, or only one of another configuration or form."""
    path = path_of(arm, base, seed)
    if not path.exists():
        return None
    record = read_json(path)
    same = record["version"] == VERSION
    return (
        record if same and from_record(record["config"]).identity == config_of(arm, base, seed, root).identity else None
    )


def keep(arm: str, base: Profile, record: dict[str, Any], seed: int = 0) -> Path:
    """Write what an arm mined where it is committed."""
    path = path_of(arm, base, seed)
    write_json(path, record)
    return path
