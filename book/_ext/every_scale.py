"""A table at every scale that was run, on its page; read from the ledger at build time, nothing is executed."""

from blocks import Block, raw
from docutils import nodes
from sphinx.application import Sphinx

from sslrepro.report.every_scale import block, of_table


class EveryScale(Block):
    """Scales, numbers, verdicts and what changes: `{every-scale} nnclr_queue`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = of_table(self.arguments[0])
        for results in shown.several:
            for name in results.known:
                self.env.note_dependency(str(results.plan.ledger / f"{name}.json"))
        return [raw(f'<div class="every-scale">{block(shown).html}</div>')]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("every-scale", EveryScale)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
