"""What a sampler sees of the training images, and what is kept of the pairs it finds."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from sslrepro.base.errors import require
from sslrepro.base.store import is_file_there, read_json
from sslrepro.base.tensors import read_tensors
from sslrepro.base.types import Float, Int
from sslrepro.data.dataset import Dataset
from sslrepro.data.views import Batches
from sslrepro.methods import method_class
from sslrepro.parts.extract import encode_images, eval_mode
from sslrepro.training.config import RunConfig, from_record


def sampler_eyes(net: nn.Module, batches: Batches, augmented: bool) -> Callable[[Tensor], Tensor]:
    """Data-set indices -> the sampler's embeddings [n d], of images as they are or of one augmented view of each.

    batches   of the run that the pairs are for: its recipe's first view, its seed
    """

    def clean(index: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        return encode_images(net, batches.data.rows(index), batches.normalise)

    def embed_views(index: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        generator = torch.Generator().manual_seed(batches.seed)
        index = index.to(batches.data.device)
        with eval_mode(net):
            return torch.cat([net(batches.view_of(part, generator)).float() for part in index.split(1024)])

    return embed_views if augmented else clean


def stored_sampler(name: str, runs: Path, config: RunConfig) -> tuple[RunConfig, Path]:
    """(configuration, checkpoint) of the stored run that a run names as its sampler.

    Raises ValueError where there is none in the folder `runs`, or it has seen labels, or images of another size.
    """
    owner, folder = f"methods.{config.method}", runs / name
    there = Path(name).name == name and all(map(is_file_there, (folder / "config.json", sampler_checkpoint(folder))))
    require(
        there,
        owner,
        "sampler_run",
        f"the name of a run that is stored in {runs}",
        name,
        "Train it first, or leave the setting out.",
    )
    stored = from_record(read_json(folder / "config.json"), folder / "config.json")
    blind = not method_class(stored.method).needs_labels and stored.settings.get("positive") != "oracle"
    require(blind, owner, "sampler_run", "a run that saw no labels", name)
    require(
        stored.data.side == config.data.side,
        owner,
        "sampler_run",
        f"a run on images of {config.data.side} px",
        stored.data.side,
    )
    return stored, sampler_checkpoint(folder)


def sampler_checkpoint(folder: Path) -> Path:
    """Where a stored run keeps its weights."""
    return folder / "checkpoint.safetensors"


def read_pairs(path: Path, n_images: int) -> tuple[Int[Tensor, "p 2"], Float[Tensor, " p"]]:
    """(pairs, their cosines) of a file; raises ValueError for anything else."""
    remedy = "Delete it to mine them anew."
    tensors, _ = read_tensors(path, "train", "pairs", remedy)
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    n = len(tensors["pairs"]) if tensors.get("pairs", torch.zeros(())).ndim else 0
    fit = shapes.keys() == {"pairs", "cosine"} and shapes["pairs"] == (torch.int64, (n, 2))
    fit = fit and tensors["cosine"].is_floating_point() and shapes["cosine"][1] == (n,)
    fit = fit and bool(((tensors["pairs"] >= 0) & (tensors["pairs"] < n_images)).all())
    require(fit, "train", f"pairs {path}", f"rows of two of the {n_images} images, and their cosines", shapes, remedy)
    return tensors["pairs"], tensors["cosine"]


def about_pairs(pairs: Int[Tensor, "p 2"], cosine: Float[Tensor, " p"], data: Dataset) -> dict[str, float]:
    """How many pairs there are, of how many images, and how often both have one class; labels meet pairs here."""
    labels = data.labels.cpu()
    degree = torch.bincount(pairs.flatten(), minlength=len(data))
    about = {"pairs": float(len(pairs)), "paired_images": float((degree > 0).sum()), "pair_degree": float(degree.max())}
    if len(pairs):
        about["pair_self"] = float((pairs[:, 0] == pairs[:, 1]).double().mean())
        about["pair_match"] = float((labels[pairs[:, 0]] == labels[pairs[:, 1]]).double().mean())
        about["pair_cosine"] = float(cosine.double().mean())
    return about
