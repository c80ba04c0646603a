"""What runs of the tests measured, kept between them: `timing.store_file` says how it is written.

Speeds, workers, order, shards and budgets all go by it. Two runs at once lose nothing of each other.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_tiers.config import Settings, prepare_cache
from pytest_tiers.timing import store_file
from pytest_tiers.timing.measures import (
    FIRMNESS,
    KEPT,
    SPEEDS,
    Machine,
    Measured,
    Moved,
    Phases,
    Run,
    Series,
    speed_of,
    work_seconds,
)

__all__ = [
    "FIRMNESS",
    "KEPT",
    "SPEEDS",
    "Machine",
    "Measured",
    "Moved",
    "Phases",
    "Run",
    "Series",
    "Store",
    "open_store",
    "speed_of",
    "store_path",
    "work_seconds",
]

SAME_MACHINE = 2.0
"""Up to this ratio two machines count as the same: the measure itself varies."""
FORGOTTEN = timedelta(days=60)
"""A fixture that no test took for so long is forgotten."""


def store_path(settings: Settings) -> Path:
    """Return the file in which a suite's times are kept."""
    return settings.cache / "durations.json"


def open_store(settings: Settings) -> "Store":
    """Return what was measured of a suite."""
    return Store(store_path(settings), settings.root)


class Store:
    """The measured times in a file."""

    def __init__(self, path: Path, root: Path) -> None:
        """Read `path`. Its node ids begin with files below `root`."""
        self.path, self._root = path, root
        self._content = store_file.Content()
        self._known_as: tuple[int, int] | None = None
        self._read()

    @property
    def tests(self) -> dict[str, Measured]:
        """What is known of each test, by node id."""
        return self._content.tests

    @property
    def fixtures(self) -> dict[str, Series]:
        """What is known of each fixture, by name, scope and place."""
        return self._content.fixtures

    @property
    def files(self) -> dict[str, Series]:
        """What is known of collecting each file."""
        return self._content.files

    @property
    def machine(self) -> Machine:
        """What is known of the machine."""
        return self._content.machine

    @property
    def note(self) -> str:
        """What is wrong with the file, if anything is."""
        return self._content.note

    def _read(self) -> None:
        """Read the file, unless it is the one that was read last: it is replaced, never changed."""
        with suppress(OSError):
            status = self.path.stat()
            if self._known_as == (known_as := (status.st_ino, status.st_mtime_ns)):
                return
            self._known_as = known_as
        self._content = store_file.read(self.path)

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
            if self._content.later:
                return []
            self.machine.work = self.machine.work or run.work
            ratio, today, moved = self.ratio(run.work), _today(), []
            tests = dict(self.tests)  # the run is compared with what was known before
            for nodeid, (setup, call, teardown, processor) in run.tests.items():
                old = tests.get(nodeid)
                phases = (setup / ratio, call / ratio, teardown / ratio, processor / ratio)
                last = (*(old.last if old else ()), phases)[-KEPT:]
                new = Measured(last, old.runs + 1 if old else 1, today, "")
                new = new._replace(speed=old.firm_speed(new.seconds) if old else speed_of(new.seconds))
                tests[nodeid] = new
                if old and old.speed != new.speed:
                    moved.append(Moved(nodeid, old, new))
            self._content.tests = tests
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
        """Add times that another tool measured, of tests that were never measured here.

        Raises ValueError where a later version wrote the file, and OSError if it can't be written.
        """
        with self._locked():
            self._read()
            if self._content.later:
                raise ValueError(self.note)
            self.machine.work = self.machine.work or work_seconds()
            for nodeid, seconds in times.items():
                new = Measured(((0.0, seconds, 0.0, seconds),), 0, _today(), speed_of(seconds))
                self.tests.setdefault(nodeid, new)
            self._forget(set())
            self._write()

    def _forget(self, gone: set[str]) -> None:
        content = self._content
        files = {nodeid.partition("::")[0] for nodeid in content.tests} | content.files.keys()
        there = {file for file in files if (self._root / file).exists()}
        content.tests = {
            nodeid: measured
            for nodeid, measured in content.tests.items()
            if nodeid not in gone and nodeid.partition("::")[0] in there
        }
        content.files = {file: series for file, series in content.files.items() if file in there}
        oldest = (datetime.now(UTC) - FORGOTTEN).date().isoformat()
        content.fixtures = {
            name: series for name, series in content.fixtures.items() if series.seen >= oldest
        }

    def _write(self) -> None:
        self._known_as = None  # what was merged since isn't what was read
        store_file.write(self.path, self._content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        prepare_cache(Settings(self._root))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
