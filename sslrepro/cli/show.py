"""`show`: a stored table and its verdicts."""

import argparse
from pathlib import Path
from typing import Any


def show(given: argparse.Namespace) -> None:
    """Print what is known of a table."""
    from sslrepro.base.paths import RUNS
    from sslrepro.report import table_page
    from sslrepro.study import plans
    from sslrepro.study.results import read_results

    made = plans.plan_table(given.table, given.profile, given.seeds, given.dataset, given.root)
    found = read_results(made, Path(given.runs) if given.runs else RUNS)
    if not any(found.rows.values()):
        print(f"{given.table} has not been run at {made.profile.name} scale: "
              f"make reproduce TABLE={given.table} PROFILE={given.profile}")  # fmt: skip
        return
    print(f"{printed(found)}\n\n{table_page.cost(found)}")


def printed(found: Any) -> str:
    """A table for the terminal, with its finding and, where a paper claims something, the verdicts."""
    from sslrepro.report import table_page
    from sslrepro.report.presenters import presenter

    if found.definition.notebook != "table":
        pages = presenter(found.definition)
        return f"{pages.table(found)}\n\n{pages.headline(found)}"
    return f"{table_page.table(found)}\n\n{table_page.finding(found)}\n\n{table_page.verdicts(found)}"
