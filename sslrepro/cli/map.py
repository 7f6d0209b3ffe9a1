"""`map`: one's own images in two dimensions."""

import argparse
from typing import Any

from sslrepro.cli.options import path


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("map", help="the images of photos.ssl in two dimensions, in one page")
    sub.add_argument("run", type=path, help="photos.ssl, as `fit` left it")
    sub.add_argument("-o", "--out", type=path, required=True, metavar="FILE", help="map.html")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--labels", metavar="WHICH", help="folders, or a csv file `file,label`: a further colouring")
    sub.set_defaults(perform=draw_map)


def draw_map(settings: argparse.Namespace) -> None:
    """Write the page."""
    from sslrepro.own.map import map_to

    map_to(settings.run, settings.out, settings.seed, settings.labels)
