"""`embed`: features of images by file name, as csv, npy or parquet."""

import argparse
from typing import Any

from sslrepro.cli.options import path


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("embed", help="features of images, by the encoder of photos.ssl")
    sub.add_argument("run", type=path, help="photos.ssl, as `fit` left it")
    sub.add_argument("images", type=path, nargs="+", help="image files, or folders searched at any depth")
    sub.add_argument(
        "-o",
        "--out",
        type=path,
        required=True,
        metavar="FILE",
        help="emb.csv or emb.parquet (file, width, height, features); emb.npy, with emb.files.csv beside it",
    )
    sub.add_argument("--skip-bad", action="store_true", help="leave out unreadable files, and list them")
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    sub.set_defaults(perform=embed)


def embed(settings: argparse.Namespace) -> None:
    """Write the features."""
    from sslrepro.own.embed import embed_to

    embed_to(settings.run, settings.images, settings.out, settings.skip_bad, settings.device)
