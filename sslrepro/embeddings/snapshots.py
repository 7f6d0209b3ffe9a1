"""A run on its way: what is kept of it at chosen steps, and what is measured there.

A snapshot is one small file with features, groups and scores. Taking it changes nothing: the run ends with the
weights, to the last bit, that it ends with unwatched.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from sslrepro import evaluate
from sslrepro.base.errors import require
from sslrepro.base.store import lock_folder, write_atomic
from sslrepro.base.types import Float, Int
from sslrepro.data.dataset import Dataset, balanced_subset
from sslrepro.data.datasets import load
from sslrepro.embeddings import layers
from sslrepro.evaluate.nmi import normalised_mutual_information
from sslrepro.methods.base import Method
from sslrepro.parts.cluster import kmeans
from sslrepro.parts.distributed import world_size
from sslrepro.parts.extract import encode_images
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import group_rates
from sslrepro.parts.mining import nearest
from sslrepro.training.checkpoint import header
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import Report, batches_of, initial_method, mine_pairs, train

SHOWN = 600  # training images that a picture shows
FRAMES = 9  # snapshots of a run, first and last step included
NEAR = 5  # shown images that tell where a centroid is
CLUSTERINGS = 5  # seeds of k-means behind NMI, purity and concentration (IFND: 5)
QUERIES, NEIGHBOURS = 8, 5  # images whose neighbours are kept, and how many of each
PLAIN = ("shown", "queries", "features", "neighbours", "queued", "mined")  # a snapshot's arrays beside groups and near
VERSION = 2  # raise when a snapshot's content changes: old files are taken anew


@dataclass(frozen=True)
class Snapshot:
    """A run before one of its steps, or at its end.

    step, epoch   done so far
    weights       digest of all parameters and buffers of the method
    shown         [n] data-set indices of the training images that are shown
    queries       [q] those whose neighbours are kept
    features      [n f] float16, of the shown images, un-augmented, from the encoder
    groups        name -> [n] group of each shown image, -1 for none: "class", "cluster" (k-means of the features, as
                  many clusters as classes), "pseudo" (the method's own first clustering, of methods that have one
                  with clusters large enough to be seen). Group i of the last two is the one matched to class i
    near          name -> [g NEAR] places among the shown of the images nearest to each group's centroid in the space
                  of the features, nearest first; the centroid is that of all training images. -1: an empty group
    neighbours    [q k] training images nearest to each query in the space of the embedding, the query left out
    queued        the same among the rows of the method's queue; -1 where it has none or too few
    mined         [n l k] places among the shown of images that the method holds to be positives of each shown image, l
                  hops away in its graph (one layer where there is none); -1: none. [n 0 0] where it mines none
    scores        of `evaluate`, of `cluster_scores`, of the pseudo-labels by `group_rates`, and of all that is mined by
                  `layers.scores`
    """

    step: int
    epoch: float
    weights: str
    shown: np.ndarray
    queries: np.ndarray
    features: np.ndarray
    groups: dict[str, np.ndarray]
    near: dict[str, np.ndarray]
    neighbours: np.ndarray
    queued: np.ndarray
    mined: np.ndarray
    scores: dict[str, float]

    def pack(self) -> bytes:
        """As an npz file: the same snapshot, the same bytes."""
        arrays = {name: getattr(self, name) for name in PLAIN}
        arrays |= {f"groups.{name}": group for name, group in self.groups.items()}
        arrays |= {f"near.{name}": places for name, places in self.near.items()}
        about = {"step": self.step, "epoch": self.epoch, "weights": self.weights, "scores": self.scores}
        return pack(arrays, about)


def pack(arrays: dict[str, np.ndarray], about: dict[str, Any]) -> bytes:
    """Arrays and a JSON record as a compressed npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, about=np.array(json.dumps(about, sort_keys=True)), **arrays)
    return buffer.getvalue()


def unpack(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The inverse of `pack`; a damaged file raises ValueError that names it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ValueError(f"snapshots: {path} cannot be read ({error}). Delete it to make it anew.") from None


def read(path: Path) -> Snapshot:
    """A snapshot from its file."""
    arrays, about = unpack(path)
    plain = {name: arrays[name] for name in PLAIN}
    return Snapshot(groups=within(arrays, "groups"), near=within(arrays, "near"), **plain, **about)


def within(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays called `<prefix>.<name>`, by name."""
    return {key.removeprefix(f"{prefix}."): value for key, value in arrays.items() if key.startswith(f"{prefix}.")}


# --- what is measured -------------------------------------------------------------------------------------------


def match_to_classes(group: Int[Tensor, " n"], label: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Groups by the number of the class they are matched to, one to one, so that most images agree (Hungarian).

    Groups beyond the classes take the numbers after them; negative groups become -1.
    """
    inside = group >= 0
    out = torch.full_like(group, -1)
    if not bool(inside.any()):
        return out
    names, own = group[inside].unique(return_inverse=True)
    n_classes = int(label.max()) + 1
    table = torch.bincount(own * n_classes + label[inside], minlength=len(names) * n_classes).view(len(names), -1)
    row, column = linear_sum_assignment(table.cpu().numpy(), maximize=True)
    number = torch.full((len(names),), -1, dtype=group.dtype, device=group.device)
    number[torch.from_numpy(row)] = torch.from_numpy(column).to(number)
    rest = number < 0
    number[rest] = n_classes + torch.arange(int(rest.sum()), dtype=number.dtype, device=number.device)
    out[inside] = number[own]
    return out


def cluster_scores(
    x: Float[Tensor, "n f"], label: Int[Tensor, " n"], n_clusters: int, seeds: int = CLUSTERINGS
) -> tuple[Int[Tensor, " n"], dict[str, float]]:
    """(clusters of the first seed, means over seeds) of k-means on unit rows.

    nmi             of clusters and classes, over the geometric mean of their entropies (IFND, Sec. 4.1), in [0, 1]
    purity          share of images in a cluster whose most frequent class is theirs
    concentration   share of the rows' variance that lies between clusters: 1 = every cluster is one point
    """
    per_seed, total = [], (x - x.mean(0)).square().sum()
    for seed in range(seeds):
        cluster, centroid = kmeans(x, n_clusters, seed)
        table = torch.bincount(cluster * (int(label.max()) + 1) + label, minlength=n_clusters * (int(label.max()) + 1))
        nmi = normalised_mutual_information(label, cluster)
        purity = table.view(n_clusters, -1).amax(1).sum() / len(x)
        within = (x - centroid[cluster]).square().sum()
        per_seed.append({"nmi": nmi, "purity": float(purity), "concentration": float(1 - within / total)})
        first = cluster if seed == 0 else first
    return first, {name: float(np.mean([line[name] for line in per_seed])) for name in per_seed[0]}


def near_centroids(
    x: Float[Tensor, "n f"], group: Int[Tensor, " n"], shown: Int[Tensor, " s"], n_groups: int
) -> Int[Tensor, "g k"]:
    """For every group, the places among the shown of the rows of largest cosine with the mean of its rows."""
    inside = group >= 0
    mean = torch.zeros(n_groups, x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, group[inside], x[inside])
    places = nearest(unit(mean), x[shown], min(NEAR, len(shown)))[1]
    filled = torch.bincount(group[inside], minlength=n_groups) > 0
    return torch.where(filled[:, None], places, -1)


def queries(label: Int[Tensor, " n"], shown: Int[Tensor, " s"]) -> Int[Tensor, " q"]:
    """The first shown image of each of `QUERIES` classes, spread over the classes."""
    classes = label[shown].unique()
    chosen = classes[torch.linspace(0, len(classes) - 1, min(QUERIES, len(classes))).round().long()]
    return torch.stack([shown[label[shown] == each][0] for each in chosen])


def _neighbours(
    z: Float[Tensor, "n d"], query: Int[Tensor, " q"], rows: Float[Tensor, "m d"], index: Int[Tensor, " m"]
) -> Int[Tensor, "q k"]:
    rows, index = rows[index >= 0], index[index >= 0]
    similarity, place = nearest(z[query], rows, min(NEIGHBOURS, len(rows)), query, index)
    indices = torch.where(similarity.isfinite(), index[place], -1)
    return nn.functional.pad(indices, (0, NEIGHBOURS - indices.shape[1]), value=-1)


def take(
    method: Method,
    train_set: Dataset,
    test_set: Dataset,
    shown: Int[Tensor, " s"],
    evaluations: dict[str, dict[str, Any]],
    seed: int,
    step: int,
    epoch: float,
    pairs: Int[Tensor, "p 2"] | None = None,
) -> Snapshot:
    """A snapshot of a method as it stands; leaves it as it is.

    shown         training images to keep features of
    evaluations   evaluation -> its full protocol; they read the test set, whose scores choose nothing
    seed          of the evaluations' own draws
    pairs         that the method's run trains on (SePP-ID)
    """
    normalise = tuple(tuple(part) for part in train_set.mean_std())
    features = [evaluate.features(method.encoder, split, normalise) for split in (train_set, test_set)]
    label, x = train_set.labels, unit(features[0].x)
    n_classes, scores = train_set.n_classes, {}
    for name, protocol in evaluations.items():
        scores |= evaluate.run(name, *features, protocol, seed)
    cluster, of_clusters = cluster_scores(x, label, n_classes)
    scores |= of_clusters
    groups = {"class": label, "cluster": match_to_classes(cluster, label)}
    pseudo = None if method.pseudo_labels is None else method.pseudo_labels[0]
    if pseudo is not None and NEAR * (int(pseudo.max()) + 1) <= len(shown):  # LA's hundreds are no colours
        scores |= {name: value for name, value in group_rates(label, pseudo).items() if value == value}
        groups["pseudo"] = match_to_classes(pseudo, label)
    counts = {name: max(n_classes, int(group.max()) + 1) for name, group in groups.items()}
    near = {name: near_centroids(x, group, shown, counts[name]) for name, group in groups.items()}
    z = unit(encode_images(method, train_set, normalise)) if hasattr(method, "projector") else x
    query = queries(label, shown)
    neighbours = _neighbours(z, query, z, train_set.index)
    queued, queue = torch.full_like(neighbours, -1), getattr(method, "queue", None)
    if queue is not None and bool((queue.index >= 0).any()):
        queued = _neighbours(z, query, queue.entries, queue.index)
    of, mined = layers.miner(method, len(train_set), pairs), torch.empty(len(shown), 0, 0)
    if of is not None:
        mined = layers.among_shown(of, z, shown)
        scores |= layers.scores(*layers.count(of, train_set, z), len(train_set))

    def as_array(tensor: Tensor, kind: type) -> np.ndarray:
        return tensor.cpu().numpy().astype(kind)

    return Snapshot(
        step,
        epoch,
        evaluate.digest(method),
        as_array(shown, np.int32),
        as_array(query, np.int32),
        as_array(features[0].x[shown], np.float16),
        {name: as_array(group[shown], np.int16) for name, group in groups.items()},
        {name: as_array(places, np.int16) for name, places in near.items()},
        as_array(neighbours, np.int32),
        as_array(queued, np.int32),
        as_array(mined, np.int16),
        scores,
    )


# --- along a run ------------------------------------------------------------------------------------------------


def at_steps(epochs: int, per_epoch: int, n: int = FRAMES) -> list[int]:
    """The steps of `n` snapshots (or one an epoch), evenly over the run, at the starts of epochs and at the end."""
    require(epochs >= 1, "snapshots", "plan.epochs", ">= 1", epochs)
    return [epoch * per_epoch for epoch in sorted({round(place * epochs / (n - 1)) for place in range(n)})]


def folder_of(config: RunConfig, runs: Path) -> Path:
    """Where a run is trained for its snapshots: beside the run itself."""
    return runs / f"{config.name}-snapshots"


def along(
    config: RunConfig,
    runs: Path,
    evaluations: dict[str, dict[str, Any]],
    root: str | Path | None = None,
    device: str = "cpu",
    report: Report | None = None,
) -> list[Snapshot]:
    """The snapshots of a run, in order; trains it where they are not stored.

    It is trained in a folder of its own (`folder_of`), and resumes there. Pseudo-labels are those that the next epoch
    trains with; at the end, those of the last epoch.

    evaluations   evaluation -> its full protocol

    A run that trains on pairs (SePP-ID) has them mined first, as `train` does it; they are more rows of an epoch.

    Raises ValueError under several processes.
    """
    require(world_size() == 1, "snapshots", "processes", "1", world_size())
    folder = folder_of(config, runs)
    train_set, test_set = (split.to(device) for split in load(config.data, root))
    shown = balanced_subset(train_set.labels, SHOWN, config.seed).to(train_set.device)
    mark = hashlib.sha256(json.dumps([VERSION, evaluations], sort_keys=True).encode()).hexdigest()[:8]
    with lock_folder(folder):
        first = initial_method(config, len(train_set), device)
        pairs = mine_pairs(config, folder, train_set, first, torch.device(device), report)[0]
        per_epoch = batches_of(config, train_set, first, pairs).per_epoch
        files = {step: folder / f"step-{step:07d}-{mark}.npz" for step in at_steps(config.plan.epochs, per_epoch)}

        def watch(step: int, method: Method) -> None:
            if step in files and not files[step].exists():
                done = (step, step / per_epoch, pairs)
                snapshot = take(method, train_set, test_set, shown, evaluations, config.seed, *done)
                write_atomic(files[step], snapshot.pack())

        absent = [step for step, path in files.items() if not path.exists()]
        if absent:
            checkpoint = folder / "checkpoint.safetensors"
            if checkpoint.exists() and int(header(checkpoint)["step"]) > absent[0]:
                checkpoint.unlink()  # training has passed a step that nobody kept
            watch(max(files), train(config, folder, train_set, device, report, watch=watch))
        return [read(path) for path in files.values()]
