"""A paper's contradictions, with our notes from book/contradictions.md."""

import re
from typing import Any

from blocks import Block, div, listed, para, strong
from docutils import nodes
from docutils.statemachine import StringList
from relations import NOTE, concerned, definitions, readable, short
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.base.errors import require


class Contradictions(Block):
    """A paper's contradictions, in full; the content adds what we say of each. Argument: the paper.

    Content: for each note a line `id: ids of the tables, figures and claims it concerns`, then Markdown, indented.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        notes: dict[str, StringList] = {}
        for place, line in enumerate(self.content):
            if match := NOTE.match(line):
                notes[match[1]] = StringList()
                name = match[1]
            elif line.strip():
                notes[name].append(line.strip(), *self.content.info(place))
            elif notes:
                notes[name].append("", *self.content.info(place))
        own = papers.paper(self.arguments[0])["contradictions"]
        strangers = set(notes) - {one["id"] for one in own}
        require(not strangers, f"contradictions {self.arguments[0]}", "note", "on one of the paper's own", strangers)
        return [self.entry(one, notes.get(one["id"])) for one in own]

    def entry(self, one: dict[str, Any], note: StringList | None) -> nodes.Node:
        """One contradiction."""
        name = one["id"]
        kind = "transcription" if one["type"] == "ocr" else one["type"]
        scope = "within the paper" if one["scope"] == "within" else f"between {', '.join(map(short, one['papers']))}"
        made = div("entry contradiction", para(strong(name), f" {scope}: {kind}", kind="name"), id=name)
        sides = [div("side", para(readable(one[side]))) for side in ("statement_a", "statement_b")]
        made += div("sides", *sides)
        if mirrored := re.fullmatch(r"see (\w+)", one["analysis"].strip()):
            made += para("Described under ", *self.named(mirrored[1]), ".", kind="analysis")
            return made
        made += para(readable(one["analysis"]), kind="analysis")
        if note is not None and any(line.strip() for line in note):
            self.state.nested_parse(note, self.content_offset, made)
        made += para(strong("What we do."), f" {readable(one['use'])}", kind="use")
        lines = []
        if ids := concerned()[name]:
            lines.append(["concerns ", *listed([self.named(other) for other in ids])])
        ran = [d for d in definitions().values() if name in getattr(d, "margin", ())]
        for definition in ran:
            shown = self.pages(definition.id)
            lines.append(["run in ", *self.named(definition.id), ": ", *listed(shown, "· ")] if shown else
                         ["to be run in ", *self.named(definition.id)])  # fmt: skip
        if lines:
            made += para(*listed(lines, " · "), kind="about")
        return made


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("contradictions", Contradictions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
