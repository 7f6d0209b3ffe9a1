"""A table's own words, for a notebook that is opened by hand: a published page has them in its text cells."""

from typing import Any

from sslrepro.tables.definition import Definition


class Markdown:
    """Text that a notebook shows as Markdown, equations included."""

    def __init__(self, text: str):
        self.text = text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": self.text, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


def idea(definition: Definition) -> Markdown:
    """The question, what is varied and why, and the equation where there is one."""
    equation = f"\n\n$$\n{definition.equation.strip()}\n$$" if definition.equation else ""
    return Markdown(f"**{definition.question}**\n\n{definition.idea}{equation}")


def reading(definition: Definition) -> Markdown:
    """How to read the table, fixed before the runs, and how the paper's settings map to ours."""
    return Markdown(f"{definition.reading}\n\n*How the paper's settings map to ours.* {definition.mapping}")
