"""Table definitions by file name: `nnclr_queue` is `tables/nnclr_queue.py`."""

import importlib

from sslrepro.base.errors import one_of
from sslrepro.base.modules import module_names
from sslrepro.tables.definition import Definition
from sslrepro.tables.validate import validate

NOT_TABLES = ("definition", "validate")
_VALID: dict[str, Definition] = {}  # validated once: every verdict asks for every table


def names() -> list[str]:
    """Ids of all tables that are defined, sorted."""
    return [name for name in module_names(__path__) if name not in NOT_TABLES]


def definition(name: str) -> Definition:
    """A table's definition; raises ValueError with the nearest id, or naming what in the definition cannot be."""
    table = importlib.import_module(f"{__name__}.{one_of(name, names(), 'tables', 'table')}").TABLE
    if _VALID.get(name) is not table:
        _VALID[name] = validate(table)
    return table
