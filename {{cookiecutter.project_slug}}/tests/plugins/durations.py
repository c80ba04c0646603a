# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""How long each test takes, measured by every run and kept by `tools.store`.

A test's time is its call and its own set-up and tear-down. What a session or module fixture costs, or an import that
waits for its first use, isn't charged to the test that happened to come first: it says nothing about that test.
"""

import builtins
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tools.store import Moved, Phases, Store, machine_seconds

PHASES = {"setup": 0, "call": 1, "teardown": 2}


class ImportClock:
    """Adds up the seconds that this process spends in imports, in whichever thread."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.seconds = 0.0
        self._import = builtins.__import__
        self._inside = threading.local()

    def start(self) -> None:
        """Count from now on."""
        builtins.__import__ = self._timed

    def stop(self) -> None:
        """Count no longer."""
        builtins.__import__ = self._import

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(self._inside, "import_", False):
            return self._import(*args, **kwargs)
        self._inside.import_ = True
        started = time.perf_counter()
        try:
            return self._import(*args, **kwargs)
        finally:
            self._inside.import_ = False
            self.seconds += time.perf_counter() - started


class Stopwatch:
    """Measures each test where it runs, and collects the times where the run is controlled."""

    def __init__(self, store: Store, *, controls: bool) -> None:
        """Take the store to write to at the end, if this process controls the run."""
        self.measured: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        """Seconds of set-up, call and tear-down of each test."""
        self.moved: list[Moved] = []
        """The tests whose speed is another one since this run."""
        self.fixtures: dict[str, list[float]] = defaultdict(list)
        """Seconds of each set-up of a fixture in this process, by name and scope."""
        self._store = store
        self._controls = controls
        self._failed: set[str] = set()
        self._gone: set[str] = set()
        self._imports = ImportClock()
        self._not_own = 0.0
        self._own_teardown = 0.0

    def pytest_sessionstart(self) -> None:
        """Start counting imports."""
        self._imports.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Time a fixture, without those it depends on: they were set up before."""
        started, imported = time.perf_counter(), self._imports.seconds
        try:
            return (yield)
        finally:
            seconds = time.perf_counter() - started
            # pytest makes a fixture of each argument of parametrize, too.
            if fixturedef.func.__name__ != "get_direct_param_fixture_func":
                self.fixtures[f"{fixturedef.argname} ({fixturedef.scope})"].append(seconds)
            if fixturedef.scope != "function":
                self._not_own += seconds - (self._imports.seconds - imported)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        """Begin a test."""
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """Begin its call."""
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        """Begin its tear-down."""
        self._own_teardown = 0.0
        return (yield from self._phase())

    def _phase(self) -> Generator[None, None, None]:
        self._started, self._not_own = time.perf_counter(), 0.0
        imported = self._imports.seconds
        try:
            return (yield)
        finally:
            self._not_own += self._imports.seconds - imported

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """Note how far into the tear-down the test's own fixtures, which go first, were done."""
        if fixturedef.scope == "function":
            self._own_teardown = time.perf_counter() - self._started

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the test's own time to the report, which xdist carries to the controller."""
        report = yield
        seconds = self._own_teardown if report.when == "teardown" else report.duration
        report.__dict__["own_seconds"] = max(seconds - self._not_own, 0.0)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Find the measured tests that their files don't have any more."""
        if config.option.lf or any("::" in argument for argument in config.args):
            return  # not all of a file is collected
        collected = {item.nodeid for item in items}
        files = {nodeid.partition("::")[0] for nodeid in collected}
        self._gone = {
            nodeid
            for nodeid in self._store.tests
            if nodeid not in collected and nodeid.partition("::")[0] in files
        }
        if not self._controls:
            config.workeroutput["gone"] = sorted(self._gone)  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker found."""
        self._gone.update(getattr(node, "workeroutput", {}).get("gone", ()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test. One that failed, was skipped or crashed its worker took a time that says nothing."""
        if report.outcome != "passed":
            self._failed.add(report.nodeid)
        if report.when in PHASES:  # of a crash xdist reports none
            self.measured[report.nodeid][PHASES[report.when]] += getattr(report, "own_seconds", 0.0)

    def pytest_sessionfinish(self) -> None:
        """Keep what was measured, also of a run that was interrupted."""
        self._imports.stop()
        passed: dict[str, Phases] = {
            nodeid: (times[0], times[1], times[2])
            for nodeid, times in self.measured.items()
            if nodeid not in self._failed
        }
        if self._controls and passed:
            try:
                self.moved = self._store.add(passed, machine_seconds(), self._gone)
            except OSError as error:  # a checkout that can't be written to is no reason to fail
                print(f"\nThe times of this run are lost: {error}", file=sys.stderr)
