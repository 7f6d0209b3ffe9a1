"""Which module makes the page of a table, by the notebook that its definition names."""

from types import ModuleType

from sslrepro.report import (
    all_methods,
    anchors,
    budget_sweep,
    confidence,
    equal_terms,
    miner_frameworks,
    miners,
    neighbour_map,
    roles,
    table_page,
)
from sslrepro.tables.definition import Definition

BY_NOTEBOOK = {
    "table": table_page,
    "methods": all_methods,
    "equal": equal_terms,
    "sweep": budget_sweep,
    "map": neighbour_map,
    "miners": miners,
    "grid": miner_frameworks,
    "roles": roles,
    "anchors": anchors,
    "confidence": confidence,
}


def presenter(definition: Definition) -> ModuleType:
    """The module with the table's `finding`, `headline`, `table`, `figure`, `rows_of` and `copies`."""
    return BY_NOTEBOOK[definition.notebook]
