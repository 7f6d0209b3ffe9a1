"""`pages`: published pages made again from the ledger."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("pages", help="execute again, from the ledger, the pages whose inputs changed")
    sub.set_defaults(perform=renew_pages)


def renew_pages(settings: argparse.Namespace) -> None:
    """Execute what is out of date, and print where every page is."""
    from sslrepro.report.publish import renew, renew_picture

    for page in [*renew(), *renew_picture()]:
        print(page)
