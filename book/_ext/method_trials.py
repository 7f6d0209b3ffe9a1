"""What a method's trials chose, on its page: every setting and learning rate tried, on held-out training images."""

from blocks import plain_table
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from sslrepro.report.equal_terms import TRIALS_HEAD, trial_lines
from sslrepro.study.equal_terms import frozen_entries

SCALE = "cpu"


class MethodTrials(Directive):
    """The trials of a method. Argument: the method."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = [line[1:] for line in trial_lines(SCALE) if line[0] == self.arguments[0]]
        return [nodes.raw("", plain_table(TRIALS_HEAD[1:], lines), format="html")]


def with_trials(app: Sphinx, name: str, source: list[str]) -> None:
    """Give the page of every method that was tried its trials."""
    folder, _, method = name.rpartition("/")
    if folder == "methods" and method in frozen_entries(SCALE):
        source[0] += (
            f"\n\n## Trials at {SCALE} scale\n\nLinear probe on a held-out fifth of the training images of two seeds "
            "that no table uses; the best setting is the one on equal terms.\n\n"
            f"```{{method-trials}} {method}\n```\n"
        )


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("method-trials", MethodTrials)
    app.connect("source-read", with_trials)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
