"""`check`: which published pages are out of date."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("check", help="list pages whose inputs changed; exit 1 if there are any")
    sub.set_defaults(perform=check)


def check(settings: argparse.Namespace) -> int:
    """Print the pages that are out of date; 1 where there are any."""
    from sslrepro.report.publish import stale

    pages = stale()
    print("\n".join(pages) if pages else "every page is up to date")
    return 1 if pages else 0
