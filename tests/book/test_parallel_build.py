"""The book's build: what all processes need is read once, before they part."""

import importlib
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


@pytest.fixture
def build(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(EXTENSIONS), *sys.path])
    return importlib.import_module("parallel_build")


@pytest.fixture
def app():
    """An application of Sphinx that keeps what is connected to its events."""
    handlers = defaultdict(list)
    return SimpleNamespace(
        extensions={name: SimpleNamespace(parallel_read_safe=None) for name in ("boxes", "sphinx_multitoc_numbering")},
        handlers=handlers,
        connect=lambda event, handler: handlers[event].append(handler),
    )


def test_results_are_read_before_processes_part(build, app, monkeypatch):
    reads = []
    monkeypatch.setattr(build, "judged", lambda: reads.append("read") or ())
    build.setup(app)
    assert 1 <= app.parallel <= 4 and not reads
    changed = [handler(app, None, ["index"]) for handler in app.handlers["env-before-read-docs"]]
    assert reads == ["read"] and changed == [None], "no page is added to those that are read"


def test_results_are_read_once_per_process(build):
    published = importlib.import_module("published")
    assert published.published_results() is published.published_results()
    assert published.judged() is published.judged()


def test_extensions_that_keep_nothing_of_a_page_are_declared(build, app):
    build.setup(app)
    for handler in app.handlers["builder-inited"]:
        handler(app)
    assert app.extensions["sphinx_multitoc_numbering"].parallel_read_safe is True
    assert app.extensions["boxes"].parallel_read_safe is None, "others speak for themselves"
