"""CPU-seconds of tests, their processes included: `python -m pytest -p tests.costs [-n 2] tests/study/test_end_to_end.py`.

Wall time says little on a shared machine. Fixtures count for the test that asks for them first. With --renew-slow the
lines of tests/slow.txt that belong to the files at hand are written anew: `make test-fast` leaves out the test
functions whose cases cost more than one CPU-second together.
"""

import collections
import os
from pathlib import Path
from typing import Any

import pytest

from tests import forked

LIMIT = 1.0  # CPU-seconds of a test function that `make test-fast` can still afford
COSTS: dict[str, float] = collections.defaultdict(float)


def used() -> float:
    """CPU-seconds of this process, of those that it has waited for, and of those that were forked for it."""
    return sum(os.times()[:4]) + forked.used()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-slow", action="store_true", help="write tests/slow.txt for the files that are run")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    before = used()
    result = yield
    COSTS[item.nodeid] += used() - before
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its costs to the process that started it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["costs"] = dict(COSTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Takes a worker's costs; a fixture of the session counts once for each worker that asked for it."""
    for test, seconds in getattr(node, "workeroutput", {}).get("costs", {}).items():
        COSTS[test] += seconds


def added(costs: dict[str, float], mark: str) -> dict[str, float]:
    """Costs added up by what stands before the mark in a test's name: "[" for functions, "::" for files."""
    sums: dict[str, float] = collections.defaultdict(float)
    for test, seconds in costs.items():
        sums[test.partition(mark)[0]] += seconds
    return sums


def renewed(lines: list[str], costs: dict[str, float]) -> list[str]:
    """The list of slow functions after a run that cost this much."""
    files = added(costs, "::")
    others = {line for line in lines if not line.startswith("#") and line.partition("::")[0] not in files}
    slow = {name for name, seconds in added(costs, "[").items() if seconds > LIMIT}
    return [line for line in lines if line.startswith("#")] + sorted(others | slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """A line per file and per test of a second or more, dearest first."""
    rows = [*added(COSTS, "::").items(), *((test, seconds) for test, seconds in COSTS.items() if seconds >= 1)]
    terminalreporter.section("CPU-seconds")
    for name, seconds in sorted(rows, key=lambda row: -row[1]):
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
    if config.getoption("--renew-slow"):
        place = Path(__file__).with_name("slow.txt")
        place.write_text("\n".join(renewed(place.read_text("utf-8").splitlines(), COSTS)) + "\n")
