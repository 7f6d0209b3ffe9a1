"""What does a logged number mean, and what do the words of the field mean here? Lists from the package's own data."""

from blocks import Block, div, para
from docutils import nodes
from sphinx.application import Sphinx

from sslrepro.report import glossary

LISTS = {
    "training": (glossary.TRAINING, True),
    "run": (glossary.RUN, True),
    "scores": (glossary.SCORES, True),
    "words": (glossary.WORDS, False),
}


class Glossary(Block):
    """A definition list, by name. Argument: training, run, scores or words."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        explanations, code = LISTS[self.arguments[0]]
        items = nodes.definition_list()
        for name, words in sorted(explanations.items()):
            anchor = f"{self.arguments[0]}-{name.replace(' ', '-').replace('_', '-')}"
            term = nodes.term("", "", nodes.literal("", name) if code else nodes.Text(name), ids=[anchor])
            items += nodes.definition_list_item("", term, nodes.definition("", para(*self.with_code(words))))
        return [div("glossary", items)]

    @staticmethod
    def with_code(words: str) -> list[nodes.Node | str]:
        """Words whose names in backticks are code."""
        parts = words.split("`")
        return [nodes.literal("", part) if place % 2 else part for place, part in enumerate(parts) if part]


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("metrics-glossary", Glossary)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
