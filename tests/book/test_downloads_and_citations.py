"""Figures of table pages as PNG beside SVG and CSV, and the line that says how a page is cited."""

import base64
import re
import sys

import pytest

from tests.book.test_sources import BOOK, load

HEAD = '<div class="scroll"><img class="plot wide" alt="a" src="data:image/png;base64,{}"></div><p class="copies">'
LINKS = 'Download this figure: <a download="{}.svg" href="data:image/svg+xml;base64,AA">SVG</a> · CSV</p>'


@pytest.fixture
def extensions(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BOOK / "_ext"), *sys.path])


def test_each_figure_gets_its_own_picture():
    shown = "".join(HEAD.format(png) + LINKS.format(stem) for png, stem in (("AB", "one"), ("CD", "two")))
    with_png = load("figure_downloads").with_png
    for png, stem in (("AB", "one"), ("CD", "two")):
        assert f'<a download="{stem}.png" href="data:image/png;base64,{png}">PNG</a> · CSV' in with_png(shown)
    assert with_png(with_png(shown)) == with_png(shown)


def test_a_table_and_a_figure_without_svg_stay_as_they_are():
    for shown in (HEAD.format("AB") + "Download this table: CSV</p>", HEAD.format("AB")):
        assert load("figure_downloads").with_png(shown) == shown


def test_a_page_is_cited_with_its_title_version_and_place(extensions):
    line = load("cite_line").line("methods/nnclr", "NNCLR & friends")
    assert "NNCLR &amp; friends. In: sslrepro, version" in line and "methods/nnclr.html" in line
    entry = base64.b64decode(re.search(r"base64,([^\"]+)", line)[1]).decode()
    assert entry.startswith("@software{sslrepro-methods-nnclr,") and r"NNCLR \& friends" in entry
    assert "sslrepro cite" not in line


def test_a_table_page_offers_the_entry_of_cite(extensions):
    line = load("cite_line").line("executed/nnclr_queue-cpu", "How long?")
    entry = base64.b64decode(re.search(r"base64,([^\"]+)", line)[1]).decode()
    assert (
        "How long? In: sslrepro" in line
        and "sslrepro cite nnclr_queue" in line
        and "@software{sslrepro-nnclr_queue," in entry
        and "@inproc" in entry
    )
