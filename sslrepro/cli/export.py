"""`export`: the encoder of photos.ssl for another program."""

import argparse
from typing import Any

from sslrepro.cli.options import path


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("export", help="the encoder of photos.ssl for torchvision, timm or onnx")
    sub.add_argument("run", type=path, help="photos.ssl, as `fit` left it")
    sub.add_argument("--to", required=True, metavar="PROGRAM", help="torchvision, timm or onnx")
    sub.add_argument("-o", "--out", type=path, metavar="FILE", help="default: in photos.ssl")
    sub.set_defaults(perform=export_encoder)


def export_encoder(settings: argparse.Namespace) -> None:
    """Write the file, and say how to load it."""
    from sslrepro.own.export import export

    export(settings.run, settings.to, settings.out)
