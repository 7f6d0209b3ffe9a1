"""How docstrings are laid out in the API page."""

import re

from sphinx.application import Sphinx


def as_written(app: Sphinx, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Docstrings are laid out by hand: show everything after the first paragraph as it stands."""
    if "" in lines[:-1]:
        first = lines.index("")
        rest = [f"   {line}" for line in lines[first + 1 :]]
        lines[:] = [*_plain(lines[:first]), "", ".. code-block:: text", "", *rest, ""]
    else:
        lines[:] = _plain(lines)


def _plain(lines: list[str]) -> list[str]:
    return [re.sub(r"([*|_])", r"\\\1", line) if "`" not in line else line.replace("`", "``") for line in lines]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("autodoc-process-docstring", as_written)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
