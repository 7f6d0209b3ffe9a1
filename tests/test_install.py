"""An installed package, without its checkout: what it needs is declared, and the command works in any folder."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = {"sklearn": "scikit-learn", "yaml": "pyyaml", "PIL": "pillow", "umap": "umap-learn",
         "faster_coco_eval": "faster-coco-eval"}  # fmt: skip  # module -> distribution
OPTIONAL = {"jaxtyping", "faiss", "benchmarks"}  # shape checks in tests, one search, the checkout's own suite


def test_everything_it_imports_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {name.partition("==")[0] for listed in project["optional-dependencies"].values() for name in listed}
    used = set()
    for path in (ROOT / "sslrepro").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add(node.module.split(".")[0])
    outside = {NAMES.get(name, name) for name in used - {"sslrepro", *sys.stdlib_module_names} - OPTIONAL}
    assert outside <= {*project["dependencies"], *extras}
    assert set(project["dependencies"]) <= outside, "and nothing is declared that is not used"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package as pip puts it there, and its script."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "sslrepro", source / "sslrepro", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    words = ["install", "-q", "--no-deps", "--no-build-isolation", "--target", str(place), str(source)]
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


def run(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    environment.pop("SSLREPRO_HOME", None)
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_script_lists_and_trains_in_the_working_folder(installed, tmp_path):
    where = run(installed, tmp_path, sys.executable, "-c", "import sslrepro; print(sslrepro.__file__)").stdout
    assert where.startswith(str(installed)), "the installed package, not the checkout"
    script = next(installed.glob("bin/sslrepro"))
    listed = run(installed, tmp_path, sys.executable, str(script), "list")
    assert listed.returncode == 0 and "nnclr_queue" in listed.stdout, listed.stderr
    assert run(installed, tmp_path, sys.executable, str(script), "show", "nnclr_quue").returncode == 2
    short = [
        word
        for name in ("data.n_train=64", "data.n_test=32", "data.classes=4", "plan.batch_size=16")
        for word in ("--set", name)
    ]
    words = ["train", "--method", "simclr", "--profile", "smoke", *short]
    trained = run(installed, tmp_path, sys.executable, str(script), *words)
    assert trained.returncode == 0 and "knn_top1" in trained.stdout, trained.stderr
    assert len(list((tmp_path / "runs").glob("simclr-shapes-s0-*/checkpoint.safetensors"))) == 1
