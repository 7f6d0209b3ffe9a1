"""`release`: the built book, the ledger and the sources as archives, with their digests."""

import argparse
from typing import Any

from sslrepro.cli.options import path


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("release", help="pack the built book, the ledger and the sources, with their SHA-256")
    sub.add_argument("--book", type=path, default="_build/html", metavar="FOLDER", help="default: _build/html")
    sub.add_argument("-o", "--out", type=path, default="dist", metavar="FOLDER", help="default: dist")
    sub.set_defaults(perform=release)


def release(settings: argparse.Namespace) -> None:
    """Write the archives and list them."""
    from sslrepro.report.release import pack

    for archive in pack(settings.book, settings.out):
        print(f"{archive.stat().st_size / 1e6:8.1f} MB  {archive}")
