"""Our runs on CIFAR-10 beside published ones: parts of the chapter, from the ledger."""

import html

from blocks import Block, raw
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx

from sslrepro.report import yardsticks

PARTS = ("acceptance", "finding", "table")


def part_of(value: str) -> str:
    """One of the parts."""
    return directives.choice(value, PARTS)


class Yardsticks(Block):
    """A part: `{yardsticks}` with `:part: table`."""

    option_spec = {"part": part_of}

    def run(self) -> list[nodes.Node]:
        part = self.options.get("part", "table")
        if part == "finding":
            return [raw(f"<p>{html.escape(yardsticks.finding())}</p>")]
        return [raw(getattr(yardsticks, part)().html)]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("yardsticks", Yardsticks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
