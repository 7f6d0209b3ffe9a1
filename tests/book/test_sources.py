"""The book's sources: what must hold before it is built. Building is `make book`, with warnings as errors."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from sslrepro import methods, papers

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, BOOK / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents() -> list[str]:
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text("utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    names = [toc["root"], *(chapter["file"] for chapter in chapters if "file" in chapter)]
    globs = [chapter["glob"] for chapter in chapters if "glob" in chapter]
    return names + [f"{path.parent.name}/{path.stem}" for glob in globs for path in sorted(BOOK.glob(f"{glob}.md"))]


def test_every_listed_page_exists_and_every_published_page_is_listed():
    for name in contents():
        assert (BOOK / f"{name}.md").exists() or (BOOK / f"{name}.ipynb").exists(), name
    pages = {p.stem for p in (BOOK / "executed").glob("*.ipynb") if not p.stem.endswith("-smoke")}
    assert pages == {name.removeprefix("executed/") for name in contents() if name.startswith("executed/")}


def test_every_method_has_a_page_that_includes_its_code():
    for name in methods.names():
        text = (BOOK / "methods" / f"{name}.md").read_text("utf-8")
        assert f"../../sslrepro/methods/{name}.py" in text and f"methods/{name}" in contents()


def test_every_paper_is_in_the_bibliography():
    keys = re.findall(r"@\w+\{(\w+),", (BOOK / "references.bib").read_text("utf-8"))
    assert set(papers.PAPERS) <= set(keys) and len(keys) == len(set(keys))
    for page in BOOK.rglob("*.md"):
        assert set(re.findall(r"\{cite:\w+\}`(\w+)`", page.read_text("utf-8"))) <= set(keys), page


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example.org/x.css">',
        '<img alt="" src="http://example.org/x.png">',
    ],
)
def test_a_remote_asset_is_found(tag, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f"<html><body>{tag}</body></html>")
    assert len(load("offline").remote_assets(page)) == 1
    assert load("local_assets").REMOTE.search(tag)


def test_links_and_local_assets_are_not():
    offline = load("offline")
    assert offline.remote_assets.__doc__
    parser = offline.Remote()
    parser.feed(
        '<a href="https://arxiv.org/abs/2104.14548">x</a><script src="_static/x.js"></script>'
        '<link rel="canonical" href="https://example.org"><img alt="" src="data:image/png;base64,AA">'
    )
    assert parser.remote == []


def test_no_asset_is_vendored():
    names = [path.name for path in BOOK.rglob("*") if path.is_file()]
    assert not [name for name in names if "mathjax" in name.lower() or name in ("tex-svg.js", "plotly.min.js")]


@pytest.mark.parametrize("package", ["sphinx-mathjax-offline", "plotly"])
def test_scripts_come_from_pinned_packages(package):
    path = load("local_assets").file_of(package)
    assert path.exists() and path.stat().st_size > 1_000_000


def laid_out(text: str, thing=None) -> list[str]:
    lines = text.split("\n")
    load("docstrings").lay_out(None, "function", "f", thing, None, lines)
    return lines


def test_aligned_names_become_parameters_or_a_definition_list():
    lines = laid_out(
        "One line with a * star.\n\n    k   a `thing` that\n        goes on\n    n   another\n\nRaises x_.",
        lambda k, n: None,
    )
    assert lines[0] == r"One line with a \* star."
    assert ":param k: a ``thing`` that goes on" in lines and ":param n: another" in lines and r"Raises x\_." in lines
    of_result = laid_out("What it gives.\n\nagree   equal runs;  differ   the others", lambda: None)
    assert of_result[2:6] == ["``agree``", "   equal runs", "``differ``", "   the others"]


def test_google_sections_go_to_napoleon():
    lines = laid_out("Sum.\n\nArgs:\n    k: a thing\n\nRaises:\n    ValueError: if not")
    assert ":param k: a thing" in lines and ":raises ValueError: if not" in lines


def test_prose_and_examples_stay():
    assert laid_out("First: not a type.\n\n>>> f(1)\n2")[:4] == ["First: not a type.", "", ">>> f(1)", "2"]


def test_every_extension_answers_one_question_and_is_listed_or_imported():
    """No file of book/_ext grows past 250 lines, and none is left that nothing loads."""
    listed = set(yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["local_extensions"])
    files = {path.stem: path.read_text("utf-8") for path in (BOOK / "_ext").glob("*.py")}
    assert {name for name, text in files.items() if text.count("\n") > 250} == set()
    imported = {name for text in files.values() for name in re.findall(r"^(?:from|import) (\w+)", text, re.M)}
    by_make = {name for name in files if f"_ext/{name}.py" in (ROOT / "Makefile").read_text("utf-8")}
    assert set(files) == (listed | imported | by_make) & set(files) and listed <= set(files)
    assert {name for name, text in files.items() if "\ndef setup(" in text} == listed


def test_code_that_pages_show_exists():
    shown = [
        (page.parent / match[1], match[2])
        for page in BOOK.rglob("*.md")
        for match in re.finditer(
            r"\{literalinclude\} (\S+)\n(?:(?!```).*\n)*?:pyobject: (\S+)", page.read_text("utf-8")
        )
    ]
    assert len(shown) > 30
    for path, name in shown:
        last = name.rpartition(".")[2]
        assert re.search(rf"^ *(def|class) {last}\b", path.read_text("utf-8"), re.M), f"{path}: {name}"
