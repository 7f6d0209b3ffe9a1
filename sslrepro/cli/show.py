"""`show`: a stored table and its verdicts."""

import argparse
from typing import Any

from sslrepro.cli.options import table_options


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("show", help="print a stored table and its verdicts; trains nothing")
    sub.add_argument("table")
    table_options(sub)
    sub.set_defaults(perform=show)


def show(settings: argparse.Namespace) -> None:
    """Print what is known of a table."""
    from sslrepro.base.paths import RUNS
    from sslrepro.report import table_page
    from sslrepro.study import reproduce

    request = reproduce.Request.of(
        settings.table, settings.profile, settings.seeds, settings.dataset, settings.root, settings.runs or RUNS
    )
    (results,) = reproduce.read(reproduce.plan(request))
    if not any(results.rows.values()):
        print(
            f"{settings.table} has not been run at {results.plan.profile.name} scale: "
            f"make reproduce TABLE={settings.table} PROFILE={settings.profile}"
        )
        return
    print(f"{terminal_text(results)}\n\n{table_page.cost(results)}")


def terminal_text(results: Any) -> str:
    """A table for the terminal, with its finding and, where a paper claims something, the verdicts."""
    from sslrepro.report import table_page
    from sslrepro.report.presenters import presenter

    if results.definition.notebook != "table":
        pages = presenter(results.definition)
        return f"{pages.table(results)}\n\n{pages.headline(results)}"
    return f"{table_page.table(results)}\n\n{table_page.finding(results)}\n\n{table_page.verdicts(results)}"
