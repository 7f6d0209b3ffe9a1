"""Open notebooks where only binder/requirements.txt is installed: python tests/notebooks/clean_environment.py [VENV]

Each is executed beside nothing but the archive of the sources, as a reader puts it on Colab; VENV is used again where it
exists (default: a temporary one, 6 GB and some minutes). Not part of `make test`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from sslrepro.report.release import sources_of_commit

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "binder" / "requirements.txt"
OPEN = ("inside_one_step", "when_do_neighbours_help", "your_own_method")


def environment(place: Path) -> Path:
    """The Python of an environment with the requirements alone."""
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)], check=True)
    return python


def execute(name: str, python: Path, kernels: Path) -> float:
    """Run a notebook beside the archive; returns its seconds, raises nbclient's error where a cell fails."""
    subprocess.run(
        [str(python), "-m", "ipykernel", "install", "--prefix", str(kernels), "--name", "clean"],
        check=True,
        capture_output=True,
    )
    os.environ["JUPYTER_PATH"] = str(kernels / "share" / "jupyter")
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder)
        (Path(folder) / "sslrepro-0.1.0.tar.gz").write_bytes(sources_of_commit("sslrepro-0.1.0"))
        start = time.perf_counter()
        notebook = nbformat.read(Path(folder) / f"{name}.ipynb", 4)
        NotebookClient(notebook, kernel_name="clean", timeout=3600, resources={"metadata": {"path": folder}}).execute()
        assert (Path(folder) / "sslrepro-0.1.0" / "sslrepro").is_dir(), "the package came out of the archive"
        return time.perf_counter() - start


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        python = environment(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(place) / "venv")
        for name in OPEN:
            print(f"{name}: {execute(name, python, Path(place)):.0f} s", flush=True)
