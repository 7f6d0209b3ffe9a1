"""The scales, from the code that runs them."""

from blocks import plain_table
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


class Profiles(Directive):
    """The scales, from the code that runs them."""

    def run(self) -> list[nodes.Node]:
        from sslrepro.study.profiles import PROFILES

        head = ["profile", "where", "images", "encoder", "epochs", "batch", "optimizer", "seeds"]
        body = []
        for made in PROFILES.values():
            data = f"{made.data.name}, {made.n_train:,} of {made.data.side or 'native'} px"
            run = made.plan
            body.append([made.name, made.where, data, made.encoder, f"{run.epochs:,}",
                         f"{run.batch_size:,}", f"{run.optimizer}, lr {run.lr:g}", str(made.seeds)])  # fmt: skip
        return [nodes.raw("", plain_table(head, body), format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("profiles", Profiles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
