"""A table with settings of a reader's own: other runs, under other names, so nothing of it reaches the ledger."""

from dataclasses import fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from sslrepro import methods
from sslrepro.base.errors import one_of, require
from sslrepro.data.datasets import resolve
from sslrepro.study.plans import TablePlan
from sslrepro.study.run import Run
from sslrepro.training.config import RunConfig, flat

KINDS = {bool: bool, int: int, float: (int, float), str: str, tuple: (list, tuple), NoneType: NoneType}
SEEDED = ("seed", "data.seed", "data.fingerprint")  # what seeds decide: not for a reader to change


def of_their_kind(config: RunConfig, changes: dict[str, Any], owner: str) -> None:
    """Raise ValueError for a change that is text where a number stands, and the like."""
    now = flat(config)
    types = {f"settings.{field.name}": field.type for field in fields(methods.settings(config.method))}
    for name, value in changes.items():
        written = types.get(name, type(now.get(name)))
        kinds = [get_origin(kind) or kind for kind in (get_args(written) if type(written) is UnionType else [written])]
        if name in now and set(kinds) <= set(KINDS):
            fits = any(isinstance(value, KINDS[kind]) and isinstance(value, bool) <= (kind is bool) for kind in kinds)
            allowed = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
            require(fits, owner, name, f"of type {allowed}", value, f"Its usual value is {now[name]!r}.")


def with_changes(plan: TablePlan, changes: dict[str, Any] | None, root: str | Path | None = None) -> TablePlan:
    """The plan with dotted settings changed in every run that has them, controls among them; None or {}: the plan.

        changes   {"settings.temperature": 0.2, "data.side": 8}; a setting of a method is changed in that method's runs
        root      folder of data sets, where other images than the plan's are named

    Changed runs have identities of their own: no record of the ledger is theirs. Raises ValueError for a setting that
    no run has (with the nearest), one that seeds decide, a value of another type, and one that the table itself varies.

    >>> from sslrepro.study.plans import plan_table
    >>> plan = plan_table("nnclr_queue", "smoke")
    >>> changed = with_changes(plan, {"settings.temperature": 0.2})
    >>> changed.of("q98304")[0].config.settings["temperature"], plan.of("q98304")[0].config.settings["temperature"]
    (0.2, 0.1)
    """
    if not changes:
        return plan
    owner = f"tables.{plan.definition.id}"
    runs = [run for group in plan.cells.values() for run in group]
    known = dict.fromkeys(name for run in runs if run.config for name in flat(run.config))
    settable = [name for name in known if name not in (*SEEDED, "method")]
    for name in changes:
        one_of(name, settable, owner, "setting")
    changed = {run.name: _with_changes(run, changes, root, owner) for run in runs}
    kept = len({run.name for run in changed.values()}) == len(changed)
    require(
        kept,
        owner,
        "changed settings",
        "ones that the table does not vary",
        ", ".join(changes),
        "Rows that differ in it would be one run: `sslrepro compare` trains two values of a setting.",
    )
    return replace(plan, cells={key: [changed[run.name] for run in group] for key, group in plan.cells.items()})


def _with_changes(run: Run, changes: dict[str, Any], root: str | Path | None, owner: str) -> Run:
    if run.config is None:  # pixels
        own = {name.removeprefix("data."): value for name, value in changes.items() if name.startswith("data.")}
        return run if not own else replace(run, data=resolve(replace(run.data, fingerprint="", **own), root))
    own = {name: value for name, value in changes.items() if name in flat(run.config)}
    of_their_kind(run.config, own, owner)
    config = run.config.with_changes(**own)
    if any(name.startswith("data.") for name in own):
        config = replace(config, data=resolve(replace(config.data, fingerprint=""), root))
    return replace(run, data=config.data, config=config)


def words_of(plan: TablePlan, changed: TablePlan, changes: dict[str, Any]) -> str:
    """What was changed, in how many of the runs, and where the results stay."""
    names = {run.name for run in plan.runs}
    n = sum(run.name not in names for run in changed.runs)
    settings = ", ".join(f"{name}={value}" for name, value in changes.items())
    return (
        f"changed   {settings} in {n} of {len(changed.runs)} runs (the others have no such setting, or that value "
        "already); they stay in the folder of runs, the published ledger and page keep the table's own settings"
    )
