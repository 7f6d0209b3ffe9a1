"""How is a docstring laid out in the API page? Aligned lists of names become lists; Google sections go to napoleon."""

import inspect
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring

SECTION = re.compile(r"^\s*(Args|Arguments|Attributes|Example|Examples|Note|Notes|Raises|Returns|Yields):\s*$")
NAMED = re.compile(r"^(\s*)([A-Za-z_][\w.]*(?:, [A-Za-z_]\w*)*)\s{2,}(\S.*)$")  # "k   how many rows"
NEXT = re.compile(r";\s{1,3}([A-Za-z_]\w*)\s{3,}(?=\S)")  # a second name on the line: "a   this;  b   that"


def escape(line: str) -> str:
    """A line in which names in backticks are literals and no other sign means anything to reStructuredText."""
    parts = line.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is no pair
        return re.sub(r"([*|_`\\])", r"\\\1", line)
    plain = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
    return "".join(
        text + (f"``{parts[2 * place + 1]}``" if 2 * place + 1 < len(parts) else "") for place, text in enumerate(plain)
    )


def entries(paragraph: list[str]) -> list[tuple[str, str]] | None:
    """(names, what they are) of an aligned list; None where a paragraph is prose."""
    entries: list[list[str]] = []
    for line in NEXT.sub(r"\n\1   ", "\n".join(paragraph)).split("\n"):
        match = NAMED.match(line)
        if match:
            entries.append([match[2], match[3]])
        elif entries and line.startswith(" "):
            entries[-1][1] += f" {line.strip()}"
        else:
            return None
    return [(name, words) for name, words in entries]


def parameters(thing: Any) -> set[str]:
    """Names a function or class is called with; none where it cannot be told."""
    try:
        return set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return set()


def as_list(listed: list[tuple[str, str]], explained: set[str]) -> list[str]:
    """An aligned list as fields of parameters, or as a definition list where it explains something else."""
    if all(names in explained for names, _ in listed):
        return [f":param {names}: {escape(words)}" for names, words in listed]
    return [line for names, words in listed for line in (f"``{names}``", f"   {escape(words)}")]


def lay_out(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring in place, paragraph by paragraph."""
    if any(line.lstrip().startswith(".. ") for line in lines):  # reStructuredText already
        return
    if any(SECTION.match(line) for line in lines):
        lines[:] = GoogleDocstring(lines, None, app, what, name, thing, options).lines()
        return
    out: list[str] = []
    for paragraph in "\n".join(lines).strip("\n").split("\n\n"):
        rows = [line for line in paragraph.split("\n") if line.strip()]
        listed = entries(rows) if rows else None
        if listed:
            out += as_list(listed, parameters(thing))
        elif rows and rows[0].lstrip().startswith(">>>"):
            out += rows
        elif rows and all(line.startswith("    ") for line in rows):  # laid out by hand
            out += ["::", "", *(f"   {line.strip()}" for line in rows)]
        else:
            out += [escape(line.strip()) for line in rows]
        out.append("")
    lines[:] = out


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("autodoc-process-docstring", lay_out)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
