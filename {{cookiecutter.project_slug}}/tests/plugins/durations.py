# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What a run measures: each test, each fixture, the collection of each file, and what a process costs besides.

A test's time is its call and its own set-up and tear-down. What a session or module fixture costs, or an import that
waits for its first use, isn't charged to the test that happened to come first: it says nothing about that test.
"""

import builtins
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from dataclasses import replace
from statistics import median
from typing import Any

import pytest

from tests.plugins import guards
from tools import workers
from tools.records import PHASES, to_run
from tools.store import PATH, Machine, Moved, Run, Store, work_seconds

KNOWN = 3
"""How often the gain of further processes is measured, half a second each time: the middle one counts."""
_STORE = pytest.StashKey[Store]()
_GAIN = pytest.StashKey[float]()
_STOPWATCH = pytest.StashKey["Stopwatch"]()


def store_of(config: pytest.Config) -> Store:
    """Return what was measured before this run."""
    if _STORE not in config.stash:
        config.stash[_STORE] = Store(config.rootpath / PATH)
    return config.stash[_STORE]


def stopwatch_of(config: pytest.Config) -> "Stopwatch":
    """Return what measures this run."""
    return config.stash[_STOPWATCH]


def machine_of(config: pytest.Config) -> Machine:
    """Return what is known of the machine. The gain of further processes is measured if it isn't known well."""
    machine = store_of(config).machine
    if machine.cores != workers.cores() or len(machine.gain) < KNOWN:
        config.stash[_GAIN] = workers.measure_gain(workers.cores())
        known = machine.gain if machine.cores == workers.cores() else []
        return replace(machine, cores=workers.cores(), gain=[*known, config.stash[_GAIN]])
    return machine


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin to measure."""
    config.stash[_STOPWATCH] = Stopwatch(store_of(config), config)
    config.pluginmanager.register(config.stash[_STOPWATCH], "stopwatch")


class ImportClock:
    """Adds up the seconds that tests spend in imports, also in their threads.

    Not in those of the machinery: what they import meanwhile, no test waits for.
    """

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
        if getattr(self._inside, "import_", False) or not guards.watched():
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

    def __init__(self, store: Store, config: pytest.Config) -> None:
        """Take the store to write to at the end, if this process controls the run."""
        self.measured: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
        """Seconds of set-up, call and tear-down of each test, and of the processor."""
        self.moved: list[Moved] = []
        """The tests whose speed is another one since this run."""
        self.fixtures: dict[str, list[float]] = defaultdict(list)
        """Seconds of each set-up of a fixture, by name, scope and place."""
        self.files: dict[str, float] = {}
        """Seconds that it took to collect each file, without what it imports."""
        self.store, self._config = store, config
        self.before = store.tests
        """What was known of each test before this run."""
        self.facts: dict[str, Any] = {}
        """What the record says of the run, once it is over."""
        self.run: Run | None = None
        """What was measured, once the run is over."""
        self._controls = not hasattr(config, "workerinput")
        self._passed: set[str] = set()
        self._failed: set[str] = set()
        self._gone: set[str] = set()
        self._imports = ImportClock()
        self._processes: list[dict[str, float]] = []
        """What each process that runs tests measured of itself."""
        self._own: dict[str, float] = {}
        self._not_own = self._not_own_processor = 0.0
        self._own_teardown = 0.0
        self._loop_began = self._loop_started = self._in_tests = 0.0
        self._ran = 0

    def pytest_sessionstart(self) -> None:
        """Start counting imports."""
        self._own = {"begin": time.process_time(), "start": 0.0}
        self._imports.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        """Time the collection as a whole."""
        started = time.process_time()
        result = yield
        if session.testscollected:  # the controlling process of xdist collects nothing
            self._own["collect"] = (time.process_time() - started) / session.testscollected
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Time the collection of a file."""
        started, imported = time.perf_counter(), self._imports.seconds
        report = yield
        if isinstance(collector, pytest.Module):
            seconds = time.perf_counter() - started - (self._imports.seconds - imported)
            self.files[collector.nodeid] = seconds
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Time a fixture, without those it depends on: they were set up before."""
        started, imported, worked = time.perf_counter(), self._imports.seconds, time.process_time()
        try:
            return (yield)
        finally:
            seconds = time.perf_counter() - started
            # pytest makes a fixture of each argument of parametrize, too.
            if fixturedef.func.__name__ != "get_direct_param_fixture_func":
                name = f"{fixturedef.argname} ({fixturedef.scope}) {fixturedef.baseid}".rstrip()
                self.fixtures[name].append(seconds)
            if fixturedef.scope != "function":
                self._not_own += seconds - (self._imports.seconds - imported)
                self._not_own_processor += time.process_time() - worked

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
        self._not_own = self._not_own_processor = 0.0
        imported, worked = self._imports.seconds, time.process_time()
        self._started = time.perf_counter()
        try:
            return (yield)
        finally:
            self._processor = time.process_time() - worked - self._not_own_processor
            self._not_own += self._imports.seconds - imported
            self._own["start"] += self._not_own

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """Note how far into the tear-down the test's own fixtures, which go first, were done."""
        if fixturedef.scope == "function":
            self._own_teardown = time.perf_counter() - self._started

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the test's own time to the report, which xdist carries to the controller."""
        report = yield
        seconds = self._own_teardown if report.when == "teardown" else report.duration
        own = max(seconds - self._not_own, 0.0)
        report.__dict__["own_seconds"] = own
        report.__dict__["own_processor"] = processor = min(max(self._processor, 0.0), own)
        self._in_tests += processor
        self._ran += report.when == "teardown"
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
            for nodeid in self.store.tests
            if nodeid not in collected and nodeid.partition("::")[0] in files
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker found."""
        found = getattr(node, "workeroutput", {}).get("stopwatch")
        if found:
            self._gone.update(found["gone"])
            self._processes.append(found["own"])
            self.files |= found["files"]
            for name, seconds in found["fixtures"].items():
                self.fixtures[name] += seconds

    def pytest_runtestloop(self) -> None:
        """Begin to measure what pytest takes around the tests, or to control workers."""
        self._loop_began, self._loop_started = time.process_time(), time.perf_counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test, and whether the test passed, from its set-up to its tear-down."""
        if report.outcome != "passed":
            self._failed.add(report.nodeid)
        elif report.when == "teardown" and report.nodeid not in self._failed:
            self._passed.add(report.nodeid)
        if report.when in PHASES:  # of a crash xdist reports none
            times = self.measured[report.nodeid]
            times[PHASES[report.when]] += getattr(report, "own_seconds", 0.0)
            times[3] += getattr(report, "own_processor", 0.0)

    def _find_facts(self) -> dict[str, Any]:
        """Return what is known of the run besides its tests, as it stands in the record."""
        own: dict[str, list[float]] = defaultdict(list)
        for process in self._processes or [self._own]:
            for name, value in process.items():
                own[name].append(value)
        machine = {name: median(values) for name, values in own.items()} | {"cores": workers.cores()}
        control = 0.0
        if self._processes and self.measured:
            machine["relayed"] = machine.pop("around", 0.0)
            worked = time.process_time() - self._loop_began
            machine["control"] = worked / len(self.measured)
            control = worked / (time.perf_counter() - self._loop_started)
        if _GAIN in self._config.stash:
            machine["gain"] = self._config.stash[_GAIN]
        return {
            "workers": len(self._processes),
            "control": control,
            "work": work_seconds(),
            "machine": machine,
            "fixtures": self.fixtures,
            "files": self.files,
            "gone": sorted(self._gone),
        }

    def pytest_sessionfinish(self) -> None:
        """Keep what was measured, also of a run that was interrupted."""
        self._imports.stop()
        if self._ran:
            around = time.process_time() - self._loop_began - self._in_tests - self._own["start"]
            self._own["around"] = max(around, 0.0) / self._ran
        if not self._controls:
            found = {"gone": sorted(self._gone), "own": self._own, "files": self.files}
            output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
            output["stopwatch"] = found | {"fixtures": dict(self.fixtures)}
            return
        self.facts = self._find_facts()
        self.run = to_run(self.measured, self._passed, self.facts)
        if self.run.tests and not self._config.option.record:
            try:
                self.moved = self.store.add(self.run)
            except OSError as error:  # a checkout that can't be written to is no reason to fail
                print(f"\nThe times of this run are lost: {error}", file=sys.stderr)
