"""`near`: the images of a folder that are most alike one image."""

import argparse
from typing import Any

from sslrepro.cli.options import count, path


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("near", help="the images of photos.ssl that are most alike one image")
    sub.add_argument("run", type=path, help="photos.ssl, as `fit` left it")
    sub.add_argument("image", type=path, help="an image file, of the folder or another")
    sub.add_argument("-k", type=count, default=10, help="how many (default 10)")
    sub.set_defaults(perform=near)


def near(settings: argparse.Namespace) -> None:
    """Similarity and file, best first."""
    from sslrepro.own.run import OwnRun

    for name, similarity in OwnRun(settings.run).nearest(settings.image, settings.k):
        print(f"{similarity:6.3f}  {name}")
