"""Pictures of a run's features in two dimensions, aligned so that from snapshot to snapshot points move, not jump."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslrepro import evaluate
from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import LEDGER, RUNS
from sslrepro.base.store import read_json, read_lines, write_atomic
from sslrepro.data.dataset import Dataset
from sslrepro.data.datasets import load
from sslrepro.embeddings import snapshots
from sslrepro.embeddings.snapshots import Snapshot, pack, unpack, within
from sslrepro.study.plans import fingerprint_of
from sslrepro.study.profiles import Profile
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import Report, threads

MAPS = {"tsne": "t-SNE", "umap": "UMAP"}
PERPLEXITY = 30  # of t-SNE; at most a third of the images
NEIGHBOURS = 15  # of UMAP: its default
PULL = 0.01  # of UMAP's alignment: its default
LEAST_EPOCHS = 3  # IFND clusters first after an epoch: one alone would show no pseudo-label
TRUSTED = 10  # neighbours behind trustworthiness
LIMIT = 4.0  # coordinates are kept within this many root mean squares of the distance from the centre
STEP = LIMIT / 32_764  # and rounded to this, so that they fit 16 bits
VERSION = 1  # raise when what a file holds changes
MEASURED = ("knn", "linear")  # evaluations at every snapshot
LOGGED = ("epoch", "loss", "embedding_std", "neighbour_match", "neighbour_match_without_self", "self_hit")


@dataclass(frozen=True)
class Arm:
    """A run that figures show: its name on the page, its method, and what is set in the paper's units."""

    label: str
    method: str
    settings: dict[str, Any]


# all images are searched, by a window in which a tenth of them would give as many pairs per image as in the paper
ALL_SEARCHED = {"share": 1.0, "sampler_epochs": 100, "quantile_share": 0.1}
LEARNS = {"head": "linear", "temperature": 0.07}  # as the trials chose; InvP as printed learns little at this scale
ARMS = {
    "simclr": Arm("SimCLR", "simclr", {}),
    "ifnd": Arm("IFND, eliminating", "ifnd", {}),
    "ifnd_attract": Arm("IFND, attracting", "ifnd", {"mode": "attract"}),
    "ifnd_constant": Arm("IFND, all from the start", "ifnd", {"acceptance": "constant"}),
    "ifnd_step": Arm("IFND, all from a tenth on", "ifnd", {"acceptance": "step", "step_at": 0.1}),
    "supcon": Arm("SupCon, labels used", "supcon", {}),
    "nnclr": Arm("NNCLR", "nnclr", {}),
    "mocov2": Arm("MoCo v2", "mocov2", {}),
    "seppid": Arm("SePP-ID", "seppid", ALL_SEARCHED),
    "seppid_same": Arm("as many rows, images with themselves", "seppid", ALL_SEARCHED | {"control": "same"}),
    "la": Arm("LA", "la", {}),
    "isl": Arm("ISL", "isl", {"mine_from": "written"}),
    "invp": Arm("InvP", "invp", LEARNS | {"n_positives": 50}),
    "instance": Arm("instance loss alone", "invp", LEARNS | {"weight": 0.0}),
}


# --- layouts ----------------------------------------------------------------------------------------------------


def layouts(frames: list[np.ndarray], kind: str, seed: int = 0) -> np.ndarray:
    """[F n 2] positions of the same n images in F spaces, centred, turned and scaled to match.

        frames   features [n f], one array per snapshot; rows are brought to unit length first
        kind     "tsne": every snapshot starts from the positions of the one before and is optimised without early
                 exaggeration (openTSNE). "umap": all snapshots at once, neighbours in time pulling on each other
                 (AlignedUMAP)
        seed     of the first positions

    Each frame is turned or mirrored onto the one before (Procrustes, no scaling); its root mean square distance from
    the centre is 1. The same input gives the same positions on one machine.
    """
    one_of(kind, MAPS, "atlas.layouts", "kind")
    require(len(frames) >= 2, "atlas.layouts", "frames", "at least two snapshots", len(frames))
    unit = [_unit(frame.astype(np.float32)) for frame in frames]
    with _quiet():
        unaligned = _tsne(unit, seed) if kind == "tsne" else _umap(unit, seed)
    out: list[np.ndarray] = []
    for positions in unaligned:
        out.append(align(positions, out[-1] if out else None))
    return np.rint(np.stack(out).clip(-LIMIT, LIMIT) / STEP) * STEP


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _tsne(frames: list[np.ndarray], seed: int) -> list[np.ndarray]:
    import openTSNE

    shared = {
        "perplexity": min(PERPLEXITY, (len(frames[0]) - 1) / 3),
        "random_state": seed,
        "n_jobs": 1,
        "neighbors": "exact",
        "negative_gradient_method": "bh",
    }
    first = openTSNE.TSNE(initialization="pca", **shared).fit(frames[0])
    out = [np.asarray(first)]
    for frame in frames[1:]:
        solver = openTSNE.TSNE(initialization=out[-1].copy(), early_exaggeration_iter=0, n_iter=500, **shared)
        out.append(np.asarray(solver.fit(frame)))
    return out


def _umap(frames: list[np.ndarray], seed: int) -> list[np.ndarray]:
    import umap

    n_neighbors = min(NEIGHBOURS, len(frames[0]) - 1)
    same = {place: place for place in range(len(frames[0]))}
    solver = umap.AlignedUMAP(
        n_neighbors=n_neighbors, random_state=seed, alignment_regularisation=PULL, alignment_window_size=2
    )
    with threads(torch.get_num_threads()):  # numba sets the thread count of the whole process
        solver.fit(frames, relations=[same] * (len(frames) - 1))
    return [np.asarray(positions, dtype=np.float64) for positions in solver.embeddings_]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings about what is wanted: one thread for a fixed seed, and starting from spread-out positions."""
    log = logging.getLogger("openTSNE")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def align(positions: np.ndarray, onto: np.ndarray | None) -> np.ndarray:
    """[n 2] positions centred, at root mean square distance 1, and turned or mirrored onto others, where given."""
    from scipy.linalg import orthogonal_procrustes

    positions = positions - positions.mean(0)
    positions = positions / max(np.sqrt(np.square(positions).sum(1).mean()), 1e-12)
    return positions if onto is None else positions @ orthogonal_procrustes(positions, onto)[0]


def movement(positions: np.ndarray) -> np.ndarray:
    """[F-1] mean distance that a point goes from frame to frame; the picture's root mean square radius is 1."""
    return np.linalg.norm(np.diff(positions, axis=0), axis=2).mean(1)


def trust(features: np.ndarray, positions: np.ndarray) -> float:
    """Trustworthiness in [0, 1]: 1 when the neighbours of every point in the picture are its neighbours in truth.

    scikit-learn's, with `TRUSTED` neighbours, on rows of unit length.
    """
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(_unit(features.astype(np.float32)), positions, n_neighbors=TRUSTED))


# --- a run's atlas ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Atlas:
    """All that figures show of a run.

    about      {config; environment; epochs [F]; weights: digests; scores: name -> [F]; trust: map -> [F];
               classes: names; coarse: ancestor of each class, or None; log: name -> values over training}
    label      [n] class of each shown image
    groups     name -> [F n] as in `Snapshot`
    near       name -> [F g k]
    maps       kind -> [F n 2] positions
    shown, queries, neighbours [F q k], queued [F q k]: data-set indices, as in `Snapshot`
    mined      [F n l k] places among the shown, as in `Snapshot`
    """

    about: dict[str, Any]
    shown: np.ndarray
    queries: np.ndarray
    neighbours: np.ndarray
    queued: np.ndarray
    groups: dict[str, np.ndarray]
    near: dict[str, np.ndarray]
    maps: dict[str, np.ndarray]
    mined: np.ndarray

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        return from_record(self.about["config"])

    @property
    def label(self) -> np.ndarray:
        """[n] class of each shown image."""
        return self.groups["class"][0]

    @property
    def epochs(self) -> list[float]:
        """[F] epochs done at each snapshot."""
        return self.about["epochs"]

    def score(self, name: str) -> list[float | None]:
        """A score over snapshots; None where a snapshot has none."""
        return self.about["scores"].get(name, [None] * len(self.epochs))

    def centroids(self, group: str, kind: str) -> np.ndarray:
        """[F g 2] where the crosses stand: the median of the shown images nearest to a group's centroid; nan: none."""
        places, positions = self.near[group], self.maps[kind]
        frame = np.arange(len(places))[:, None, None]
        medians = np.median(positions[frame, np.maximum(places, 0)], axis=2)
        return np.where((places >= 0).all(2)[..., None], medians, np.nan)


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    """[F g k] of arrays [g k] with different g, filled with -1."""
    size = max(len(array) for array in arrays)
    return np.stack([np.pad(array, ((0, size - len(array)), (0, 0)), constant_values=-1) for array in arrays])


def draw_atlas(config: RunConfig, frames: list[Snapshot], folder: Path, data: Dataset, kinds: tuple[str, ...]) -> Atlas:
    """The atlas of a run from its snapshots.

    folder   where the run's environment and log are;  data   its training set;  kinds   of layouts to make
    """
    features = [snapshot.features for snapshot in frames]
    maps = {kind: layouts(features, kind) for kind in kinds}
    names = sorted({name for snapshot in frames for name in snapshot.scores})
    groups = sorted(
        {name for snapshot in frames for name in snapshot.groups}
    )  # some methods make pseudo-labels only later
    nobody, nothing = np.full_like(frames[0].groups["class"], -1), frames[0].near["class"][:0]
    log = [line for line in read_lines(folder / "log.jsonl") if line]
    level = next(iter(data.tree.values()), None)
    about = {
        "version": VERSION,
        "config": json.loads(json.dumps(asdict(config))),
        "environment": read_json(folder / "environment.json"),
        "epochs": [snapshot.epoch for snapshot in frames],
        "weights": [snapshot.weights for snapshot in frames],
        "scores": {name: [snapshot.scores.get(name) for snapshot in frames] for name in names},
        "trust": {
            kind: [trust(x, y) for x, y in zip(features, positions, strict=True)] for kind, positions in maps.items()
        },
        "classes": list(data.class_names),
        "coarse": None if level is None else list(level),
        "log": {name: [line.get(name) for line in log] for name in LOGGED if any(name in line for line in log)},
    }
    return Atlas(
        about,
        frames[0].shown,
        frames[0].queries,
        np.stack([snapshot.neighbours for snapshot in frames]),
        np.stack([snapshot.queued for snapshot in frames]),
        {name: np.stack([snapshot.groups.get(name, nobody) for snapshot in frames]) for name in groups},
        {name: _stack([snapshot.near.get(name, nothing) for snapshot in frames]) for name in groups},
        maps,
        np.stack([snapshot.mined for snapshot in frames]),
    )


# --- files ------------------------------------------------------------------------------------------------------

PLAIN = ("shown", "queries", "neighbours", "queued")


def write(path: Path, atlas: Atlas) -> None:
    """Keep an atlas as a small npz file: the same atlas, the same bytes."""
    arrays = {name: getattr(atlas, name) for name in PLAIN}
    arrays |= {f"groups.{name}": value for name, value in atlas.groups.items()}
    arrays |= {f"near.{name}": value for name, value in atlas.near.items()}
    arrays |= {f"maps.{kind}": np.rint(value / STEP).astype(np.int16) for kind, value in atlas.maps.items()}
    arrays |= {"mined": atlas.mined} if atlas.mined.size else {}
    write_atomic(path, pack(arrays, atlas.about))


def read(path: Path) -> Atlas:
    """An atlas from its file; a damaged one raises ValueError that names it."""
    arrays, about = unpack(path)
    maps = {kind: value * STEP for kind, value in within(arrays, "maps").items()}
    plain = {name: arrays[name] for name in PLAIN}
    nothing = np.empty((len(about["epochs"]), len(plain["shown"]), 0, 0), dtype=np.int16)
    mined = arrays.get("mined", nothing)
    return Atlas(about, groups=within(arrays, "groups"), near=within(arrays, "near"), maps=maps, mined=mined, **plain)


def config_of(arm: str, base: Profile, seed: int = 0, root: str | Path | None = None) -> RunConfig:
    """The run of an arm at a scale; raises ValueError with the nearest arm."""
    run = ARMS[one_of(arm, ARMS, "atlas", "arm")]
    config = base.config(run.method, seed, run.settings)
    config = replace(config, data=replace(config.data, fingerprint=fingerprint_of(config.data, base, root)))
    if config.plan.epochs >= LEAST_EPOCHS:
        return config
    longer = config.with_changes(**{"plan.epochs": LEAST_EPOCHS})
    later = {name: 1 / LEAST_EPOCHS for name in ("gate", "warm") if name in longer.settings}  # scaled to fewer epochs
    return replace(longer, settings=longer.settings | later)


def path_of(arm: str, base: Profile, seed: int) -> Path:
    """Where an arm's atlas is kept."""
    return LEDGER / base.name / "figures" / f"{arm}-s{seed}.npz"


def committed_atlas(arm: str, base: Profile, seed: int, root: str | Path | None = None) -> Atlas | None:
    """The committed atlas of an arm; None where there is none, or only one of another configuration or form."""
    path = path_of(arm, base, seed)
    if not path.exists():
        return None
    atlas = read(path)
    same = atlas.about["version"] == VERSION and atlas.config.identity == config_of(arm, base, seed, root).identity
    return atlas if same else None


def make_atlas(
    arm: str,
    base: Profile,
    seed: int = 0,
    root: str | Path | None = None,
    runs: Path = RUNS,
    device: str = "cpu",
    report: Report | None = None,
) -> Atlas:
    """The atlas of an arm from its snapshots, which are taken where they are not stored (this trains the run).

    Only t-SNE at scales that conclude nothing: UMAP compiles for half a minute.
    """
    config = config_of(arm, base, seed, root)
    protocols = {name: evaluate.protocol(name, base.evaluations[name]) for name in MEASURED if name in base.evaluations}
    with threads(1):
        frames = snapshots.along(config, runs, protocols, root, device, report)
        kinds = tuple(MAPS) if base.judged else ("tsne",)
        return draw_atlas(config, frames, snapshots.folder_of(config, runs), load(config.data, root)[0], kinds)
