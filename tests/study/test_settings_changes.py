"""Settings of a reader's own in a table: other runs, never those of the ledger; what cannot be is one error."""

import pytest

from sslrepro.study.ledger import published_record
from sslrepro.study.plans import plan_table
from sslrepro.study.settings_changes import with_changes, words_of


@pytest.fixture(scope="module")
def plan():
    return plan_table("nnclr_queue", seeds=1)


def test_changed_runs_are_none_of_the_ledgers(plan):
    changed = with_changes(plan, {"settings.temperature": 0.2})
    assert changed.cells.keys() == plan.cells.keys()
    for key, (run,) in changed.cells.items():
        (before,) = plan.cells[key]
        has = before.config is not None and "temperature" in before.config.settings
        assert (run.name != before.name) == has, key
        assert not has or (run.config.settings["temperature"] == 0.2 and published_record(run, plan) is None)
    assert any(published_record(run, plan) for run in plan.runs)
    assert f"in {sum(a.name != b.name for a, b in zip(changed.runs, plan.runs, strict=True))} of" in words_of(
        plan, changed, {"settings.temperature": 0.2}
    )


def test_the_side_of_images_changes_every_run(plan):
    changed = with_changes(plan, {"data.side": 8})
    assert {run.data.side for run in changed.runs} == {8}
    assert not {run.name for run in changed.runs} & {run.name for run in plan.runs}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings.temprature": 1.0}, "Did you mean 'settings.temperature'"),
        ({"seed": 3}, "setting must be one of"),
        ({"settings.temperature": "hot"}, "temperature must be of type float"),
        ({"settings.queue_size": 64}, "ones that the table does not vary"),
    ],
)
def test_what_cannot_be_changed_is_one_error(plan, changes, message):
    with pytest.raises(ValueError, match=message):
        with_changes(plan, changes)


def test_no_change_is_the_plan(plan):
    assert with_changes(plan, {}) is plan is with_changes(plan, None)
