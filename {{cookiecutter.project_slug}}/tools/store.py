# Kept by the template: an update replaces this file.
"""What runs of the tests measured, kept in `.cache/tests/durations.json`, a line for each test:

    {"format": 3,
     "machine": {"work": 0.0021, "cores": 2, "gain": [1.4], "collect": [0.0003], "around": [0.0005],
        "relayed": [0.0008], "control": [0.0006], "begin": [0.7], "start": [0.4]},
     "fixtures": {"engine (session) tests/unit": {"runs": 7, "seen": "2026-11-23", "last": [0.01]}},
     "files": {"tests/unit/test_a.py": {"runs": 7, "seen": "2026-11-23", "last": [0.02]}},
     "tests": {"tests/unit/test_a.py::test_b":
        {"runs": 7, "seen": "2026-11-23", "speed": "fast", "last": [[0.001, 0.004, 0.0005, 0.005]]}}}

Of a test, `last` has set-up, call, tear-down, and how much of these the processor worked, in seconds, of the last five runs; the
middle one of their sums counts, so that a busy machine moves nothing. Of a fixture it has what one set-up took, of a file what
collecting it took, without what it imports. `work` is what a fixed piece of work took where all of it was measured: what
another machine measures is converted. The rest of `machine` is what `tools.workers` reckons with.

A file that is missing or broken counts as empty. One of a later format is left alone.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

FORMAT = 3
KEPT = 5
"""Of how many runs the times are kept."""
SPEEDS = {"fast": 0.1, "medium": 1.0, "slow": math.inf}
"""Each speed and the seconds below which a test has it."""
FIRMNESS = 1.2
"""How far beyond a bound a test has to be to change its speed."""
SAME_MACHINE = 2.0
"""Up to this ratio two machines count as the same: the measure itself varies."""
FORGOTTEN = timedelta(days=60)
"""A fixture that no test took for so long is forgotten."""
PATH = Path(".cache", "tests", "durations.json")

Phases = tuple[float, float, float, float]
"""Seconds of set-up, call and tear-down of a test, and for how many of them the processor worked."""


def speed_of(seconds: float) -> str:
    """Return the speed of a test that takes so long."""
    return next(speed for speed, limit in SPEEDS.items() if seconds < limit)


def work_seconds() -> float:
    """Return the seconds that a fixed piece of work takes here, least of five: some ten milliseconds in all."""
    times = []
    for _ in range(5):
        started = perf_counter()
        sum(map(hash, map(str, range(8_000))))  # in C, which coverage doesn't slow down
        times.append(perf_counter() - started)
    return min(times)


class Measured(NamedTuple):
    """What is known of a test."""

    last: tuple[Phases, ...]
    runs: int
    seen: str
    speed: str

    @property
    def seconds(self) -> float:
        """The test's time: the middle one of its last runs."""
        return median(sum(phases[:3]) for phases in self.last)

    @property
    def processor(self) -> float:
        """The seconds for which the processor worked: the middle one of its last runs."""
        return median(phases[3] for phases in self.last)

    @property
    def spread(self) -> float:
        """Seconds between its shortest and its longest run."""
        sums = [sum(phases[:3]) for phases in self.last]
        return max(sums) - min(sums)


class Moved(NamedTuple):
    """A test whose speed is another one now."""

    nodeid: str
    old: Measured
    new: Measured


class Series(NamedTuple):
    """What is known of a fixture or a file: seconds of the last runs."""

    last: tuple[float, ...] = ()
    runs: int = 0
    seen: str = ""

    @property
    def seconds(self) -> float:
        """The middle one."""
        return median(self.last)

    def then(self, seconds: float, today: str) -> "Series":
        """Return it with another run."""
        return Series((*self.last, seconds)[-KEPT:], self.runs + 1, today)


@dataclass
class Machine:
    """What is known of the machine: series of the last runs."""

    work: float | None = None
    """Seconds of `work_seconds()` where the times were measured."""
    cores: int = 0
    gain: list[float] = field(default_factory=list)
    """How many times as much all cores do together as one does alone."""
    collect: list[float] = field(default_factory=list)
    """Seconds of the processor per collected test."""
    around: list[float] = field(default_factory=list)
    """What pytest and its plugins take for each test around it, likewise, in a run without workers."""
    relayed: list[float] = field(default_factory=list)
    """The same in a worker, which also sends what came of it to the controlling process."""
    control: list[float] = field(default_factory=list)
    """Seconds of the processor that the controlling process takes per test of its workers."""
    begin: list[float] = field(default_factory=list)
    """Seconds of the processor until a process has loaded plugins and conftest."""
    start: list[float] = field(default_factory=list)
    """The same for what comes later and isn't a test's: imports when something is first used, fixtures of wide scopes."""


@dataclass
class Run:
    """What a run measured, or a shard of it. Times are those of one process that is alone on the machine."""

    work: float
    tests: dict[str, Phases] = field(default_factory=dict)
    fixtures: dict[str, float] = field(default_factory=dict)
    files: dict[str, float] = field(default_factory=dict)
    machine: dict[str, float] = field(default_factory=dict)
    """A value for each series of `Machine` that was measured, and the number of cores."""
    gone: set[str] = field(default_factory=set)
    """Tests that aren't in their files any more."""


def _seconds(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not numbers or not all(0 <= number < 1e6 for number in numbers):
        raise ValueError("no times")
    return numbers


def _measured(entry: Any) -> Measured:
    last: list[Phases] = []
    for phases in entry["last"]:
        setup, call, teardown, processor = _seconds(phases)
        last.append((setup, call, teardown, processor))
    if not last:
        raise ValueError("no runs")
    known = Measured(tuple(last[-KEPT:]), max(int(entry["runs"]), 0), str(entry["seen"]), "")
    return known._replace(speed=entry["speed"] if entry["speed"] in SPEEDS else speed_of(known.seconds))


def _series(entry: Any) -> Series:
    return Series(_seconds(entry["last"])[-KEPT:], max(int(entry["runs"]), 0), str(entry["seen"]))


def _entry(known: Measured | Series) -> dict[str, Any]:
    """Return it as `_measured` or `_series` reads it."""
    if isinstance(known, Series):
        return known._asdict() | {"last": [round(seconds, 6) for seconds in known.last]}
    return known._asdict() | {"last": [[round(second, 6) for second in phases] for phases in known.last]}


def _machine(entry: Any) -> Machine:
    machine = Machine(work=float(entry["work"]), cores=int(entry["cores"]))
    if not machine.work or not 0 < machine.work < 1e6:
        machine.work = None
    for series in fields(Machine):
        if series.default_factory is list:
            with suppress(ValueError, TypeError, KeyError):
                setattr(machine, series.name, [*_seconds(entry[series.name])][-KEPT:])
    return machine


class Store:
    """The measured times in a file."""

    def __init__(self, path: Path) -> None:
        """Read `path`."""
        self.path = path
        self._known_as: tuple[int, int] | None = None
        self._read()

    def _read(self) -> None:
        """Read the file, unless it is the one that was read last: it is replaced, never changed."""
        with suppress(OSError):
            status = self.path.stat()
            if self._known_as == (known_as := (status.st_ino, status.st_mtime_ns)):
                return
            self._known_as = known_as
        self.tests: dict[str, Measured] = {}
        self.fixtures: dict[str, Series] = {}
        self.files: dict[str, Series] = {}
        self.machine = Machine()
        self.note = ""
        """What is wrong with the file, if anything is."""
        try:
            content = json.loads(self.path.read_bytes())
            if content["format"] > FORMAT:
                self.note = (
                    f"{self.path} is of a later version of the template: it isn't used, and left as it is"
                )
            if content["format"] != FORMAT:
                return
            self.machine = _machine(content["machine"])
            parts = {name: content[name] for name in ("tests", "fixtures", "files")}
            keys = {name: [*part.keys()] for name, part in parts.items()}
        except FileNotFoundError:
            return
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            self.machine = Machine()
            self.note = (
                f"{self.path} can't be read ({error!r:.80}): all tests count as new, and it is written anew"
            )
            return
        for name, read, known in (
            ("tests", _measured, self.tests),
            ("fixtures", _series, self.fixtures),
            ("files", _series, self.files),
        ):
            for key in keys[name]:
                with suppress(ValueError, KeyError, TypeError, OverflowError):  # else it counts as new
                    known[key] = read(parts[name].pop(key))  # type: ignore[assignment]

    def ratio(self, work: float) -> float:
        """Return how much longer the tests take on a machine of this measure than where they were measured."""
        ratio = work / self.machine.work if self.machine.work else 1.0
        return ratio if not 1 / SAME_MACHINE < ratio < SAME_MACHINE else 1.0

    def add(self, run: Run) -> list[Moved]:
        """Merge what a run measured, write the file, and return the tests whose speed changed.

        Tests that are gone, and those whose file is gone, are forgotten. Raises OSError if the file can't be written.
        """
        with self._locked():
            self._read()
            if "later version" in self.note:
                return []
            self.machine.work = self.machine.work or run.work
            ratio, today, moved = self.ratio(run.work), _today(), []
            self.tests = dict(self.tests)  # the run is compared with what was known before
            for nodeid, (setup, call, teardown, processor) in run.tests.items():
                old = self.tests.get(nodeid)
                phases = (setup / ratio, call / ratio, teardown / ratio, processor / ratio)
                last = (*(old.last if old else ()), phases)[-KEPT:]
                new = Measured(last, old.runs + 1 if old else 1, today, "")
                new = new._replace(speed=_firm(old, new.seconds))
                self.tests[nodeid] = new
                if old and old.speed != new.speed:
                    moved.append(Moved(nodeid, old, new))
            for known, times in ((self.fixtures, run.fixtures), (self.files, run.files)):
                for name, seconds in times.items():
                    known[name] = known.get(name, Series()).then(seconds / ratio, today)
            self._learn(run.machine, ratio)
            self._forget(run.gone)
            self._write()
            return moved

    def _learn(self, learnt: Mapping[str, float], ratio: float) -> None:
        machine, cores = self.machine, int(learnt.get("cores", self.machine.cores))
        if cores != machine.cores:
            machine.cores, machine.gain = cores, []
        for name, value in learnt.items():
            if name != "cores":
                values = [*getattr(machine, name), value if name == "gain" else value / ratio]
                setattr(machine, name, values[-KEPT:])

    def take_over(self, times: Mapping[str, float]) -> None:
        """Add times that another tool measured, of tests that were never measured here. Raises OSError."""
        with self._locked():
            self._read()
            self.machine.work = self.machine.work or work_seconds()
            for nodeid, seconds in times.items():
                new = Measured(((0.0, seconds, 0.0, seconds),), 0, _today(), speed_of(seconds))
                self.tests.setdefault(nodeid, new)
            self._forget(set())
            self._write()

    def _forget(self, gone: set[str]) -> None:
        root = self.path.parents[2]
        files = {nodeid.partition("::")[0] for nodeid in self.tests} | self.files.keys()
        there = {file for file in files if (root / file).exists()}
        self.tests = {
            nodeid: measured
            for nodeid, measured in self.tests.items()
            if nodeid not in gone and nodeid.partition("::")[0] in there
        }
        self.files = {file: series for file, series in self.files.items() if file in there}
        oldest = (datetime.now(UTC) - FORGOTTEN).date().isoformat()
        self.fixtures = {name: series for name, series in self.fixtures.items() if series.seen >= oldest}

    def _write(self) -> None:
        self._known_as = None  # what was merged since isn't what was read
        machine = vars(self.machine) | {
            name: [round(value, 6) for value in values]
            for name, values in vars(self.machine).items()
            if isinstance(values, list)
        }
        parts: dict[str, Mapping[str, Measured | Series]] = {
            "fixtures": self.fixtures,
            "files": self.files,
            "tests": self.tests,
        }
        # Renamed when complete: nobody reads half a file.
        temporary = self.path.with_suffix(f".{os.getpid()}")
        try:
            with temporary.open("w") as file:
                file.write('{"format": ' + str(FORMAT) + ',\n"machine": ' + json.dumps(machine))
                for part, known in parts.items():
                    file.write(',\n"' + part + '": {')
                    comma = ""
                    for key in sorted(known):
                        file.write(f"{comma}\n{json.dumps(key)}: {json.dumps(_entry(known[key]))}")
                        comma = ","
                    file.write("}")
                file.write("}\n")
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _firm(old: Measured | None, seconds: float) -> str:
    """Return the speed for a time: the one that the test had, unless the time is clearly beyond its bounds."""
    if old is None:
        return speed_of(seconds)
    slower, faster = speed_of(seconds / FIRMNESS), speed_of(seconds * FIRMNESS)
    order = list(SPEEDS)
    if order.index(slower) > order.index(old.speed):
        return slower
    return faster if order.index(faster) < order.index(old.speed) else old.speed
