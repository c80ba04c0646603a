"""What measured time says: the markers `fast`, `medium` and `slow`, the list of the slowest.

An explicit marker wins. A test that was never measured takes the usual speed of its tier.
"""

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

import pytest

from pytest_tiers.tiers import own_markers, tiers_of
from pytest_tiers.timing.measures import SPEEDS, speed_of
from pytest_tiers.timing.stopwatch import stopwatch_of, store_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

UNMEASURED = {"unit": "fast", "integration": "fast", "committed": "medium"}
"""The speed of a tier of which nothing was measured yet; a test that lies in no tier counts as fast."""
BOUNDS = {"fast": "under 0.1 s", "medium": "under 1 s", "slow": "1 s and more"}


def _usual_times(config: pytest.Config, items: list[pytest.Item]) -> dict[str, float]:
    """Return the middle time of each file and each tier of which something was measured."""
    measured, tiers = store_of(config).tests, tiers_of(config)
    times: dict[str, list[float]] = defaultdict(list)
    for item in items:
        if known := measured.get(item.nodeid):
            seconds = known.seconds
            times[item.nodeid.partition("::")[0]].append(seconds)
            times[tiers.of(item.path) or ""].append(seconds)
    return {place: median(seconds) for place, seconds in times.items()}


def expected_seconds(config: pytest.Config, items: list[pytest.Item]) -> list[float]:
    """Return how long each test will take: as measured, else what is usual in its file, else in its tier."""
    measured, tiers = store_of(config).tests, tiers_of(config)
    usual = _usual_times(config, items) if any(item.nodeid not in measured for item in items) else {}

    def guess(item: pytest.Item) -> float:
        places = (item.nodeid.partition("::")[0], tiers.of(item.path) or "")
        return next((usual[place] for place in places if place in usual), 0.0)

    return [measured[item.nodeid].seconds if item.nodeid in measured else guess(item) for item in items]


class Speed:
    """Marks each test with its speed, and says what became slower or faster."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run."""
        self._config = config
        self._markers: dict[str, pytest.MarkDecorator] = {}
        """Those that are ours, and not the suite's."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the markers, behind whatever the suite declares."""
        meanings = {
            speed: f"measured time {bound}; written at a test, it wins over the measurement"
            for speed, bound in BOUNDS.items()
        }
        ours = own_markers(config, meanings)
        self._markers = {speed: getattr(pytest.mark, speed) for speed in ours}

    def pytest_report_header(self) -> str | None:
        """Say what is wrong with the measured times."""
        return store_of(self._config).note or None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Mark each test with its speed, before `-m` selects."""
        measured, tiers = store_of(config).tests, tiers_of(config)
        usual: dict[str, float] | None = None
        for item in items:
            if any(marker.name in SPEEDS for marker in item.iter_markers()):
                continue
            if known := measured.get(item.nodeid):
                speed = known.speed
            else:
                if usual is None:
                    usual = _usual_times(config, items)
                tier = tiers.of(item.path) or ""
                speed = speed_of(usual[tier]) if tier in usual else UNMEASURED.get(tier, "fast")
            if speed in self._markers:
                item.add_marker(self._markers[speed])

    def pytest_terminal_summary(self, terminalreporter: "TerminalReporter", config: pytest.Config) -> None:
        """Name the tests whose speed changed, and list the slowest tests and fixtures if that was asked for."""
        stopwatch, count = stopwatch_of(config), config.option.tiers_slowest
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
