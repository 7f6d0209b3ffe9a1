"""Names of runs: those of the ledger come back from their stored configurations, those of plans stay what they were.

A name that changes orphans a published result. Where that is meant, `python -m tests.test_identity` writes
run_names.json anew, and the changelog says which runs are new and why.
"""

import hashlib
import json
from pathlib import Path

import pytest

from sslrepro import methods, tables
from sslrepro.data.dataset import DataConfig
from sslrepro.study import plans
from sslrepro.study.profiles import PROFILES, profile
from sslrepro.study.run import Run
from sslrepro.training.config import from_record

LEDGER = sorted((Path(__file__).parent.parent / "book" / "ledger").glob("*/*-s*-*.json"))
NAMES = Path(__file__).with_name("run_names.json")


def digest(names: list[str]) -> str:
    return f"{len(names)} {hashlib.sha256(' '.join(sorted(names)).encode()).hexdigest()[:12]}"


def planned(scale: str, names: list[str] | None = None) -> dict[str, str]:
    """Table or method -> how many runs it plans at a scale, and a digest of their names; no image is read.

    names   methods that count; default all there are
    """
    names = methods.names() if names is None else names
    fingerprint, plans.fingerprint_of = plans.fingerprint_of, lambda data, base, root: f"images of {data.name}"
    runs = {}
    try:
        for name in tables.names():
            reason = plans.reason_missing(name, scale)
            runs[name] = (
                [reason]
                if reason
                else [
                    run.name
                    for run in plans.plan_table(name, scale).runs
                    if run.config is None or run.config.method in names
                ]
            )
    finally:
        plans.fingerprint_of = fingerprint
    runs |= {f"method {name}": [profile(scale).config(name, 0).name] for name in names}
    return {name: digest(of) for name, of in runs.items()}


def test_the_ledger_has_runs():
    assert len(LEDGER) > 400


@pytest.mark.parametrize("path", LEDGER, ids=lambda path: path.stem)
def test_a_stored_run_keeps_its_name(path):
    record = json.loads(path.read_text("utf-8"))
    if "pixels" in record["config"]:
        seed = int(path.stem.split("-")[-2].removeprefix("s"))  # of the probes; photographs are the same for all seeds
        assert Run(DataConfig(**record["config"]["pixels"]), seed, {}).name == path.stem
    else:
        assert from_record(record["config"]).name == path.stem


@pytest.mark.parametrize("scale", sorted(PROFILES))
def test_planned_runs_keep_their_names(scale):
    stored = json.loads(NAMES.read_text("utf-8"))[scale]
    names = [name.removeprefix("method ") for name in stored if name.startswith("method ")]  # a new one has no name yet
    assert planned(scale, names) == stored


if __name__ == "__main__":
    text = json.dumps({scale: planned(scale) for scale in sorted(PROFILES)}, indent=1, sort_keys=True)
    NAMES.write_text(text + "\n")
