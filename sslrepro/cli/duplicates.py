"""`duplicates`: copies among one's own images."""

import argparse
from typing import Any

from sslrepro.cli.options import path


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("duplicates", help="copies among the images of photos.ssl, side by side")
    sub.add_argument("run", type=path, help="photos.ssl, as `fit` left it")
    sub.add_argument("images", type=path, nargs="*", help="files and folders to look at beside its images")
    sub.add_argument("--above", type=float, default=0.99, help="least similarity of a pair (default 0.99)")
    sub.add_argument("--turned", action="store_true", help="also copies turned by 90, 180 or 270 degrees")
    sub.add_argument("-o", "--out", type=path, metavar="FILE", help="dup.html or dup.csv (default: said)")
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    sub.set_defaults(perform=duplicates)


def duplicates(settings: argparse.Namespace) -> None:
    """Write or say the groups."""
    from sslrepro.own.duplicates import duplicates_to

    duplicates_to(settings.run, settings.above, settings.out, settings.images, settings.turned, settings.device)
