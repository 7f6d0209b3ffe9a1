"""Imports point downward: a room imports only from rooms before it."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sslrepro"
ROOMS = ["check", "types", "store", "host", "data", "parts", "methods", "config", "train", "evaluate", "snapshots", "papers",
         "tables", "claims", "profiles", "tasks", "plans", "study", "ledger", "atlas", "forms", "labels", "figures",
         "verdicts", "report", "trends", "unfinished", "budget_sweep", "neighbour_map", "when", "trial", "survey", "presenters",
         "player", "evolution", "publish", "change", "__main__"]  # fmt: skip
LIGHT = {"torch", "torchvision", "numpy", "scipy", "sklearn", "pandas", "yaml", "safetensors", "tqdm", "PIL"}
OPTIONAL = {"jaxtyping", "faiss"}  # used where they are installed: types.py, parts/cluster.py
PRESENTING = {
    "atlas",
    "forms",
    "labels",
    "figures",
    "verdicts",
    "report",
    "trial",
    "survey",
    "unfinished",
    "budget_sweep",
    "neighbour_map",
    "when",
    "presenters",
    "player",
    "evolution",
    "publish",
    "change",
    "__main__",
}  # what a bare training machine never imports


def room(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names if node.module == "sslrepro"]
    return found


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def wrong(path: Path) -> list[str]:
    own = ROOMS.index(room(path))
    rooms = [name.split(".")[1] for name in imports(path) if name.startswith("sslrepro.")]
    return [name for name in rooms if ROOMS.index(name) > own]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downward(path):
    assert wrong(path) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_training_needs_only_what_a_bare_machine_has(path):
    import sys

    if room(path) in PRESENTING:
        return
    outside = {name.split(".")[0] for name in imports(path)} - {"sslrepro"} - set(sys.stdlib_module_names)
    assert outside <= LIGHT | OPTIONAL


def test_the_check_sees_a_wrong_import(tmp_path, monkeypatch):
    planted = tmp_path / "parts" / "losses.py"
    planted.parent.mkdir()
    planted.write_text("from sslrepro.methods.simclr import SimCLR\nfrom sslrepro.check import require\n")
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    assert wrong(planted) == ["methods"]


def test_training_runs_without_what_is_optional():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['jaxtyping'] = sys.modules['faiss'] = None; import sslrepro.study.results; print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout == "ok\n", done.stderr


def test_only_the_loop_steps_an_optimizer():
    steps = [p.name for p in FILES if re.search(r"(solver|optimizer)(s\[\d\])?\.step\(\)", p.read_text())]
    # a probe and ISL's adversarial net have optimizers of their own; what times a step keeps no encoder
    assert sorted(steps) == ["frontier.py", "linear_sgd.py", "overhead.py", "train.py"]


def test_gathers_live_in_one_file():
    assert [p.name for p in FILES if "torch.distributed" in p.read_text()] == ["gather.py"]
