"""Notebooks present: prose, parameters, calls. They are committed normalised and without output."""

import ast
import json
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from sslrepro import tables
from sslrepro.report import own_words
from sslrepro.report.presenters import presenter
from sslrepro.report.publish import dump, normalise, render
from sslrepro.study.plans import plan_table

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted(p for p in (ROOT / "book" / "executed").glob("*.ipynb") if not p.stem.endswith("-smoke"))
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda, ast.Try, ast.With,
         ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)  # fmt: skip


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def logic(source: str) -> list[str]:
    return [type(node).__name__ for node in ast.walk(ast.parse(source)) if isinstance(node, LOGIC)]


def test_there_are_notebooks():
    assert SOURCES


def tags(cell: dict) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def is_open(path: Path) -> bool:
    """Whether a notebook is there to be taken apart: its title says so by a tag."""
    return "open" in tags(cells(path, "markdown")[0])


OPEN = [path for path in SOURCES if is_open(path)]
PRESENTING = [path for path in SOURCES if not is_open(path)]


def test_the_open_notebooks_are_known():
    assert [path.stem for path in OPEN] == ["inside_one_step", "when_do_neighbours_help", "your_own_method"]


@pytest.mark.parametrize("path", PRESENTING, ids=lambda p: p.stem)
def test_no_functions_classes_or_loops(path):
    for cell in cells(path):
        if "start" not in tags(cell):  # finding the package needs a loop over folders
            assert logic(cell["source"]) == [] and len(cell["source"].splitlines()) <= 10


@pytest.mark.parametrize("path", OPEN, ids=lambda p: p.stem)
def test_open_notebooks_have_short_cells_and_start_small(path):
    assert all(len(cell["source"].splitlines()) <= 45 for cell in cells(path))
    assert 'profile = "gpu"' not in path.read_text("utf-8")


# --- starting ---------------------------------------------------------------------------------------------------------

KERNEL = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in {absent!r} else find(name)
sys.path = [place for place in sys.path if "sslrepro" not in str(place)]
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell({source!r})
print("first:", sys.path[0])
"""


def started(path: Path, folder: Path, absent: tuple[str, ...] = ("sslrepro",)) -> list[str]:
    """What the first code cell prints in a kernel of a folder that does not know the package, then its path."""
    first = cells(path)[0]
    assert "start" in tags(first), "the first code cell finds the package"
    words = [sys.executable, "-c", KERNEL.format(source=first["source"], absent=absent)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    return [line for line in done.stdout.splitlines() if line.strip()]


def test_every_notebook_has_the_same_start():
    assert len({cells(path)[0]["source"] for path in SOURCES}) == 1


def test_a_notebook_finds_the_package_above_its_folder():
    assert started(SOURCES[0], ROOT / "notebooks") == [f"first: {ROOT}"]
    assert started(SOURCES[0], ROOT) == [f"first: {ROOT}"]


def test_elsewhere_a_notebook_says_in_one_line_what_to_do(tmp_path):
    *lines, _ = started(SOURCES[0], tmp_path)
    assert len(lines) == 1 and "sslrepro is not installed" in lines[0] and "make notebook" in lines[0]


def test_an_archive_of_a_release_beside_a_notebook_is_enough(tmp_path):
    """As on Colab, where nothing but the notebook and the archive is put."""
    (tmp_path / "src" / "sslrepro-0.1.0" / "sslrepro").mkdir(parents=True)
    (tmp_path / "src" / "sslrepro-0.1.0" / "sslrepro" / "__init__.py").touch()
    with tarfile.open(tmp_path / "sslrepro-0.1.0.tar.gz", "w:gz") as file:
        file.add(tmp_path / "src" / "sslrepro-0.1.0", "sslrepro-0.1.0")
    (tmp_path / "sslrepro-0.1.0-ledger.tar.gz").write_bytes(b"another archive of the release")
    assert started(SOURCES[0], tmp_path) == [f"first: {tmp_path / 'sslrepro-0.1.0'}"]
    assert not (tmp_path / "sslrepro").exists()


def test_what_is_not_installed_is_named_with_the_file_that_lists_it():
    *lines, _ = started(SOURCES[0], ROOT, ("sslrepro", "torch", "yaml"))
    assert len(lines) == 1 and "not installed here: torch, yaml" in lines[0] and "binder/requirements.txt" in lines[0]


def test_the_notebooks_environment_has_the_pins_of_the_project():
    """And every package that the package declares as needed at run time."""
    pins = {line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()}
    own = {line for line in (ROOT / "binder" / "requirements.txt").read_text("utf-8").splitlines() if line[0] != "#"}
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert own <= pins and {line.partition("==")[0] for line in own} >= set(needed) - {"pillow"}  # torchvision has it


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nnclr_queue", "all_methods"])
def test_a_page_says_its_words_once(name):
    """A table's own words stand in text cells of the page, in output cells of the notebook opened by hand."""
    plan = plan_table(name, "smoke", 1)
    source = json.loads((ROOT / "notebooks" / f"{plan.definition.notebook}.ipynb").read_text("utf-8"))
    assert sum("by-hand" in tags(cell) for cell in source["cells"]) == 2
    page = render(source, plan)
    assert not any({"by-hand", "start"} & tags(cell) for cell in page["cells"])
    text = "\n".join("".join(cell["source"]) for cell in page["cells"])
    assert text.count(plan.definition.idea) == text.count(plan.definition.reading) == 1 and "own_words" not in text
    by_hand = str(own_words.idea(plan.definition)) + str(own_words.reading(plan.definition))
    assert all(words in by_hand for words in (plan.definition.question, plan.definition.idea, plan.definition.reading))
    assert (plan.definition.equation or "").strip() in by_hand


def test_no_notebook_or_room_sets_the_readers_backend():
    for path in (ROOT / "sslrepro" / "explore").glob("*.py"):
        assert "matplotlib.use" not in path.read_text("utf-8") and "pyplot" not in path.read_text("utf-8"), path.name
    code = (
        "import matplotlib; matplotlib.use('svg'); from sslrepro.explore import compare; "
        "plot, said = compare.plot_logs({'a': [[{'epoch': 1.0, 'loss': 2.0}]]}); print(matplotlib.get_backend(), said)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "svg a: loss 2.000\n", done.stderr


def test_the_check_sees_planted_logic():
    assert logic("def f(): pass") and logic("[i for i in x]") and logic("while True: pass") and not logic("f(x)")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_sources_are_normalised_and_output_free(path):
    assert path.read_text("utf-8") == dump(normalise(json.loads(path.read_text("utf-8")), keep_outputs=False))


@pytest.mark.parametrize("path", PRESENTING, ids=lambda p: p.stem)
def test_defaults_are_the_smoke_profile(path):
    (parameters,) = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert 'profile = "smoke"' in parameters["source"] and "seeds = 1" in parameters["source"]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_pages_are_normalised_whole_and_small(path):
    page = json.loads(path.read_text("utf-8"))
    assert path.read_text("utf-8") == dump(normalise(page))
    assert path.stat().st_size < 1_000_000
    outputs = [output for cell in cells(path) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] in ("error", "stream")]
    code = [cell for cell in cells(path) if "parameters" not in cell["metadata"].get("tags", [])]
    assert all({"hide-input", "injected-parameters"} & set(cell["metadata"]["tags"]) for cell in code)
    assert all(name in str(page["metadata"]["sslrepro"]) for name in ("digest", "parameters"))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_a_page_has_its_parts_in_order(path):
    text = path.read_text("utf-8")
    parts = ["table_page.headline", "## What is varied", "table_page.table", "table_page.figure", "## How to read it",
             "table_page.verdicts", "table_page.changes", "table_page.cost", "table_page.rerun", "table_page.provenance"]  # fmt: skip
    table = json.loads(text)["metadata"]["sslrepro"]["parameters"]["table"]
    if tables.definition(table).notebook != "table":  # a table of ours: no paper's numbers, no claims
        pages = presenter(tables.definition(table)).__name__.rpartition(".")[2]
        first = "gains" if pages == "equal_terms" else "table"  # there all rows come after what is read first
        parts = [
            f"{pages}.headline",
            "## What is compared",
            f"{pages}.{first}",
            f"{pages}.figure",
            "## How to read it",
            "table_page.cost",
            "table_page.rerun",
            "table_page.provenance",
        ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_normalising_twice_changes_nothing():
    page = json.loads((PAGES or SOURCES)[0].read_text("utf-8"))
    assert normalise(normalise(page)) == normalise(page)
