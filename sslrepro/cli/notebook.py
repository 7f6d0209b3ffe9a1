"""`notebook`: a notebook with one parameter to change, or one to take apart."""

import argparse
import os
import sys
from typing import Any


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("notebook", help="a notebook to change, opened in JupyterLab")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", help="id of the table whose setting is changed")
    what.add_argument("--method", help="name of the method")
    what.add_argument("--name", help="of a notebook in notebooks/, such as inside_one_step: a copy is opened")
    sub.add_argument("--no-open", action="store_true", help="write it and say where it is")
    sub.add_argument("jupyter", nargs="*", metavar="WORD", help="for JupyterLab, after --: --no-browser, --allow-root")
    sub.set_defaults(perform=open_notebook)


def open_notebook(settings: argparse.Namespace) -> None:
    """Write a notebook to change, keep the reader's where there is one, and open it."""
    from importlib.util import find_spec

    from sslrepro.base.errors import require
    from sslrepro.explore import starter_notebooks

    if settings.name:
        path, new = starter_notebooks.write_copy(settings.name)
    else:
        path, new = starter_notebooks.write(starter_notebooks.starter_notebook_of(settings.table, settings.method))
    print(f"{'written' if new else 'kept   '}   {path}")
    if not new:
        print("          it was there, and may be yours: rename or delete it for a fresh one")
    if settings.no_open:
        return
    require(
        find_spec("jupyterlab") is not None,
        "notebook",
        "jupyterlab",
        "installed",
        None,
        "pip install -r requirements.txt, or open the file with an editor of your own (--no-open).",
    )
    known = [
        str(starter_notebooks.PROJECT),
        *os.environ.get("PYTHONPATH", "").split(os.pathsep),
    ]  # the kernel finds this sslrepro
    place = os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, known)))}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", str(path), *settings.jupyter], place)
