"""Imports run one way: a room imports only from rooms before it, and no module reaches itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sslrepro"
ROOMS = ["base", "data", "parts", "methods", "training", "evaluate", "papers", "claims", "tables", "study", "report",
         "embeddings", "own", "explore", "cli"]  # fmt: skip
PRESENTING = {"report", "embeddings", "own", "explore", "cli"}  # what a bare training machine never imports
LIGHT = {"torch", "torchvision", "numpy", "scipy", "sklearn", "yaml", "safetensors", "tqdm", "PIL", "faster_coco_eval"}
# used where they are installed: base/types.py, parts/cluster.py, base/paths.py, study/clusters.py, study/slurm.py
OPTIONAL = {"jaxtyping", "faiss", "platformdirs", "timm", "dask", "distributed", "submitit"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


FRONT = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}  # the front door opens every room
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path not in FRONT)


def wrong(path: Path) -> list[str]:
    own = ROOMS.index(room(path))
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("sslrepro.")}
    return sorted(name for name in rooms if ROOMS.index(name) > own)


def test_the_root_holds_rooms():
    names = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert names == {"__init__.py", "__main__.py", *ROOMS}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    assert wrong(path) == []


def graph(package: Path) -> dict[str, set[str]]:
    """Module -> the modules of the package it imports, anywhere in its file."""
    files = {
        ".".join(("sslrepro", *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in package.rglob("*.py")
        if path not in FRONT
    }
    arrows = {}
    for name, path in files.items():
        asked = {other for other in imports(path) if other in files}
        # `from room import module` names both: only the module is meant, unless the room itself gives something
        arrows[name] = {other for other in asked if not any(deeper.startswith(f"{other}.") for deeper in asked)} - {
            name
        }
    return arrows


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """The modules on the first circle; [] where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for other in sorted(arrows[name]):
            if path_back := walk(other, [*path, name]):
                return path_back
        done.add(name)
        return []

    return next((path_back for name in sorted(arrows) if (path_back := walk(name, []))), [])


def test_no_module_reaches_itself():
    assert circle(graph(PACKAGE)) == []


def test_the_book_imports_no_command_line():
    allowed = {*ROOMS[:-1]}  # pages show the player of embeddings and offer notebooks to start from
    for path in (PACKAGE.parent / "book" / "_ext").glob("*.py"):
        asked = {name.split(".")[1] for name in imports(path) if name.startswith("sslrepro.")}
        assert asked <= allowed, path.name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_training_needs_only_what_a_bare_machine_has(path):
    if room(path) in PRESENTING:
        return
    outside = {name.split(".")[0] for name in imports(path)} - {"sslrepro"} - set(sys.stdlib_module_names)
    assert outside <= LIGHT | OPTIONAL


def test_the_checks_see_a_wrong_import_and_a_circle(tmp_path, monkeypatch):
    planted = tmp_path / "parts" / "losses.py"
    planted.parent.mkdir()
    planted.write_text("from sslrepro.methods.simclr import SimCLR\nfrom sslrepro.base.errors import require\n")
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    assert wrong(planted) == ["methods"]
    planted.write_text("from sslrepro.parts.masks import own_key\n")
    (tmp_path / "parts" / "masks.py").write_text("def f():\n    from sslrepro.parts import losses\n")
    assert circle(graph(tmp_path)) == ["sslrepro.parts.losses", "sslrepro.parts.masks"]


def test_training_runs_without_what_is_optional():
    code = "import sys; sys.modules |= dict.fromkeys(('jaxtyping', 'faiss', 'platformdirs', 'dask', 'distributed', 'submitit')); import sslrepro.study.results; print('ok')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout == "ok\n", done.stderr


def test_only_the_loop_steps_an_optimizer():
    steps = [p.name for p in FILES if re.search(r"(solver|optimizer)(s\[\d\])?\.step\(\)", p.read_text("utf-8"))]
    # a probe and ISL's adversarial net have optimizers of their own; what times a step keeps no encoder, tuning a copy
    loops = ["detection.py", "finetuning.py", "frontier.py", "linear_sgd.py", "loop.py", "overhead.py", "passes.py"]
    assert sorted(steps) == loops


def test_torch_distributed_is_imported_in_one_file():
    assert [p.name for p in FILES if "torch.distributed" in p.read_text("utf-8")] == ["distributed.py"]
