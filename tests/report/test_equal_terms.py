"""All methods on equal terms: who gets whose trial, what is subtracted from what, and what the page says of it."""

from dataclasses import replace

import pytest

from sslrepro import tables
from sslrepro.base.store import write_json
from sslrepro.report import equal_terms
from sslrepro.study import equal_terms as terms
from sslrepro.study.plans import plan_table
from sslrepro.study.profiles import profile
from sslrepro.study.results import Results
from sslrepro.tables import validate

SAME = ("data", "encoder", "views", "plan", "seed")
TABLE = tables.definition("equal_terms")


def entry(settings: dict, rate: float) -> dict:
    trial = {"settings": settings, "rate": rate, "lr": 2e-3 * rate, "accuracy": [0.5, 0.6], "mean": 0.55}
    return {"chosen": {"settings": settings, "rate": rate}, "trials": [trial]}


@pytest.fixture
def frozen(tmp_path, monkeypatch):
    """Frozen trials of every method, some with something else than the default."""
    methods = {sets["method"]: entry({}, 1.0) for sets in TABLE.rows.values()}
    methods |= {
        "simclr": entry({"temperature": 0.5}, 0.5),
        "nnsiam": entry({}, 2.0),
        "nnclr": entry({}, 0.25),
        "seppid": entry({"base_settings": {"temperature": 0.1}}, 0.5),
    }
    write_json(tmp_path / "cpu.json", {"methods": methods})
    monkeypatch.setattr(terms, "FROZEN", tmp_path)


def test_a_row_has_its_methods_trial_or_the_one_it_names(frozen):
    rows = plan_table("equal_terms", "cpu", 1).rows
    rate = {row: runs[0].config.plan.lr / profile("cpu").plan.lr for row, runs in rows.items()}
    assert (rate["nnclr"], rate["nnclr, switched off"], rate["byol"]) == (0.25, 0.25, 1.0)
    assert (rate["nnsiam"], rate["nnsiam, switched off"], rate["simsiam"]) == (2.0, 2.0, 1.0)
    assert rate["simclr"] == rate["seppid on simclr"] == rate["seppid on simclr, random pairs"] == 0.5
    of = {row: runs[0].config.settings for row, runs in rows.items()}
    assert of["simclr"]["temperature"] == of["seppid on simclr"]["base_settings"]["temperature"] == 0.5
    assert of["seppid"]["base_settings"]["temperature"] == 0.1
    assert of["seppid on vicreg"]["base_settings"] == of["vicreg"]


def test_without_frozen_trials_methods_keep_their_defaults(tmp_path, monkeypatch):
    monkeypatch.setattr(terms, "FROZEN", tmp_path)
    rows = plan_table("equal_terms", "cpu", 1).rows
    assert {runs[0].config.plan.lr for runs in rows.values()} == {profile("cpu").plan.lr}
    fair = profile("cpu").fair()
    assert all(rows[name][0].config.settings == fair.config(name, 0).settings for name in ("nnclr", "invp", "seppid"))


def test_switched_off_differs_in_what_switches_alone(frozen):
    """The same images, plan and seed, and the same settings but those that the definition names."""
    rows = plan_table("equal_terms", "cpu", 1).rows
    for row, off in equal_terms.uses(Results(plan_table("equal_terms", "cpu", 1), {})).items():
        on, without = rows[row][0].config, rows[off][0].config
        assert all(getattr(on, name) == getattr(without, name) for name in SAME), row
        differ = {
            name for name in set(on.settings) & set(without.settings) if on.settings[name] != without.settings[name]
        }
        assert differ == set(TABLE.rows[off]) - set(TABLE.rows[row]) - {"method", "trial"}, row


def test_one_view_methods_train_for_twice_the_epochs(frozen):
    rows = plan_table("equal_terms", "cpu", 1).rows
    twice = {row for row, runs in rows.items() if runs[0].config.plan.epochs == 2 * profile("cpu").plan.epochs}
    assert twice == {"instdisc", "invp", "isl", "la", "invp, switched off", "isl, switched off", "la, switched off"}


def record(name: str, top1: float) -> dict:
    lines = {
        "linear": {"evaluation": "linear", "scores": {"linear_top1": top1, "knn_top1": top1}},
        "training": {"scores": {"neighbour_match_without_self": 0.2}},
    }
    return {"config": {}, "results": lines}


def test_the_finding_counts_what_leaves_out_zero(frozen):
    plan = plan_table("equal_terms", "cpu", 3)
    level = {"nnclr": 0.7, "ifnd": 0.4}
    records = {
        run.name: record(run.name, level.get(row, 0.5) + seed / 1000 * (row in level))
        for (row, _), runs in plan.cells.items()
        for seed, run in enumerate(runs)
    }
    results = Results(plan, records)
    text = equal_terms.finding(results)
    assert "Of 18 uses" in text and "1 gain over the same method without (nnclr)" in text and "1 lose (ifnd)" in text
    assert "for 16 the 95% interval includes zero" in text and "20% (" in text and "chance is 6%" in text
    lines = equal_terms.gain_lines(results)
    assert lines[0][0] == "nnclr" and "+20.1 ± 0.2 (gains)" in lines[0] and lines[-1][0] == "ifnd"
    assert "nnclr" in str(equal_terms.gains(results)) and equal_terms.figure(results).png
    assert "trials" in equal_terms.trials(results).html and str(equal_terms.choices(results)).startswith("4 of ")


def test_a_trial_without_equal_terms_is_refused():
    with pytest.raises(ValueError, match=r"equal_terms\.simclr: trial must be set where `fair` is"):
        validate(
            replace(
                TABLE,
                fair=False,
                rows={"simclr": {"method": "simclr", "trial": "nnclr"}},
                columns={"top1": "linear_top1"},
            )
        )
    with pytest.raises(ValueError, match="Did you mean 'nnclr'"):
        validate(
            replace(TABLE, rows={"simclr": {"method": "simclr", "trial": "nncrl"}}, columns={"top1": "linear_top1"})
        )
