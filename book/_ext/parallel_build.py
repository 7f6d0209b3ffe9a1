"""How many processes read and write pages? jupyter-book knows no option for it."""

import os

from published import judged
from sphinx.application import Sphinx

SILENT = ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex")  # declare nothing; neither keeps anything of a page


def setup(app: Sphinx) -> dict:
    """As many as there are cores, four at most."""
    app.parallel = min(4, os.cpu_count() or 1)

    def declare(app: Sphinx) -> None:
        for name in app.extensions.keys() & SILENT:
            app.extensions[name].parallel_read_safe = True

    app.connect("builder-inited", declare)

    def read_results(app: Sphinx, env: object, docnames: list[str]) -> None:
        judged()  # kept, so that every process is forked with it

    app.connect("env-before-read-docs", read_results)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
