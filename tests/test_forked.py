"""A forked process is what a new interpreter would be: output, status, environment, folder, modules of its own."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests import forked

PROBE = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("COLOUR"), "HOME" in os.environ, "__file__" in globals(), __name__)
print("sslrepro" in sys.modules, "tests.conftest" in sys.modules)
import probed
print(probed.WHERE)
print("said", file=sys.stderr)
sys.exit(len(sys.argv) - 1)
"""


@pytest.fixture
def place(tmp_path) -> tuple[dict[str, str], Path]:
    """An environment and a working folder in which two modules can be found."""
    for name, text in (("probe", PROBE), ("probed", "WHERE = __file__")):
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    return {"PYTHONPATH": str(tmp_path), "COLOUR": "blue", "PATH": os.environ["PATH"]}, tmp_path


@pytest.mark.parametrize("words", [(), ("a", "b c")])
def test_it_does_what_a_new_interpreter_does(place, words):
    environment, folder = place
    start = [sys.executable, "-m", "probe", *words]
    real = subprocess.run(start, env=environment, cwd=folder, capture_output=True, text=True)
    done = forked.run_module("probe", *words, env=environment, cwd=folder)
    assert real.returncode == len(words) and real.stderr == "said\n", real.stderr
    assert (done.returncode, done.stdout, done.stderr) == (real.returncode, real.stdout, real.stderr)


def test_a_child_leaves_nothing_behind(place):
    environment, folder = place
    before = os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules)
    forked.run_module("probe", env=environment, cwd=folder)
    assert (os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules)) == before
    assert "blue" not in forked.run_module("probe", env=environment | {"COLOUR": "red"}, cwd=folder).stdout


def test_a_traceback_is_an_error_of_the_child(place):
    environment, folder = place
    (folder / "probe.py").write_text("raise KeyError('no such thing')", "utf-8")
    done = forked.run_module("probe", env=environment, cwd=folder)
    assert done.returncode == 1 and "KeyError: 'no such thing'" in done.stderr


def test_what_children_cost_is_counted(place):
    environment, folder = place
    (folder / "probe.py").write_text("import time\nwhile time.process_time() < 0.5: pass", "utf-8")
    forked.run_module("probe", env=environment, cwd=folder)
    before = forked.used()
    forked.run_module("probe", env=environment, cwd=folder)
    assert forked.used() - before > 0.4, "at least: other workers of the suite fork from the same server"


def test_kernels_are_forked_and_die_with_their_notebook(tmp_path):
    """In a child, so that kernels of other tests stay as they are."""
    process = forked.start(execute, tmp_path)
    process.join(120)
    assert process.exitcode == 0
    kernel, parent, cell = (tmp_path / "said").read_text("utf-8").split()
    assert parent != str(process.pid) and cell == "7"
    assert not Path(f"/proc/{kernel}").exists()


def execute(folder: Path) -> None:
    forked.fork_kernels()
    cells = [
        "import os; print(os.getpid(), os.getppid()); x = 3",
        "print(x + 4)",
        "assert 'torch' in __import__('sys').modules",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    (folder / "said").write_text("".join(cell.outputs[0].text for cell in notebook.cells[:2]), "utf-8")
