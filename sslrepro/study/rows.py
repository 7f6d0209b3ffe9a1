"""A part of a table: some of its rows, planned, trained and read like the whole."""

from collections.abc import Sequence
from dataclasses import replace

from sslrepro.base.errors import one_of, require
from sslrepro.study.plans import TablePlan


def with_rows(plan: TablePlan, rows: Sequence[str] | None) -> TablePlan:
    """The plan with some of its rows and variants alone, in the table's order; its controls stay. None: the plan.

    For looking at what is of interest: claims and the published page are about the whole table.
    Raises ValueError for a row that the table does not have (with the nearest), or for none.

    >>> from sslrepro.study.plans import plan_table
    >>> some = with_rows(plan_table("all_methods", "smoke"), ["simclr", "nnclr"])
    >>> list(some.definition.rows), len(some.cells)
    (['nnclr', 'simclr'], 4)
    """
    if rows is None:
        return plan
    definition, owner = plan.definition, f"tables.{plan.definition.id}"
    require(not isinstance(rows, str) and len(rows) > 0, owner, "rows", "a list of one row or more", rows)
    for row in rows:
        one_of(row, definition.ours, owner, "row")
    subset = {row: sets for row, sets in definition.rows.items() if row in rows}
    variants = {row: sets for row, sets in definition.variants.items() if row in rows}
    effect = definition.effect if {row for row, _ in definition.ends or ()} <= {*subset, *variants} else ()
    dropped = definition.ours.keys() - {*subset, *variants}
    cells = {key: runs for key, runs in plan.cells.items() if key[0] not in dropped}
    values = {name: place for name, place in definition.values.items() if place[0] not in dropped}
    smaller = replace(definition, rows=subset, variants=variants, effect=effect, values=values)
    return replace(plan, definition=smaller, cells=cells)
