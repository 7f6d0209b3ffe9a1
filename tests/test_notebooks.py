"""Notebooks present: prose, parameters, calls. They are committed normalised and without output."""

import ast
import json
from pathlib import Path

import pytest

from sslrepro import tables
from sslrepro.report.presenters import presenter
from sslrepro.report.publish import dump, normalise

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted(p for p in (ROOT / "book" / "executed").glob("*.ipynb") if not p.stem.endswith("-smoke"))
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda, ast.Try, ast.With,
         ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)  # fmt: skip


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def logic(source: str) -> list[str]:
    return [type(node).__name__ for node in ast.walk(ast.parse(source)) if isinstance(node, LOGIC)]


def test_there_are_notebooks():
    assert SOURCES


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_no_functions_classes_or_loops(path):
    for cell in cells(path):
        assert logic(cell["source"]) == [] and len(cell["source"].splitlines()) <= 10


def test_the_check_sees_planted_logic():
    assert logic("def f(): pass") and logic("[i for i in x]") and logic("while True: pass") and not logic("f(x)")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_sources_are_normalised_and_output_free(path):
    assert path.read_text() == dump(normalise(json.loads(path.read_text()), keep_outputs=False))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_defaults_are_the_smoke_profile(path):
    (parameters,) = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert 'profile = "smoke"' in parameters["source"] and "seeds = 1" in parameters["source"]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_pages_are_normalised_whole_and_small(path):
    page = json.loads(path.read_text())
    assert path.read_text() == dump(normalise(page))
    assert path.stat().st_size < 1_000_000
    outputs = [output for cell in cells(path) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] in ("error", "stream")]
    code = [cell for cell in cells(path) if "parameters" not in cell["metadata"].get("tags", [])]
    assert all({"hide-input", "injected-parameters"} & set(cell["metadata"]["tags"]) for cell in code)
    assert all(name in str(page["metadata"]["sslrepro"]) for name in ("digest", "parameters"))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_a_page_has_its_parts_in_order(path):
    text = path.read_text()
    parts = ["table_page.headline", "## What is varied", "table_page.table", "table_page.figure", "## How to read it",
             "table_page.verdicts", "table_page.changes", "table_page.cost", "table_page.rerun", "table_page.provenance"]  # fmt: skip
    table = json.loads(text)["metadata"]["sslrepro"]["parameters"]["table"]
    if tables.definition(table).notebook != "table":  # a table of ours: no paper's numbers, no claims
        pages = presenter(tables.definition(table)).__name__.rpartition(".")[2]
        parts = [f"{pages}.headline", "## What is compared", f"{pages}.table", f"{pages}.figure", "## How to read it",
                 "table_page.cost", "table_page.rerun", "table_page.provenance"]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_normalising_twice_changes_nothing():
    page = json.loads((PAGES or SOURCES)[0].read_text())
    assert normalise(normalise(page)) == normalise(page)
