"""A paper's contradictions, with our notes from book/contradictions.md."""

import re
from typing import Any

from blocks import Block, div, list_of, para, strong
from docutils import nodes
from docutils.statemachine import StringList
from relations import NOTE, concerns, definitions, readable, short
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
        strangers = set(notes) - {contradiction["id"] for contradiction in own}
        require(not strangers, f"contradictions {self.arguments[0]}", "note", "on one of the paper's own", strangers)
        return [self.entry(contradiction, notes.get(contradiction["id"])) for contradiction in own]

    def entry(self, contradiction: dict[str, Any], note: StringList | None) -> nodes.Node:
        """One contradiction."""
        name = contradiction["id"]
        kind = "transcription" if contradiction["type"] == "ocr" else contradiction["type"]
        within = contradiction["scope"] == "within"
        scope = "within the paper" if within else f"between {', '.join(map(short, contradiction['papers']))}"
        entry = div("entry contradiction", para(strong(name), f" {scope}: {kind}", kind="name"), id=name)
        sides = [div("side", para(readable(contradiction[side]))) for side in ("statement_a", "statement_b")]
        entry += div("sides", *sides)
        if mirrored := re.fullmatch(r"see (\w+)", contradiction["analysis"].strip()):
            entry += para("Described under ", *self.id_link(mirrored[1]), ".", kind="analysis")
            return entry
        entry += para(readable(contradiction["analysis"]), kind="analysis")
        if note is not None and any(line.strip() for line in note):
            self.state.nested_parse(note, self.content_offset, entry)
        entry += para(strong("What we do."), f" {readable(contradiction['use'])}", kind="use")
        lines = []
        if ids := concerns()[name]:
            lines.append(["concerns ", *list_of([self.id_link(other) for other in ids])])
        ran = [d for d in definitions().values() if name in getattr(d, "margin", ())]
        for definition in ran:
            shown = self.pages(definition.id)
            lines.append(
                ["run in ", *self.id_link(definition.id), ": ", *list_of(shown, "· ")]
                if shown
                else ["to be run in ", *self.id_link(definition.id)]
            )
        if lines:
            entry += para(*list_of(lines, " · "), kind="about")
        return entry


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("contradictions", Contradictions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
