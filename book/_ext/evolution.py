"""Figures of embeddings over training, put into pages at build time from the committed files; nothing is trained."""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from sslrepro.embeddings import evolution, maps
from sslrepro.report.formats import Display
from sslrepro.report.plots import Figure
from sslrepro.study.profiles import on_dataset, profile

LOG = logging.getLogger(__name__)
PARTS = ("question", "picture", "measures", "reading", "rerun")


def part_of(value: str) -> str:
    """One of the parts."""
    return directives.choice(value, PARTS)


class Evolution(SphinxDirective):
    """A part of a figure's page: `{evolution} ifnd_fig3`, with `:part: picture`, `:profile: cpu`, `:dataset:`."""

    required_arguments = 1
    option_spec = {"part": part_of, "profile": directives.unchanged, "dataset": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        definition = evolution.DEFINITIONS[self.arguments[0]]
        part, name = self.options.get("part", "picture"), self.options.get("profile", "cpu")
        dataset = self.options.get("dataset")
        if part in ("question", "reading"):
            text = evolution.question(definition, cite=True) if part == "question" else evolution.reading(definition)
            return self.parse_text_to_nodes(str(text))
        base = on_dataset(profile(name), dataset)
        for arm in definition.arms:
            path = maps.path_of(arm, base, 0)
            self.env.note_dependency(str(path))
            if maps.committed_atlas(arm, base, 0) is None:
                command = f"python -m sslrepro evolution {definition.id} --profile {name}"
                LOG.warning("%s: %s is absent or not of today's configuration: %s", self.env.docname, path, command)
                return []
        results = evolution.figure(definition.id, name, dataset=dataset)
        shown = [getattr(evolution, part)(results)] + ([evolution.caption(results)] if part == "picture" else [])
        kind = "photo" if definition.among else ""  # pictures of images keep their colours in dark mode
        return [nodes.raw("", f'<div class="{kind}">{_html(display)}</div>', format="html") for display in shown]


def _html(shown: Display | Figure) -> str:
    return shown._repr_mimebundle_()["text/html"]


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("evolution", Evolution)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
