"""CPU-seconds of tests, their processes included: `python -m pytest -p tests.costs tests/test_study.py`.

Wall time says little on a shared machine. Fixtures count for the test that asks for them first.
"""

import collections
import os

import pytest

COSTS: dict[str, float] = collections.defaultdict(float)


def used() -> float:
    """CPU-seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    before = used()
    yield_value = yield
    COSTS[item.nodeid] += used() - before
    return yield_value


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line per file and per test of a second or more, dearest first."""
    files: dict[str, float] = collections.defaultdict(float)
    for test, seconds in COSTS.items():
        files[test.partition("::")[0]] += seconds
    rows = [*files.items(), *((test, seconds) for test, seconds in COSTS.items() if seconds >= 1)]
    terminalreporter.section("CPU-seconds")
    for name, seconds in sorted(rows, key=lambda row: -row[1]):
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
