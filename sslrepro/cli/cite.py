"""`cite`: BibTeX of a table."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("cite", help="BibTeX of a table: version, commit and page; and of its paper")
    sub.add_argument("table")
    sub.add_argument("--profile", default="cpu", help="scale of the page (default cpu)")
    sub.set_defaults(perform=cite)


def cite(settings: argparse.Namespace) -> None:
    """Print the entries."""
    from sslrepro.report.cite import bibtex

    print(bibtex(settings.table, settings.profile), end="")
