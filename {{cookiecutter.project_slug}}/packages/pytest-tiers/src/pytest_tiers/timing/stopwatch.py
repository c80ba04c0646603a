"""What a run measures: each test, each fixture, the collection of each file, and what a process costs besides.

A test's time is its call and its own set-up and tear-down. What a session or module fixture costs, or an import that
waits for its first use, isn't charged to the test that happened to come first: it says nothing about that test.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import cached_property
from statistics import median
from time import perf_counter, process_time
from typing import Any

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.timing import workers
from pytest_tiers.timing.import_clock import ImportClock
from pytest_tiers.timing.records import PHASES, summed, to_run
from pytest_tiers.timing.store import Machine, Measured, Moved, Run, Store, open_store, work_seconds

KNOWN = 3
"""How often the gain of further processes is measured, half a second each time: the middle one counts."""
_STORE = pytest.StashKey[Store]()
_STOPWATCH = pytest.StashKey["Stopwatch"]()


def store_of(config: pytest.Config) -> Store:
    """Return what was measured before this run."""
    if _STORE not in config.stash:
        config.stash[_STORE] = open_store(settings_of(config))
    return config.stash[_STORE]


def stopwatch_of(config: pytest.Config) -> "Stopwatch":
    """Return what measures this run."""
    if _STOPWATCH not in config.stash:
        config.stash[_STOPWATCH] = Stopwatch(config)
    return config.stash[_STOPWATCH]


def machine_of(config: pytest.Config) -> Machine:
    """Return what is known of the machine. The gain of further processes is measured if it isn't known well."""
    machine, cores = store_of(config).machine, workers.cores()
    if machine.cores == cores and len(machine.gain) >= KNOWN:
        return machine
    gain = stopwatch_of(config).gain = workers.measure_gain(cores)
    return replace(machine, cores=cores, gain=[*(machine.gain if machine.cores == cores else []), gain])


def names_parts(config: pytest.Config) -> bool:
    """Tell whether the command line, or `--lf`, leaves out tests of the files that are collected."""
    return getattr(config.option, "lf", False) or any("::" in argument for argument in config.args)


class Stopwatch:
    """Measures each test where it runs, and collects the times where the run is controlled."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run. Its options are read when it begins."""
        self.measured: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
        """Seconds of set-up, call and tear-down of each test, and of the processor."""
        self.own = 0.0
        """Seconds that the test which runs, or ran last, has taken itself."""
        self.fixtures: dict[str, list[float]] = defaultdict(list)
        """Seconds of each set-up of a fixture, by name, scope and place; once the run is over."""
        self.files: dict[str, float] = {}
        """Seconds that it took to collect each file, without what it imports."""
        self.imports: dict[str, float] = {}
        """Seconds of what it imports, if no other file did before."""
        self.gain: float | None = None
        """How many times as much all processors do as one, if this run has measured it."""
        self.facts: dict[str, Any] = {}
        """What the record says of the run, once it is over."""
        self.run: Run | None = None
        """What was measured, once the run is over."""
        self.before: dict[str, Measured] = {}
        """What was known of each test before this run, once it is over."""
        self.moved: list[Moved] = []
        """The tests whose speed is another one since this run."""
        self.details: Callable[[], dict[str, Any]] | None = None
        """Gives what the record is to say of a test besides times."""
        self._config = config
        # Here, where nothing that freezes time looks for them: it replaces what modules have.
        self._now, self._worked = perf_counter, process_time
        self._imports = ImportClock()
        self._setups: dict[pytest.FixtureDef[object], list[float]] = defaultdict(list)
        self._places: dict[pytest.FixtureDef[object], set[str]] = defaultdict(set)
        self._used_in: dict[str, int] = defaultdict(int)
        """In how many files of a process a fixture was set up, by its name."""
        self._inner = 0.0  # seconds of fixtures that the one which is set up has asked for meanwhile
        self._passed: set[str] = set()
        self._failed: set[str] = set()
        self._gone: set[str] = set()
        self._processes: list[dict[str, float]] = []
        """What each process that runs tests measured of itself."""
        self._own_process = {"start": 0.0}
        """What this one did."""
        self._in_phase = False
        self._started = self._seconds = self._processor = 0.0
        self._not_own = self._not_own_processor = self._own_teardown = 0.0
        self._loop_began = self._loop_started = self._in_tests = 0.0
        self._ran = 0

    @cached_property
    def store(self) -> Store:
        """Where times are kept. It is read when it is first needed."""
        return store_of(self._config)

    def pytest_sessionstart(self) -> None:
        """Start counting imports."""
        self._own_process["begin"] = self._worked()
        self._imports.start()
        self._config.add_cleanup(self._imports.stop)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        """Time the collection as a whole."""
        started = self._worked()
        result = yield
        if session.testscollected:  # the controlling process of xdist collects nothing
            self._own_process["collect"] = (self._worked() - started) / session.testscollected
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Time the collection of a file."""
        started, imported = self._now(), self._imports.seconds
        report = yield
        if isinstance(collector, pytest.Module):
            imports = self.imports[collector.nodeid] = self._imports.seconds - imported
            self.files[collector.nodeid] = self._now() - started - imports
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # before anything is left out
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Find the measured tests that their files don't have any more."""
        if not names_parts(self._config):
            collected = {item.nodeid for item in items}
            files = {nodeid.partition("::")[0] for nodeid in collected}
            self._gone = {
                nodeid for nodeid in self.store.tests.keys() - collected if nodeid.partition("::")[0] in files
            }
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Time a fixture, without those it depends on: they were set up before, or ask for themselves meanwhile."""
        outer, self._inner = self._inner, 0.0
        wide = fixturedef.scope != "function"
        if not wide:
            self._places[fixturedef].add(request.node.nodeid.partition("::")[0])
        imported, worked = (self._imports.seconds, self._worked()) if wide else (0.0, 0.0)
        before = self._not_own, self._not_own_processor
        started = self._now()
        try:
            return (yield)
        finally:
            seconds = self._now() - started
            self._setups[fixturedef].append(seconds - self._inner)
            self._inner = outer + seconds
            if wide:  # with the wide ones that it has asked for
                self._not_own = before[0] + seconds - (self._imports.seconds - imported)
                self._not_own_processor = before[1] + self._worked() - worked

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        """Time a phase of a test."""
        self._in_phase = True
        self._not_own = self._not_own_processor = self._own_teardown = 0.0
        imported, worked = self._imports.seconds, self._worked()
        self._started = self._now()
        try:
            return (yield)
        finally:
            self._seconds = self._now() - self._started
            self._processor = self._worked() - worked - self._not_own_processor
            self._not_own += self._imports.seconds - imported
            self._own_process["start"] += self._not_own
            self._in_phase = False

    pytest_runtest_call = pytest_runtest_teardown = pytest_runtest_setup

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """Note how far into the tear-down the test's own fixtures, which go first, were done."""
        if fixturedef.scope == "function":
            self._own_teardown = self._now() - self._started

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the test's own time to the report, which xdist carries to the controller."""
        report = yield
        if self._in_phase:  # a subtest's, which is a part of its test's
            return report
        seconds = self._own_teardown if report.when == "teardown" else self._seconds
        own = max(seconds - self._not_own, 0.0)
        processor = min(max(self._processor, 0.0), own)
        said = vars(report)
        said["own_seconds"], said["own_processor"] = own, processor
        self.own = own if report.when == "setup" else self.own + own
        self._in_tests += processor
        if report.when == "teardown":
            self._ran += 1
            said["details"] = self.details() if self.details else {}
        # The next phase may be refused before it comes here.
        self._seconds = self._processor = self._not_own = self._own_teardown = 0.0
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker found."""
        found = getattr(node, "workeroutput", {}).get("stopwatch")
        if found:
            self._gone.update(found["gone"])
            self._processes.append(found["own"])
            self.files |= found["files"]
            self.imports |= found["imports"]
            for name, (seconds, places) in found["fixtures"].items():
                self.fixtures[name] += seconds
                self._used_in[name] += places

    def pytest_runtestloop(self) -> None:
        """Begin to measure what pytest takes around the tests, or to control workers."""
        self._loop_began, self._loop_started = self._worked(), self._now()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test, and whether the test passed, from its set-up to its tear-down."""
        own, nodeid, when = getattr(report, "own_seconds", None), report.nodeid, report.when
        if report.outcome != "passed":
            if own is not None or report.outcome == "failed":  # a skipped subtest says nothing of its test
                self._failed.add(nodeid)
        elif when == "teardown" and nodeid not in self._failed:
            self._passed.add(nodeid)
        if own is not None and when is not None:  # neither a subtest's, nor of a crash
            times = self.measured[nodeid]
            times[PHASES[when]] += own
            times[3] += report.own_processor

    def _find_facts(self) -> dict[str, Any]:
        """Return what is known of the run besides its tests, as it stands in the record."""
        own: dict[str, list[float]] = defaultdict(list)
        for process in self._processes or [self._own_process]:
            for name, value in process.items():
                own[name].append(value)
        machine = {name: median(values) for name, values in own.items()} | {"cores": workers.cores()}
        control = 0.0
        if self._processes and self.measured:
            machine["relayed"] = machine.pop("around", 0.0)
            worked = self._worked() - self._loop_began
            machine["control"] = worked / len(self.measured)
            control = worked / (self._now() - self._loop_started)
        if self.gain is not None:
            machine["gain"] = self.gain
        return {
            "workers": len(self._processes),
            "control": control,
            "work": work_seconds(),
            "machine": machine,
            "fixtures": {name: summed(took, self._used_in[name]) for name, took in self.fixtures.items()},
            "files": self.files,
            "imports": self.imports,
            "gone": sorted(self._gone),
        }

    def _name_fixtures(self) -> None:
        for fixture, seconds in self._setups.items():
            # pytest makes a fixture of each argument of parametrize, too.
            if getattr(fixture.func, "__name__", "") != "get_direct_param_fixture_func":
                name = f"{fixture.argname} ({fixture.scope}) {fixture.baseid}".rstrip()
                self.fixtures[name] += seconds
                self._used_in[name] += len(self._places.get(fixture, ()))

    def pytest_sessionfinish(self) -> None:
        """Keep what was measured, also of a run that was interrupted."""
        self._imports.stop()
        self._name_fixtures()
        if self._ran:
            around = self._worked() - self._loop_began - self._in_tests - self._own_process["start"]
            self._own_process["around"] = max(around, 0.0) / self._ran
        if hasattr(self._config, "workeroutput"):
            found: dict[str, Any] = {"gone": sorted(self._gone), "own": self._own_process}
            found |= {"files": self.files, "imports": self.imports}
            found["fixtures"] = {name: (took, self._used_in[name]) for name, took in self.fixtures.items()}
            self._config.workeroutput["stopwatch"] = found
            return
        self.facts, self.before = self._find_facts(), self.store.tests
        self.run = to_run(self.measured, self._passed, self.facts)
        if self.run.tests and not self._config.option.tiers_record:
            try:
                self.moved = self.store.add(self.run)
            except OSError as error:  # a checkout that can't be written to is no reason to fail
                print(f"\nThe times of this run are lost: {error}", file=sys.stderr)
