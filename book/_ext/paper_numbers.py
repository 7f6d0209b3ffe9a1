"""Inline roles that show a number of a paper and, on hovering, where it is from."""

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.claims import Missing, printed_cell, stated_value
from sslrepro.report.formats import number


def cell(text: str) -> str:
    """table.row.column as the paper prints it, or the difference of two."""
    values = [printed_cell(*part.strip().split(".")) for part in text.split(" - ")]
    if any(value is None for value in values):
        raise Missing(f"{text}: the paper prints nothing there")
    if len(values) == 1:
        return str(values[0]) if isinstance(values[0], str) else plain(values[0])
    digits = max(len(str(value).partition(".")[2]) for value in values)
    return number(values[0] - values[1], digits)


def value(text: str) -> str:
    """paper.name: a number from a paper's text."""
    return plain(stated_value(*text.split(".")))


def setting(text: str) -> str:
    """paper.group.name or table.name: a setting that a paper states."""
    first, *rest = text.split(".")
    entry: Any = papers.paper(first)["global_settings"] if first in papers.PAPERS else papers.settings(first)
    for name in rest:
        if name not in entry:
            raise Missing(f"{text}: {name}")
        entry = entry[name]
    return ", ".join(map(plain, entry)) if isinstance(entry, list) else plain(entry)


def plain(value: Any) -> str:
    """A printed number with its digits; thousands apart from five digits on."""
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def cell_source(text: str) -> str:
    """Where a printed cell stands: "NNCLR, Table 5: simclr, full aug", for each side of a difference."""
    parts = []
    for part in text.split(" - "):
        table, row, column = part.strip().split(".")
        about = papers.table(table)
        label = next((line["label"] for line in about["columns"] if line["key"] == column), column)
        line = next((line for line in about["rows"] if line["row"] == row), {})
        first = line.get(about["columns"][0]["key"], row)
        short = papers.paper(about["paper"])["paper"]["short"]
        parts.append(f"{short}, {about['number'] or 'text'}: {first}, {label}")
    return "; minus ".join(parts)


def value_source(text: str) -> str:
    """Where a paper states a number: its section and what the number is."""
    key, name = text.split(".")
    about = next(entry for entry in papers.paper(key)["text_values"] if entry["id"] == name)
    return f"{papers.paper(key)['paper']['short']}, {about['source']}: {about['text']}"


def setting_source(text: str) -> str:
    """Whose setting it is, and its name in words."""
    first, *rest = text.split(".")
    key = first if first in papers.PAPERS else papers.table(first)["paper"]
    where = "" if first in papers.PAPERS else f", {papers.table(first)['number']}"
    return f"{papers.paper(key)['paper']['short']}{where}, settings: {', '.join(rest).replace('_', ' ')}"


def role(
    read: Callable[[str], str], source: Callable[[str], str]
) -> Callable[..., tuple[list[nodes.Node], list[nodes.Node]]]:
    """An inline role that shows a number of a paper and, on hovering, where it is from."""

    def reference(name, rawtext, text, lineno, inliner, options=None, content=()):
        try:
            shown = read(text)
        except (Missing, ValueError, KeyError, TypeError) as error:
            message = inliner.reporter.error(f"{name}: {text}: {error}", line=lineno)
            return [inliner.problematic(rawtext, rawtext, message)], [message]
        return [nodes.abbreviation(rawtext, shown, explanation=source(text), classes=["printed"])], []

    return reference


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_role("printed", role(cell, cell_source))
    app.add_role("stated", role(value, value_source))
    app.add_role("setting", role(setting, setting_source))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
