"""The book can be read: badges in both themes, verdict words that may come, the scale inside, search without a server."""

import importlib
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
CSS = (ROOT / "book" / "assets" / "book.css").read_text("utf-8")
VERDICTS = ("holds", "contradicted", "inconclusive", "not-tested", "not-judged")


@pytest.fixture(scope="module")
def ext():
    """Extensions by name, imported from their own folder as Sphinx does."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    names = ("badges", "claims_board", "code_behind", "local_assets", "mining_answer", "scale_strip", "search_snippets")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(ROOT / "book" / "_ext"))


def variables(theme: str) -> dict[str, str]:
    """The colours of a theme: the light ones, with those that the dark one sets on top."""
    light = re.search(r":root \{(.*?)\}", CSS, re.S)[1]
    dark = re.search(r'html\[data-theme="dark"\] \{(.*?)\}', CSS, re.S)[1]
    return dict(re.findall(r"--([\w-]+): (#\w{6})", light + (dark if theme == "dark" else "")))


def luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: str, other: str) -> float:
    """Ratio of WCAG 2: 1 to 21."""
    high, low = sorted((luminance(colour), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_defined():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.01
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_badge_can_be_read_and_a_mark_seen(theme, verdict):
    colours = variables(theme)
    assert contrast(colours[f"{verdict}-badge"], colours["on-badge"]) >= 4.5
    assert contrast(colours[verdict], colours["card"]) >= 3  # a mark is no text
    assert contrast(colours["soft"], colours["card"]) >= 4.5


@pytest.mark.parametrize("verdict", VERDICTS[:-1])
def test_every_verdict_has_a_colour_and_a_shape_of_its_own(verdict):
    assert f".verdict.{verdict} {{ background: var(--{verdict}-badge)" in CSS
    shapes = re.findall(r"^\.square\.([\w-]+) \{([^}]*)\}", CSS, re.M)
    assert {name for name, rule in shapes if "background" in rule} == set(VERDICTS[:-1])


def test_a_badge_says_its_scale_and_knows_the_verdict_not_tested(ext):
    badge = ext.badges.badge
    assert (
        badge("not tested", "cpu")
        == '<span class="verdict not-tested">not tested<span class="scale"> · cpu</span></span>'
    )
    context = {"body": f"<p>{badge('holds')} x</p>"}
    ext.badges.put_scale(None, "executed/nnclr_queue-cpu-cifar10", "", context, None)
    assert context["body"].count("· cpu-cifar10<") == 1
    ext.badges.put_scale(None, "rule", "", context, None)
    assert context["body"].count("· ") == 1  # elsewhere, and a second time, nothing is added
    assert ext.badges.present({"holds": 1}) == ["holds", "contradicted", "inconclusive", "not judged"]
    assert "not tested" in ext.badges.present({"not tested": 2})


def test_a_claims_mark_shows_a_decided_verdict_before_one_that_could_not_be_tested(ext):
    entries = [
        (SimpleNamespace(verdict=verdict), scale, "")
        for verdict, scale in (
            ("not tested", "gpu"),
            ("holds", "cpu"),
            ("contradicted", "smoke"),
            ("not judged", "paper"),
        )
    ]
    ranked = sorted(entries, key=ext.claims_board.rank, reverse=True)
    assert [entry[0].verdict for entry in ranked] == ["holds", "contradicted", "not tested", "not judged"]


def test_the_scale_of_a_paper_is_as_stated(ext):
    scale = ext.scale_strip.paper_scale("nnclr_queue")
    assert (scale.encoder, scale.batch) == ("ResNet-50", "4,096")
    shown = ext.scale_strip.strip(("a<b", "", "", ""), ("", "", "", ""), "cpu")
    assert "a&lt;b" in shown and "ours (cpu)" in shown


def test_code_is_read_from_what_is_imported(ext):
    parts = dict(ext.code_behind.of_method("nnclr"))
    name = next(name for name in parts if name.endswith("NNCLR.loss"))
    assert "def loss(self" in parts[name] and any(name.endswith("NNCLR.after_step") for name in parts)
    definition = ext.code_behind.tables.definition("nnclr_queue")
    assert [name.rpartition(".evaluate.")[2] for name, _ in ext.code_behind.of_scores(definition)] == ["linear.scores"]


def test_the_search_has_the_words_of_an_article_only(ext):
    page = (
        "<nav>menu</nav><article><h1>Title</h1><script>x()</script><p>One <b>word</b>.</p><aside>note</aside></article>"
    )
    assert ext.search_snippets.words(page) == "Title One word ."


def test_no_font_is_asked_for_ahead_of_need(ext, tmp_path):
    page = tmp_path / "index.html"
    page.write_text(
        '<head>\n<link rel="preload" as="font" crossorigin href="a.woff2" />\n<link rel="stylesheet"></head>'
    )
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    ext.local_assets.drop_preloads(app, None)
    assert page.read_text("utf-8") == '<head>\n<link rel="stylesheet"></head>'


def test_the_front_figure_holds_every_comparison(ext):
    rows = ext.mining_answer.gains()
    drawn = ext.mining_answer.figure(rows, 57)
    assert drawn.count("<title>") == len(rows) and "currentColor" in drawn and 'role="img"' in drawn
    assert ext.mining_answer.across(5) < ext.mining_answer.across(57) < ext.mining_answer.across(100)
