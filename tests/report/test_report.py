"""Pages: no state of libraries is touched, headings follow the protocol, one effect has one interval, digests."""

import ast
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sslrepro.base import closure
from sslrepro.claims import Cell, Verdict
from sslrepro.claims.verdict import Lenses
from sslrepro.data.dataset import DataConfig
from sslrepro.report import closing, effects, neighbour_map, publish, table_page, verdicts
from sslrepro.report.figure_parts import half
from sslrepro.report.formats import format_cell
from sslrepro.report.headings import protocol_of, score_heading, score_name
from sslrepro.report.scale import claim_scale, our_scale, paper_scale
from sslrepro.study.plans import plan_table
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results, read_results

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def queue() -> Results:
    """The committed results of NNCLR's Table 7a."""
    return read_results(plan_table("nnclr_queue", "cpu"))


# --- what a reader's own plots would notice ---------------------------------------------------------------------

UNTOUCHED = """
import warnings
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams.update({"font.size": 23, "axes.facecolor": "pink", "savefig.dpi": 30})
before = dict(matplotlib.rcParams)
import matplotlib.pyplot as plt
mine = plt.figure()
from sslrepro.report import table_page
from sslrepro.study.plans import plan_table
from sslrepro.study.results import read_results
image = table_page.figure(read_results(plan_table("nnclr_predhead", "cpu")))
changed = {name for name, value in before.items() if matplotlib.rcParams[name] != value}
print(changed, matplotlib.get_backend(), plt.get_fignums() == [mine.number], plt.gcf() is mine)
import hashlib
print(hashlib.sha256(image.png).hexdigest(), hashlib.sha256(image.svg).hexdigest())
"""


def test_a_figure_leaves_the_readers_backend_settings_and_figures_alone():
    """And theirs do not reach ours: the same bytes under any settings."""
    import hashlib

    done = subprocess.run([sys.executable, "-c", UNTOUCHED], capture_output=True, text=True, check=True)
    state, digests = done.stdout.splitlines()
    assert state == "set() svg True True"
    here = table_page.figure(read_results(plan_table("nnclr_predhead", "cpu")))
    assert digests.split() == [hashlib.sha256(part).hexdigest() for part in (here.png, here.svg)]


@pytest.mark.parametrize("room", ["report", "embeddings"])
def test_no_plot_goes_through_pyplot(room):
    for path in (ROOT / "sslrepro" / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.endswith("pyplot")], path
            assert not (isinstance(node, ast.Attribute) and ast.unparse(node) == "matplotlib.use"), path


def test_a_figure_comes_with_its_vector_form_and_its_numbers(queue):
    image = table_page.figure(queue)
    assert image.svg.startswith(b"<?xml") and b"8,192" in image.svg
    lines = image.data.splitlines()
    assert lines[0] == "row,column,paper,ours,low,high,n,seeds" and len(lines) == 1 + len(queue.definition.rows)
    cell = queue.at("q8192", "top1")
    assert f"{cell.mean!r},{cell.mean - cell.half_width!r},{cell.mean + cell.half_width!r},5" in lines[1]
    page = image._repr_mimebundle_()["text/html"]
    assert 'download="nnclr_queue-cpu.svg"' in page and 'download="nnclr_queue-cpu.csv"' in page


def test_the_vector_form_is_laid_out_as_the_image_is(queue):
    image = table_page.figure(queue)
    places = [axis.get_position().bounds for axis in image.plot.axes]
    engine = image.plot.get_layout_engine()
    axis = image.plot.axes[0]
    axis.set_ylabel("a label\nof three\nlines")  # a plot laid out anew would make room for it
    assert b"of three" in image.svg and b"%PDF" in image.pdf
    assert [axis.get_position().bounds for axis in image.plot.axes] == places
    assert image.plot.get_layout_engine() is engine, "the reader's own changes are laid out as usual"


# --- headings ---------------------------------------------------------------------------------------------------


def under(results: Results, evaluation: str, protocol: dict, renamed: str | None = None) -> Results:
    """Results as if an evaluation had been run by another protocol (and as another evaluation)."""
    records = {}
    for name, record in results.known.items():
        lines = {
            key: line
            | (
                {"protocol": line["protocol"] | protocol, "evaluation": renamed or evaluation}
                if line["evaluation"] == evaluation
                else {}
            )
            for key, line in record["results"].items()
        }
        records[name] = record | {"results": lines}
    return replace(results, known=records)


def test_a_200_nn_is_not_called_a_20_nn(queue):
    assert (
        score_name("knn_top1", {"k": 200}) == "200-NN, top-1"
        and score_name("few_top1", {}) == "few labels per class, top-1"
    )
    head = table_page.rows_of(queue)[0]
    assert "ours 20-NN, top-1" in head
    head = table_page.rows_of(under(queue, "knn", {"k": 200}))[0]
    assert "ours 200-NN, top-1" in head and not any("20-NN" in cell for cell in head)
    assert "ours 5 labels per class, top-1" in table_page.rows_of(under(queue, "few", {"per_class": 5}))[0]


def test_a_heading_follows_the_plan_where_nothing_was_run():
    paper = Results(plan_table("nnclr_queue", "paper", 1), {})
    assert protocol_of(paper, "knn_top1")[1]["k"] == 200 and score_heading(paper, "knn_top1") == "200-NN, top-1"
    assert protocol_of(paper, "linear_top1")[0] == "linear_sgd"
    assert "by SGD on frozen features (100 epochs, batch 256)" in table_page.caption(paper)


def test_both_probes_report_one_score_and_say_which_solver(queue):
    assert "ours linear probe (L-BFGS), top-1" in table_page.rows_of(queue)[0]
    assert "by L-BFGS on frozen features, its penalty chosen on a fifth" in table_page.caption(queue)
    settings = {"epochs": 100, "batch_size": 256, "held_out": 0.1}
    by_sgd = under(queue, "linear", settings, "linear_sgd")
    assert "ours linear probe (SGD), top-1" in table_page.rows_of(by_sgd)[0]
    assert "by SGD on frozen features" in table_page.caption(by_sgd) and "a tenth of" in table_page.caption(by_sgd)


# --- effects, verdicts, the closing box -------------------------------------------------------------------------


def test_an_effect_names_both_operands_and_has_one_interval(queue):
    verdict = next(v for v in queue.verdicts() if v.claim == "nnclr_c23")
    effect = effects.effect_of(queue, verdict)
    assert effect.what == "Queue Size 98,304 minus 8,192, Top-1"
    cell = queue.difference(("q98304", "top1"), ("q8192", "top1"))
    assert (effect.mean, effect.high - effect.mean, effect.n) == (cell.mean, pytest.approx(cell.half_width), 5)
    low, high = (f"{value:+.1f}".replace("-", "−") for value in (effect.low, effect.high))
    assert f"[{low}, {high}]" in table_page.finding(queue)
    shown = f"{cell.mean:+.2f}".replace("-", "−")
    assert f"98,304 minus 8,192, Top-1: {shown}" in str(table_page.verdicts(queue))


@pytest.mark.parametrize("n, shown", [(1, False), (2, False), (3, True)])
def test_two_seeds_have_no_interval(n, shown):
    """Of accuracies of 10, 30 and 20% two would reach from -107 to 147%."""
    cell = Cell.of(dict(enumerate([10.0, 30.0, 20.0][:n])))
    effect = effects.effect_from(cell, "a minus b", "points", 1.0)
    assert ("±" in format_cell(cell), "[" in effect.size, bool(effect.lenses)) == (shown,) * 3
    assert (half(cell) > 0) == shown


def test_a_difference_of_differences_is_paired_as_a_whole():
    results = read_results(plan_table("ifnd_pcl", "cpu"))
    verdict = next(v for v in results.verdicts() if v.claim == "ifnd_c23")
    effect = effects.effect_of(results, verdict)
    assert effect.what.count(" minus ") == 3 and effect.what.startswith("(")
    seeds = [results.values_by_seed(row, "top1") for row in ("pcl", "pcl_clusters", "ifnd", "ifnd_clusters")]
    by_hand = [a - b - (c - d) for a, b, c, d in zip(*(seed.values() for seed in seeds), strict=True)]
    assert effect.mean == pytest.approx(sum(by_hand) / len(by_hand))


@pytest.mark.parametrize(
    "low, high, words",
    [
        (1.0, 3.0, ["same sign as the paper", "the interval includes the paper's effect", "it excludes 0"]),
        (-4.0, -1.0, ["opposite sign to the paper", "the interval excludes the paper's effect", "it excludes 0"]),
        (-1.0, 4.0, ["same sign as the paper", "the interval includes the paper's effect", "it includes 0"]),
        (None, None, []),
    ],
)
def test_an_effect_is_laid_against_the_papers_and_zero(low, high, words):
    middle = 1.0 if low is None else (low + high) / 2
    effect = effects.Effect("a minus b", middle, low, high, "points", 2.0)
    assert effect.lenses == words and effect.is_undecided is (low == -1.0)
    assert replace(effect, compares=False).lenses == []


def test_a_claim_that_a_gate_stopped_says_why_and_how_it_lies(queue, monkeypatch):
    reason = "the pairs were right in 11%, chance 6%, paper 92%"
    stopped = Verdict(
        "nnclr_c23",
        "larger is better",
        "not tested",
        reason=reason,
        gap=(1.0, -1.0, 3.0),
        paper_gap=1.8,
        lenses=Lenses(True, True, True),
    )
    monkeypatch.setattr(Results, "verdicts", lambda self: [stopped])
    page = table_page.verdicts(queue)
    assert '<span class="verdict not-tested">not tested</span>' in page.html and reason in page.text
    assert "same direction as the paper; the interval includes the paper" in page.text and "it includes 0" in page.text
    assert f"a run that can test it; not tested here: {reason}." in str(table_page.closing_box(queue))


def test_the_closing_box_answers_four_questions_from_the_verdicts(queue):
    box = table_page.closing_box(queue)
    parts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", box.html))
    assert list(parts) == ["The paper says", "We saw", "Why they may differ", "What would change our mind"]
    assert "A larger support set gives better accuracy." in parts["The paper says"]
    assert table_page.finding(queue) in parts["We saw"].replace("&lt;", "<")
    assert "ImageNet ILSVRC-2012, ResNet-50, epochs 1,000, batch 4,096" in parts["Why they may differ"]
    assert "4,608 synthetic images of 16 px, conv, epochs 8, batch 24" in parts["Why they may differ"]
    assert all(
        claim in parts["What would change our mind"] for claim in ("a longer queue helps", "queue gains stop at 98k")
    )


@pytest.mark.parametrize(
    "verdict, needed, words",
    [
        ("holds", None, "contradicted, by the same rule"),
        ("contradicted", None, "holds, by the same rule"),
        ("inconclusive", 13, "13 seeds per cell would settle it"),
        ("inconclusive", None, "not even 1,000 seeds"),
    ],
)
def test_what_would_change_our_mind_follows_the_verdict(verdict, needed, words):
    assert words in closing.turning_point(Verdict("x", "t", verdict, seeds_needed=needed))
    assert "a run nearly collapsed" in closing.turning_point(
        Verdict("x", "t", "inconclusive", reason="a run nearly collapsed")
    )


def test_each_verdict_says_the_scale_of_the_runs_it_reads():
    results = read_results(plan_table("nnclr_epochs", "cpu"))
    claim = {"id": "x", "check": {"expr": "c('nnclr_epochs','nnclr','e100') > c('nnclr_epochs','simclr','e100')"}}
    assert claim_scale(results, claim).epochs == "2" and our_scale(results).epochs == "2–13"
    assert paper_scale("nnclr_nnsiam").encoder == "not stated"
    assert "epochs 2–13" in verdicts.scale_line(results, results.verdicts()[0])


@pytest.mark.parametrize(
    ("name", "side", "shown"),
    [
        ("shapes", 16, 16),
        ("cifar10", 0, 32),
        ("cifar10", 16, 16),
        ("cifar100-coarse", 0, 32),
        ("imagenet", 0, "native"),
    ],
)
def test_a_caption_knows_the_size_of_images_that_keep_theirs(name, side, shown):
    assert side_of(DataConfig(name, side=side)) == shown


def test_the_map_on_photographs_says_their_size():
    results = read_results(plan_table("neighbour_map_thin", "night", None, "cifar10"))
    assert "50,000 training images of 32 px" in neighbour_map.caption(results)
    assert our_scale(results).data.endswith("images of 32 px")


# --- digests ----------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the package whose files a test may edit, read by the digest in place of ours."""
    package = tmp_path / "sslrepro"
    shutil.copytree(ROOT / "sslrepro", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(closure, "PACKAGE", package)
    monkeypatch.setattr(publish, "PACKAGE", package)
    return package


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_changed_function_body_makes_pages_stale_and_a_changed_docstring_does_not(copied, queue):
    methods = read_results(plan_table("all_methods", "smoke")).plan
    before = [publish.digest(plan) for plan in (queue.plan, methods)]
    edit(copied / "training" / "config.py", '"""', '"""Other words. ')
    edit(copied / "report" / "plots.py", "  # no version of matplotlib in the file", "")
    assert [publish.digest(plan) for plan in (queue.plan, methods)] == before
    edit(copied / "training" / "config.py", "def flat(", "def broken() -> None:\n    raise ValueError\n\n\ndef flat(")
    after = [publish.digest(plan) for plan in (queue.plan, methods)]
    assert not set(before) & set(after)


def test_a_page_depends_on_the_methods_it_runs_and_on_no_others(copied, queue):
    before = publish.digest(queue.plan)
    edit(copied / "methods" / "isl.py", "import torch\n", "import torch\n\nBROKEN = 1\n")
    assert publish.digest(queue.plan) == before
    edit(copied / "methods" / "nnclr.py", "import torch\n", "import torch\n\nBROKEN = 1\n")
    assert publish.digest(queue.plan) != before


# --- two panels, one span ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("low, high, shared", [(0.0, 30.0, True), (0.0, 41.0, False)])
def test_panels_share_one_span_or_say_that_they_do_not(low, high, shared):
    from sslrepro.report.figure_parts import share_span
    from sslrepro.report.plots import new_plot

    _, (left, right) = new_plot(1, 2, size=(4, 2))
    left.set_xlim(60, 70)
    right.set_xlim(low, high)
    text = share_span(left, right, "x")
    if shared:
        assert left.get_xlim() == (50, 80) and right.get_xlim() == (0, 30) and text == "both panels span 30 points"
    else:
        assert left.get_xlim() == (60, 70) and text == "spans differ: 10 points left, 41 right"
