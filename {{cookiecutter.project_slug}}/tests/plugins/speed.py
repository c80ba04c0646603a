# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What measured time says: the markers `fast`, `medium` and `slow`, the list of the slowest.

An explicit marker wins. A test that was never measured takes the usual speed of its tier.
"""

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.plugins.durations import stopwatch_of, store_of
from tests.plugins.tiers import tier_of
from tools.store import SPEEDS, speed_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

UNMEASURED = {"unit": "fast", "integration": "fast", "committed": "medium"}
"""The speed of a tier of which nothing was measured yet."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--slowest`."""
    parser.addoption(
        "--slowest", type=int, default=0, metavar="N", help="list the N slowest tests, fixtures and files"
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is wrong with the measured times."""
    return store_of(config).note or None


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    bounds = {"fast": "under 0.1 s", "medium": "under 1 s", "slow": "1 s and more"}
    for speed, bound in bounds.items():
        config.addinivalue_line(
            "markers", f"{speed}: measured time {bound}; written at a test, it wins over the measurement"
        )


def _usual_times(config: pytest.Config, items: list[pytest.Item]) -> dict[str, float]:
    """Return the middle time of each file and each tier of which something was measured."""
    measured = store_of(config).tests
    times: dict[str, list[float]] = defaultdict(list)
    for item in items:
        if item.nodeid in measured:
            seconds = measured[item.nodeid].seconds
            times[item.nodeid.partition("::")[0]].append(seconds)
            times[tier_of(item.path, config) or ""].append(seconds)
    return {place: median(seconds) for place, seconds in times.items()}


def expected_seconds(config: pytest.Config, items: list[pytest.Item]) -> list[float]:
    """Return how long each test will take: as measured, else what is usual in its file, else in its tier."""
    measured, usual = store_of(config).tests, _usual_times(config, items)

    def guess(item: pytest.Item) -> float:
        places = (item.nodeid.partition("::")[0], tier_of(item.path, config) or "")
        return next((usual[place] for place in places if place in usual), 0.0)

    return [measured[item.nodeid].seconds if item.nodeid in measured else guess(item) for item in items]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its speed, before `-m` selects."""
    measured = store_of(config).tests
    usual = {place: speed_of(time) for place, time in _usual_times(config, items).items()}
    for item in items:
        if any(item.get_closest_marker(speed) for speed in SPEEDS):
            continue
        known = measured.get(item.nodeid)
        if known is None:
            tier = tier_of(item.path, config) or ""
            item.add_marker(usual.get(tier, UNMEASURED.get(tier, "fast")))
        else:
            item.add_marker(known.speed)


def pytest_terminal_summary(terminalreporter: "TerminalReporter", config: pytest.Config) -> None:
    """Name the tests whose speed changed, and list the slowest tests and fixtures if that was asked for."""
    stopwatch, count = stopwatch_of(config), config.option.slowest
    for nodeid, old, new in stopwatch.moved:
        change = f"{old.seconds:.2f} s, now {new.seconds:.2f} s"
        terminalreporter.write_line(f"{nodeid} was {old.speed} and is {new.speed}: {change}")
    if not count:
        return
    terminalreporter.section(f"slowest {count} tests (own set-up, call and own tear-down)")
    took = {nodeid: sum(phases[:3]) for nodeid, phases in stopwatch.measured.items()}
    for nodeid, seconds in _longest(took, count):
        terminalreporter.write_line(f"{seconds * 1000:9.1f} ms  {speed_of(seconds):6}  {nodeid}")
    terminalreporter.section(f"slowest {count} fixtures (set-up without what they depend on)")
    setups = stopwatch.fixtures
    for name, seconds in _longest({name: sum(times) for name, times in setups.items()}, count):
        each = f"{len(setups[name])} times {seconds / len(setups[name]) * 1000:.1f} ms"
        terminalreporter.write_line(f"{seconds * 1000:9.1f} ms  {name}: {each}")
    terminalreporter.section(f"slowest {count} files to collect (without what they import)")
    for name, seconds in _longest(stopwatch.files, count):
        terminalreporter.write_line(f"{seconds * 1000:9.1f} ms  {name}")


def _longest(seconds: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda pair: -pair[1])[:count]
