"""A reader's own runs beside the published ones, in words."""

from pathlib import Path

from sslrepro.report.formats import number, plural, text_table
from sslrepro.report.headings import CONTROLS, heading, row_label
from sslrepro.study.ledger import published_record, stored_record
from sslrepro.study.replication import OUTCOMES, CellComparison, counts_of
from sslrepro.study.results import Results

SHORT = {"same": "same to the bit", "agrees": "agrees", "differs": "differs", "undecided": "one seed, not told"}


def processors(results: Results, folder: Path) -> tuple[list[str], list[str]]:
    """Where the runs of a folder and the published ones of the same table were made."""
    own = [record for run in results.plan.runs if (record := stored_record(run, folder)) is not None]
    published = [record for run in results.plan.runs if (record := published_record(run, results.plan)) is not None]
    return tuple(sorted({r["environment"]["device"] for r in records}) for records in (own, published))


def text(results: Results, cells: list[CellComparison], folder: Path, briefly: bool = False) -> str:
    """How many cells are the same, agree and differ, and, unless `briefly`, each of them beside the published one."""
    plan = results.plan
    if not cells:
        return f"compared  nothing is published of {plan.definition.id} at {plan.profile.name} scale on these images"
    counts = ", ".join(f"{n} {OUTCOMES[outcome]}" for outcome, n in counts_of(cells).items())
    summary = f"compared  {plural(len(cells), 'cell')} with the published ledger, which stays as it is: {counts}"
    own, published = processors(results, folder)
    if own != published:
        summary += (
            f"\n          made on {'; '.join(own)}, published from {'; '.join(published)}: on another processor "
            "sums are rounded in another order,\n          so cells agree within seed noise and not to the "
            "bit"
        )
    return summary if briefly else f"{table(results, cells)}\n\n{summary}"


def table(results: Results, cells: list[CellComparison]) -> str:
    """Every compared cell: ours, the published one, the difference with the interval that it is judged by."""
    definition, body = results.definition, []
    for cell in cells:
        row = CONTROLS.get(cell.row, cell.row) if cell.control else row_label(definition, cell.row)
        digits = definition.column(cell.column).digits
        about = f"{number(cell.difference, digits + 1, sign=True)}"
        if cell.n == 1 and cell.low < cell.high:
            about += f" (a new run: ±{number(cell.high, digits + 1)})"
        elif cell.low < cell.high:
            about += f" [{number(cell.low, digits + 1, sign=True)}, {number(cell.high, digits + 1, sign=True)}]"
        body.append(
            [
                row,
                heading(results, cell.column),
                number(cell.own.mean, digits),
                number(cell.published.mean, digits),
                about if cell.outcome != "same" else "0",
                str(cell.n),
                SHORT[cell.outcome],
            ]
        )
    head = ["row", "column", "yours", "published", "difference [95%]", "seeds", "verdict"]
    return text_table([head, *body])
