"""The pages about the rule: what they show is what the rule, the ledger and the second looks say."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sslrepro.claims import Verdict, error_rates, revision
from sslrepro.claims.verdict import Part
from sslrepro.study import second_looks
from sslrepro.study.plans import plan_table
from sslrepro.study.results import published_results
from sslrepro.study.second_looks import Look

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(EXTENSIONS))
    yield SimpleNamespace(rule=importlib.import_module("rule_tables"), looks=importlib.import_module("second_looks"))
    sys.path.remove(str(EXTENSIONS))


def shown(directive: type) -> str:
    """What a directive without arguments puts into its page."""
    return directive.run(object.__new__(directive))[0].astext()


def test_every_simulated_kind_has_a_line(pages):
    text = shown(pages.rule.ErrorRates)
    for line in error_rates.load_rates():
        assert f"<td>{line.kind}</td><td>{line.told}</td><td>{line.n}</td><td>{100 * line.wrong_holds:.1f}</td>" in text
    assert text.count("<tr>") == 1 + len(error_rates.load_rates())


def test_what_changed_counts_every_claim_once(pages):
    text = shown(pages.rule.RuleChanges)
    lines = revision.on_the_first_runs()
    changed = [line for line in lines if line.is_changed]
    assert f"The {len(changed)} that changed" in text and all(f"claims.html#{line.claim}" in text for line in changed)
    first = revision.board([line for line in lines if line.scale == "cpu"], "first")
    assert sum(own["contradicted"] for own in first.values()) == 28
    assert ">contradicted</span></td><td>28</td>" in text


VERDICT = Verdict(
    "nnclr_c01",
    "A is best.",
    "contradicted",
    gap=(3.0, -1.0, 7.0),
    n=3,
    name="a is best",
    parts=(
        Part("a above b", (3.0, 1.0, 5.0), "holds", 0.01),
        Part("a above c", (-2.0, -3.0, -1.0), "contradicted", 0.99),
    ),
)


def test_a_second_look_shows_the_part_that_is_reversed(pages, monkeypatch):
    monkeypatch.setattr(second_looks, "difference", lambda claim, scale: None)
    again = replace(VERDICT, verdict="inconclusive", parts=(replace(VERDICT.parts[1], effect=(-1.0, -4.0, 2.0)),))
    text = pages.looks.entry_html(Look("nnclr_linear", VERDICT, again))
    assert "A is best <span" in text and "effect: a above c" in text
    assert "−2.0 [−3.0, −1.0]" in text and "−1.0 [−4.0, +2.0]" in text and "not run yet" in text
    missing = Look("nnclr_linear", VERDICT, replace(VERDICT, verdict="not judged", n=None, gap=None, parts=()))
    assert "<td>–</td><td>–</td>" in pages.looks.entry_html(missing)
    assert pages.looks.summary((missing, missing)).endswith("on other seeds: 2 not judged.")


def test_a_plot_to_explore_holds_the_tables_numbers():
    sys.path.insert(0, str(EXTENSIONS))
    explore = importlib.import_module("explore_plot")
    sys.path.remove(str(EXTENSIONS))
    results = published_results(plan_table("nnclr_queue"))
    drawn = explore.plot(results)
    first = next(trace for trace in drawn["data"] if trace["visible"])
    rows = list(results.definition.rows)
    assert first["y"] == [round(results.at(row, "top1").mean, 3) for row in rows]
    assert first["error_y"]["array"][0] == round(results.at(rows[0], "top1").half_width, 3)
    assert first["customdata"][0].count("seed ") == results.at(rows[0], "top1").n
    buttons = drawn["layout"]["updatemenus"][0]["buttons"]
    assert len(buttons) >= 4 and all(sum(button["args"][0]["visible"]) == 1 for button in buttons)
    over_columns = explore.plot(published_results(plan_table("nnclr_epochs")))
    assert over_columns["layout"]["showlegend"] and len(over_columns["data"][0]["y"]) == 4
    assert not explore.fits(published_results(plan_table("nnclr_positives")))
