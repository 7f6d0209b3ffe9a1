"""Curves of a table's training courses, and figures of mined positives, put into pages from the committed files."""

from docutils import nodes
from docutils.parsers.rst import directives
from published import pages_of
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from sslrepro.embeddings import mined, positives
from sslrepro.report import course
from sslrepro.study.profiles import profile

LOG = logging.getLogger(__name__)
PARTS = ("question", "picture", "measures", "reading", "rerun")


def part_of(value: str) -> str:
    """One of the parts."""
    return directives.choice(value, PARTS)


def shown(display: object) -> str:
    """What a notebook would show."""
    return display._repr_mimebundle_()["text/html"]


class Course(SphinxDirective):
    """Curves over training of a published table: the content names its rows, a line each; `:series: alike kept`."""

    required_arguments = 1
    has_content = True
    option_spec = {"series": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        pages = [results for _, results, _ in pages_of(self.arguments[0]) if results.plan.profile.name == "cpu"]
        if not pages:
            table = self.arguments[0]
            command = nodes.literal("", f"make reproduce TABLE={table}")
            return [nodes.paragraph("", "", nodes.Text("Not every run is in the ledger yet: "), command)]
        series = self.options.get("series", "alike kept").split()
        figure = course.curves(pages[0], [line.strip() for line in self.content if line.strip()], series)
        return [nodes.raw("", shown(figure), format="html")]


class Mined(SphinxDirective):
    """A part of a page of mined positives: `{mined} isl_fig1`, with `:part: picture`, `:profile: cpu`."""

    required_arguments = 1
    option_spec = {"part": part_of, "profile": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        definition = mined.DEFINITIONS[self.arguments[0]]
        part, name = self.options.get("part", "picture"), self.options.get("profile", "cpu")
        if part in ("question", "reading"):
            text = mined.question(definition, cite=True) if part == "question" else mined.reading(definition)
            return self.parse_text_to_nodes(text)
        base = profile(name)
        for arm in definition.arms:
            path = positives.path_of(arm, base, 0)
            self.env.note_dependency(str(path))
            if positives.load_committed(arm, base, 0) is None:
                command = f"python -m sslrepro evolution {definition.id} --profile {name}"
                LOG.warning("%s: %s is absent or not of today's configuration: %s", self.env.docname, path, command)
                return []
        results = mined.figure(definition.id, name)
        parts = [getattr(mined, part)(results)] + ([mined.caption(results)] if part == "picture" else [])
        kind = "" if definition.kind == "histogram" else "photo"  # pictures of images keep their colours in dark mode
        return [nodes.raw("", f'<div class="{kind}">{shown(display)}</div>', format="html") for display in parts]


def setup(app: Sphinx) -> dict:
    """Register them."""
    app.add_directive("course", Course)
    app.add_directive("mined", Mined)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
