"""`fit`: an encoder trained on a folder of one's own images."""

import argparse
from typing import Any

from sslrepro.cli.options import count, path

SETTINGS = ("method", "epochs", "encoder", "side", "batch_size", "accumulate", "seed", "weights", "weights_except",
            "labels", "skip_bad", "cache", "device")  # fmt: skip


def names(word: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(name for name in word.split(",") if name)


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser(
        "fit",
        help="train on a folder of your own images; the same call goes on",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Any tree of images: no classes, no splits. What is trained is said in one line; "
        "a call that was stopped,\nor asks for more epochs, goes on from what the output "
        "folder has.",
    )
    sub.add_argument("folder", type=path, help="images at any depth")
    sub.add_argument("--out", type=path, metavar="DIR", help="output (default <folder>.ssl here)")
    sub.add_argument("--method", help="nnclr, simclr, ... (see list; default nnclr)")
    sub.add_argument("--epochs", type=count, help="in all, those trained before included (default by the images)")
    sub.add_argument(
        "--encoder",
        help="resnet18, resnet50, conv, ..., any classifier of torchvision by name, or "
        "timm/<model> (default by the images)",
    )
    sub.add_argument(
        "--weights",
        type=path,
        metavar="FILE",
        help="tensors that the encoder starts from: safetensors, or of torch.save (default random)",
    )
    sub.add_argument(
        "--weights-except",
        type=names,
        default=(),
        metavar="NAME,NAME",
        help="tensors that only the file or the encoder has, or in another shape: not loaded",
    )
    sub.add_argument("--side", type=count, help="px that images are resized to (default by the images)")
    sub.add_argument("--batch-size", type=count, metavar="N", help="images a step (default by the images)")
    sub.add_argument(
        "--accumulate",
        type=count,
        metavar="N",
        help="parts of a batch, one after the other, whose "
        "gradients make a step: less memory; negatives of the batch are then those of a part",
    )
    sub.add_argument("--seed", type=int)
    sub.add_argument(
        "--labels",
        metavar="WHICH",
        help="folders, or a csv file `file,label`: scores after training; the method never sees them",
    )
    sub.add_argument("--skip-bad", action="store_true", help="leave out unreadable files, listed in the report")
    sub.add_argument(
        "--cache",
        type=path,
        metavar="DIR",
        help="where decoded pixels are kept, and large sets read from, batch by batch (default: your cache folder)",
    )
    sub.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    sub.set_defaults(perform=fit)


def fit(settings: argparse.Namespace) -> None:
    """Train, or go on."""
    from sslrepro.own.fit import fit_folder

    fit_folder(settings.folder, settings.out, **{name: getattr(settings, name) for name in SETTINGS})
