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
        for profile in PROFILES.values():
            data = f"{profile.data.name}, {profile.n_train:,} of {profile.data.side or 'native'} px"
            run = profile.plan
            body.append([profile.name, profile.where, data, profile.encoder, f"{run.epochs:,}",
                         f"{run.batch_size:,}", f"{run.optimizer}, lr {run.lr:g}", str(profile.seeds)])  # fmt: skip
        return [nodes.raw("", plain_table(head, body), format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("profiles", Profiles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
