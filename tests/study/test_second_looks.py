"""Second looks: the cells a claim reads, on seeds its verdict has not seen; suspicions that name what exists."""

from dataclasses import replace

import pytest
import yaml

from sslrepro import papers
from sslrepro.study import ledger, second_looks
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results


@pytest.fixture(scope="module")
def contradicted():
    return {verdict.claim: (results, verdict) for results, verdict in second_looks.contradictions()}


def test_every_contradicted_claim_has_a_suspicion(contradicted):
    assert contradicted and set(contradicted) <= set(second_looks.suspicions())


def test_what_a_second_look_showed_is_written():
    done = [look.verdict.claim for look in second_looks.looks("cpu") if look.again.verdict != "not judged"]
    assert len(done) > 10 and all(second_looks.suspicions()[claim].get("saw") for claim in done)


@pytest.mark.parametrize("claim", sorted(second_looks.suspicions()))
def test_it_reads_the_claims_cells_on_as_many_other_seeds(claim, contradicted):
    if claim not in contradicted:
        pytest.skip("the ledger no longer contradicts it")
    results, _ = contradicted[claim]
    plans = second_looks.plans_again(results, claim)
    assert results.definition.id in {plan.definition.id for plan in plans}
    for plan in plans:
        seeds = {run.seed for runs in plan.cells.values() for run in runs}
        assert seeds == set(range(plan.seeds, 2 * plan.seeds))
        first = plan_table(plan.definition.id).runs
        assert not {run.name for run in plan.runs} & {run.name for run in first}
    assert len(plans) == len({plan.definition.id for plan in plans})


def test_the_same_numbers_on_later_seeds_give_the_same_verdict(contradicted):
    """The records of the first seeds, put in the place of the later ones, are judged as they were."""
    results, verdict = contradicted["nnclr_c13"]
    (plan,) = second_looks.plans_again(results, verdict.claim)
    first = {key: results.plan.cells[key] for key in plan.cells}
    records = {
        later.name: results.known[run.name]
        for key, runs in plan.cells.items()
        for run, later in zip(first[key], runs, strict=True)
    }
    cells, _ = second_looks.cells_and_values([Results(plan, records)])
    again = second_looks.judge(papers.claims()[verdict.claim], cells)
    assert (again.verdict, again.n) == ("contradicted", 3) and again.gap == pytest.approx(verdict.gap)


def test_without_runs_it_is_not_judged(contradicted, tmp_path, monkeypatch):
    results, verdict = contradicted["ifnd_c20"]
    monkeypatch.setattr(ledger, "published_record", lambda run, plan: None)
    again = second_looks.look_again(results, verdict.claim, tmp_path)
    assert (again.claim, again.verdict) == (verdict.claim, "not judged") and again.reason


def test_another_way_has_two_rows_at_their_own_settings():
    plan = second_looks.another_way("nnclr_c44")
    high, low = (plan.rows[end][0].config for end in ("high", "low"))
    assert high.settings["queue_size"] == 2 * low.settings["queue_size"] and high.settings["push_both_views"]
    assert replace(high, settings={}, method="simclr").identity == replace(low, settings={}, method="simclr").identity
    assert second_looks.another_way("nnclr_c18") is None and second_looks.difference("nnclr_c18") is None


@pytest.mark.parametrize("entry, message", [
    ({"nnclr_c999": {"suspicion": "x"}}, "claim must be one of"),
    ({"nnclr_c01": {"suspicion": ""}}, "suspicion must be given"),
    ({"nnclr_c01": {"suspicion": "x", "guess": "y"}}, "guess"),
    ({"nnclr_c01": {"suspicion": "x", "high": ["equal_terms", "nnclr", {}]}}, "high must be given with low"),
    ({"nnclr_c01": {"suspicion": "x", "high": ["equal_terms", "nncrl", {}], "low": ["equal_terms", "simclr", {}]}},
     "row of high must be one of"),
])  # fmt: skip
def test_a_note_that_names_nothing_is_one_line(entry, message, monkeypatch):
    second_looks.suspicions.cache_clear()
    monkeypatch.setattr(yaml, "safe_load", lambda _: entry)
    with pytest.raises(ValueError, match=message):
        second_looks.suspicions()
    second_looks.suspicions.cache_clear()
