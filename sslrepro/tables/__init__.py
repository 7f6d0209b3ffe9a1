"""Table definitions by file name: `nnclr_queue` is `tables/nnclr_queue.py`."""

import importlib
import pkgutil

from sslrepro.base.errors import one_of
from sslrepro.tables.definition import Definition
from sslrepro.tables.validate import validate

NOT_TABLES = ("definition", "validate")


def names() -> list[str]:
    """Ids of all tables that are defined, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in NOT_TABLES)


def definition(name: str) -> Definition:
    """A table's definition; raises ValueError with the nearest id, or naming what in the definition cannot be."""
    return validate(importlib.import_module(f"{__name__}.{one_of(name, names(), 'tables', 'table')}").TABLE)
