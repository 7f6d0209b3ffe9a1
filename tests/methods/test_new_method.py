"""A method of somebody else's: three new files, none edited, and the tests that every method has."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sslrepro.cli.new_method import class_name, write
from tests import forked

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources, without results."""
    place = tmp_path_factory.mktemp("fork") / "tree"
    without = shutil.ignore_patterns("__pycache__", "executed", "cpu", "cpu-*", "night", "*.png")
    for name in ("sslrepro", "tests", "notebooks", "book"):
        shutil.copytree(ROOT / name, place / name, ignore=without)
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def run(tree: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    environment.pop("SSLREPRO_HOME", None)
    return forked.run_module(*words, env=environment, cwd=tree)


@pytest.mark.parametrize(("name", "like"), [("agree", "msf"), ("my_clusters", "deepcluster")])
def test_three_files_that_pass_as_written(tree, name, like):
    before = {
        path: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    reply = run(tree, "sslrepro", "new", "method", name, "--like", like)
    assert reply.returncode == 0 and reply.stdout.count("written") == 3, reply.stderr
    after = {path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in str(path)} - before.keys()
    assert {str(path.relative_to(tree)) for path in after} == {
        f"sslrepro/methods/{name}.py",
        f"tests/equations/{name}.py",
        f"book/methods/{name}.md",
    }
    assert all(path.stat().st_mtime_ns == when for path, when in before.items()), "no other file is touched"
    checks = {"tests/methods/test_equations.py": name}
    if like == "msf":
        checks |= {
            "tests/methods/test_contract.py": f"{name} or no_method",
            "tests/training/test_every_method.py": name,
            "tests/methods/test_gradients_and_state.py": "heads_have or what_the_loop_does",
            "tests/test_layers.py": "imports or room",
            "tests/test_identity.py": "planned",
            "tests/book/test_sources.py": "page_that_includes",
        }
    chosen = " or ".join(f"({Path(file).name} and ({words}))" for file, words in checks.items())
    tested = run(tree, "pytest", "-q", "-rp", *checks, "-k", chosen)
    assert tested.returncode == 0 and "failed" not in tested.stdout, tested.stdout[-3000:]
    assert [file for file in checks if f"PASSED {file}::" not in tested.stdout] == [], "each has a test of it"
    if like != "msf":
        return
    assert name in run(tree, "sslrepro", "list").stdout
    page = (tree / "book" / "methods" / f"{name}.md").read_text("utf-8")
    assert f"# {class_name(name)}\n" in page and f"{class_name(name)}.loss" in page and f"{like}.py" not in page


@pytest.mark.parametrize(
    ("name", "like", "message"),
    [
        ("Agree", "msf", "name must be small letters"),
        ("nnclr", "msf", "name must be one that is not taken"),
        ("agree2", "nnclr", "--like must be one of .*msf"),
        ("agree2", "mfs", "Did you mean 'msf'"),
    ],
)
def test_wrong_words_are_one_error(tree, name, like, message):
    with pytest.raises(ValueError, match=message):
        write(name, like, tree)


def test_outside_of_a_checkout_it_says_so(tmp_path):
    with pytest.raises(ValueError, match="folder must be a checkout of the repository"):
        write("agree2", "msf", tmp_path)
