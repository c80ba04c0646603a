# Kept by the template: an update replaces this file.
"""How long each test took, kept between runs in `.cache/tests/durations.json`:

    {"format": 2, "machine": 0.0021, "tests": {"tests/unit/test_a.py::test_b":
        {"runs": 7, "seen": "2026-11-23", "speed": "fast", "last": [[0.001, 0.004, 0.0005]]}}}

`last` has set-up, call and tear-down of the last five runs, in seconds; the middle one of their sums counts, so that a busy
machine moves nothing. `machine` is what a fixed piece of work took where they were measured: what another machine measures is
converted. A file that is missing or broken counts as empty. One of a later format is left alone.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

FORMAT = 2
KEPT = 5
"""Of how many runs the times are kept."""
SPEEDS = {"fast": 0.1, "medium": 1.0, "slow": math.inf}
"""Each speed and the seconds below which a test has it."""
FIRMNESS = 1.2
"""How far beyond a bound a test has to be to change its speed."""
SAME_MACHINE = 1.5
"""Up to this ratio two machines count as the same: the measure itself varies."""

Phases = tuple[float, float, float]
"""Seconds of set-up, call and tear-down."""


def speed_of(seconds: float) -> str:
    """Return the speed of a test that takes so long."""
    return next(speed for speed, limit in SPEEDS.items() if seconds < limit)


def machine_seconds() -> float:
    """Return the seconds that a fixed piece of work takes here, least of five: some ten milliseconds in all."""
    times = []
    for _ in range(5):
        started = perf_counter()
        sum(hash(str(number)) & 1 for number in range(8_000))
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
        return median(sum(phases) for phases in self.last)

    @property
    def spread(self) -> float:
        """Seconds between its shortest and its longest run."""
        sums = [sum(phases) for phases in self.last]
        return max(sums) - min(sums)


class Moved(NamedTuple):
    """A test whose speed is another one now."""

    nodeid: str
    old: Measured
    new: Measured


def _measured(entry: Any) -> Measured:
    last = tuple((float(setup), float(call), float(teardown)) for setup, call, teardown in entry["last"])
    if not last or not all(0 <= second < 1e6 for phases in last for second in phases):
        raise ValueError("not the times of a test")
    speed = entry["speed"] if entry["speed"] in SPEEDS else speed_of(median(map(sum, last)))
    return Measured(last[-KEPT:], max(int(entry["runs"]), 0), str(entry["seen"]), speed)


class Store:
    """The measured times in a file."""

    def __init__(self, path: Path) -> None:
        """Read `path`."""
        self.path = path
        self.note = ""
        """What is wrong with the file, if anything is."""
        self.machine: float | None = None
        self.tests: dict[str, Measured] = {}
        self._read()

    def _read(self) -> None:
        self.tests, self.machine, self.note = {}, None, ""
        try:
            content = json.loads(self.path.read_bytes())
            if content["format"] > FORMAT:
                self.note = (
                    f"{self.path} is of a later version of the template: it isn't used, and left as it is"
                )
            if content["format"] != FORMAT:
                return
            machine = float(content["machine"])
            self.machine = machine if 0 < machine < math.inf else None
            entries = [*content["tests"].items()]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.note = (
                f"{self.path} can't be read ({error!r:.80}): all tests count as new, and it is written anew"
            )
            return
        for nodeid, entry in entries:
            with suppress(ValueError, KeyError, TypeError, OverflowError):  # else the test counts as new
                self.tests[nodeid] = _measured(entry)

    def ratio(self, machine: float) -> float:
        """Return how much longer the tests take on a machine of this measure than where they were measured."""
        ratio = machine / self.machine if self.machine else 1.0
        return ratio if not 1 / SAME_MACHINE < ratio < SAME_MACHINE else 1.0

    def seconds(self, nodeid: str) -> float | None:
        """Return the time of a test, None if it was never measured."""
        measured = self.tests.get(nodeid)
        return measured.seconds if measured else None

    def add(self, times: Mapping[str, Phases], machine: float, gone: Iterable[str] = ()) -> list[Moved]:
        """Merge what a run measured, write the file, and return the tests whose speed changed.

        Tests in `gone`, and those whose file is gone, are forgotten. Raises OSError if the file can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._read()
            if "later version" in self.note:
                return []
            self.machine = self.machine or machine
            ratio, today, moved = self.ratio(machine), datetime.now(UTC).date().isoformat(), []
            for nodeid, (setup, call, teardown) in times.items():
                old = self.tests.get(nodeid)
                phases = (setup / ratio, call / ratio, teardown / ratio)
                last = (*(old.last if old else ()), phases)[-KEPT:]
                new = Measured(last, old.runs + 1 if old else 1, today, "")
                new = new._replace(speed=_firm(old, new.seconds))
                self.tests[nodeid] = new
                if old and old.speed != new.speed:
                    moved.append(Moved(nodeid, old, new))
            self._forget(set(gone))
            self._write()
            return moved

    def take_over(self, times: Mapping[str, float]) -> None:
        """Add times that another tool measured, of tests that were never measured here. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._read()
            self.machine = self.machine or machine_seconds()
            today = datetime.now(UTC).date().isoformat()
            for nodeid, seconds in times.items():
                new = Measured(((0.0, seconds, 0.0),), 0, today, speed_of(seconds))
                self.tests.setdefault(nodeid, new)
            self._forget(set())
            self._write()

    def _forget(self, gone: set[str]) -> None:
        root = self.path.parents[2]
        files = {nodeid.partition("::")[0] for nodeid in self.tests}
        there = {file for file in files if (root / file).exists()}
        self.tests = {
            nodeid: measured
            for nodeid, measured in self.tests.items()
            if nodeid not in gone and nodeid.partition("::")[0] in there
        }

    def _write(self) -> None:
        tests = {
            nodeid: {
                "runs": measured.runs,
                "seen": measured.seen,
                "speed": measured.speed,
                "last": [[round(second, 6) for second in phases] for phases in measured.last],
            }
            for nodeid, measured in sorted(self.tests.items())
        }
        # Renamed when complete: nobody reads half a file.
        temporary = self.path.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_text(json.dumps({"format": FORMAT, "machine": self.machine, "tests": tests}))
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _firm(old: Measured | None, seconds: float) -> str:
    """Return the speed for a time: the one that the test had, unless the time is clearly beyond its bounds."""
    if old is None:
        return speed_of(seconds)
    slower, faster = speed_of(seconds / FIRMNESS), speed_of(seconds * FIRMNESS)
    order = list(SPEEDS)
    if order.index(slower) > order.index(old.speed):
        return slower
    return faster if order.index(faster) < order.index(old.speed) else old.speed
