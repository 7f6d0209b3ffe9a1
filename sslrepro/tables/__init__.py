"""Table definitions by file name: `nnclr_queue` is `tables/nnclr_queue.py`. Data and prose, no logic."""

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any

from sslrepro.check import one_of


@dataclass(frozen=True)
class Definition:
    """How one table of a paper is re-derived, or one of ours is made.

    id         the transcribed table, or the name of our own
    title      of its page
    question   what the table asks, one sentence
    method     trained for every row that does not name another
    rows       paper's row id -> what it sets, in the paper's units (the profile maps them), and "method" where rows
               differ in it
    columns    paper's column -> our result name
    also       our further result names, shown beside; no paper number
    varied     the paper's column on the figure's horizontal axis
    effect     paper's (row, row, column) whose difference the finding states, high minus low
    idea       Markdown: what is varied and why it could matter
    equation   LaTeX, in our names
    reading    Markdown: how to read the result, fixed before the runs
    mapping    Markdown: how the paper's units become ours
    unrun      claim id -> why no run here can judge it
    controls   same-budget controls of the footer
    notebook   that presents it; all but "table" are for tables of ours, which no paper prints
    seeds      number of seeds, where it is not the profile's
    """

    id: str
    title: str
    question: str
    method: str
    rows: dict[str, dict[str, Any]]
    columns: dict[str, str]
    varied: str = ""
    effect: tuple[str, str, str] = ("", "", "")
    also: tuple[str, ...] = ()
    idea: str = ""
    equation: str = ""
    reading: str = ""
    mapping: str = ""
    unrun: dict[str, str] = field(default_factory=dict)
    controls: tuple[str, ...] = field(default=("simclr", "random", "pixels", "supcon"))
    notebook: str = "table"
    seeds: int | None = None


def names() -> list[str]:
    """Ids of all tables that are defined, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def definition(name: str) -> Definition:
    """A table's definition; raises ValueError with the nearest id."""
    return importlib.import_module(f"{__name__}.{one_of(name, names(), 'tables', 'table')}").TABLE
