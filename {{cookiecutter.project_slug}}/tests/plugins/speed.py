# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What measured time decides: the markers `fast`, `medium` and `slow`, the number of workers, the list of the slowest.

An explicit marker wins. A test that was never measured takes the usual speed of its tier.
"""

import os
from collections.abc import Generator
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.plugins.durations import Stopwatch
from tests.plugins.guards import how_to_lift, lifted
from tests.plugins.tiers import tier_of
from tools.store import SPEEDS, Store, machine_seconds, speed_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

UNMEASURED = {"unit": "fast", "integration": "fast", "committed": "medium"}
"""The speed of a tier of which nothing was measured yet."""
SECONDS_PER_WORKER = 10
"""A worker imports and collects everything again. With less than this to do it costs more than it gains."""

OVER_BUDGET = (
    "The test took {seconds:.2f} s, and a unit test may take {budget} s (`unit_budget` in pyproject.toml).\n"
    "Let a fake answer for what it waits for, or make it do less; what needs the time belongs in tests/integration."
)

_SECONDS = pytest.StashKey[float]()
_STORE = pytest.StashKey[Store]()
_WHY = pytest.StashKey[str]()
_STOPWATCH = pytest.StashKey[Stopwatch]()


def _open_store(config: pytest.Config) -> Store:
    return Store(config.rootpath / ".cache" / "tests" / "durations.json")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--slowest` and `unit_budget`."""
    parser.addoption(
        "--slowest",
        type=int,
        default=0,
        metavar="N",
        help="list the N slowest tests and fixtures (run with -n 0: fixtures are counted in this process)",
    )
    parser.addini("unit_budget", "seconds that a test in tests/unit may take", "float", default=1.0)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is wrong with the measured times, and why `-n auto` chose what it did."""
    return [text for text in (config.stash[_STORE].note, config.stash.get(_WHY, "")) if text]


def pytest_configure(config: pytest.Config) -> None:
    """Open the store and declare the markers."""
    bounds = {"fast": "under 0.1 s", "medium": "under 1 s", "slow": "1 s and more"}
    for speed, bound in bounds.items():
        config.addinivalue_line(
            "markers", f"{speed}: measured time {bound}; written at a test, it wins over the measurement"
        )
    store = _open_store(config)
    stopwatch = Stopwatch(store, controls=not hasattr(config, "workerinput"))
    config.stash[_STORE] = store
    config.stash[_STOPWATCH] = stopwatch
    config.pluginmanager.register(stopwatch, "stopwatch")


def _usual_times(config: pytest.Config, items: list[pytest.Item]) -> dict[str, float]:
    """Return the middle time of each tier of which something was measured."""
    measured = config.stash[_STORE].tests
    by_tier: dict[str, list[float]] = {}
    for item in items:
        if item.nodeid in measured:
            by_tier.setdefault(tier_of(item.path, config) or "", []).append(measured[item.nodeid].seconds)
    return {tier: median(times) for tier, times in by_tier.items()}


def expected_seconds(config: pytest.Config, items: list[pytest.Item]) -> list[float]:
    """Return how long each test will take: as measured, else what is usual in its tier."""
    measured, usual = config.stash[_STORE].tests, _usual_times(config, items)
    return [
        measured[item.nodeid].seconds
        if item.nodeid in measured
        else usual.get(tier_of(item.path, config) or "", 0.0)
        for item in items
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its speed, before `-m` selects."""
    measured = config.stash[_STORE].tests
    usual = UNMEASURED | {tier: speed_of(time) for tier, time in _usual_times(config, items).items()}
    for item in items:
        if any(item.get_closest_marker(speed) for speed in SPEEDS):
            continue
        known = measured.get(item.nodeid)
        item.add_marker(known.speed if known else usual.get(tier_of(item.path, config) or "", "fast"))


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers for `-n auto`: none if the tests are done before another process had started."""
    # Asked before the plugins are configured, so the store isn't open yet.
    store = _open_store(config)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    selected = [
        (config.invocation_params.dir / path.partition("::")[0]).resolve()
        for path in config.known_args_namespace.file_or_dir or [""]
    ]
    seconds = [
        measured.seconds
        for nodeid, measured in store.tests.items()
        if any((config.rootpath / nodeid.partition("::")[0]).is_relative_to(path) for path in selected)
    ]
    config.stash[_WHY] = f"-n auto: {cores} workers, one per core: nothing was measured yet"
    if not seconds:
        return cores
    expected = sum(seconds) * store.ratio(machine_seconds())
    workers = min(cores, int(expected / SECONDS_PER_WORKER))
    if workers < 2:
        config.stash[_WHY] = f"-n auto: no workers: for {expected:.1f} s of tests none would pay"
        return 0
    config.stash[_WHY] = f"-n auto: {workers} workers for {expected:.0f} s of tests, on {cores} cores"
    return workers


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a unit test that took longer than its budget, with `--ci`."""
    report = yield
    seconds = item.stash[_SECONDS] = item.stash.get(_SECONDS, 0.0) + report.__dict__["own_seconds"]
    budget = item.config.getini("unit_budget")
    if (
        item.config.option.ci
        and report.when == "teardown"
        and report.passed
        and seconds > budget
        and tier_of(item.path, item.config) == "unit"
        and not lifted(item, "budget")
    ):
        report.outcome = "failed"
        report.longrepr = OVER_BUDGET.format(seconds=seconds, budget=budget) + how_to_lift("budget")
    return report


def pytest_terminal_summary(terminalreporter: "TerminalReporter", config: pytest.Config) -> None:
    """Name the tests whose speed changed, and list the slowest tests and fixtures if that was asked for."""
    stopwatch, count = config.stash[_STOPWATCH], config.option.slowest
    for nodeid, old, new in stopwatch.moved:
        change = f"{old.seconds:.2f} s, now {new.seconds:.2f} s"
        terminalreporter.write_line(f"{nodeid} was {old.speed} and is {new.speed}: {change}")
    if not count:
        return
    terminalreporter.section(f"slowest {count} tests (own set-up, call and own tear-down)")
    took = {nodeid: sum(phases) for nodeid, phases in stopwatch.measured.items()}
    for nodeid, seconds in sorted(took.items(), key=lambda pair: -pair[1])[:count]:
        terminalreporter.write_line(f"{seconds * 1000:9.1f} ms  {speed_of(seconds):6}  {nodeid}")
    terminalreporter.section(f"slowest {count} fixtures (set-up without what they depend on)")
    totals = sorted(stopwatch.fixtures.items(), key=lambda pair: -sum(pair[1]))[:count]
    for name, times in totals:
        each = f"{len(times)} times {sum(times) / len(times) * 1000:.1f} ms"
        terminalreporter.write_line(f"{sum(times) * 1000:9.1f} ms  {name}: {each}")
