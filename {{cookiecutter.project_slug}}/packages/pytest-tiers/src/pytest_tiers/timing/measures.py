"""What is measured: of a test, a fixture, a file, the machine; and what one run measured of them."""

import math
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import NamedTuple

KEPT = 5
"""Of how many runs the times are kept."""
SPEEDS = {"fast": 0.1, "medium": 1.0, "slow": math.inf}
"""Each speed and the seconds below which a test has it."""
FIRMNESS = 1.2
"""How far beyond a bound a test has to be to change its speed."""

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
        return median([sum(phases[:3]) for phases in self.last])

    @property
    def processor(self) -> float:
        """The seconds for which the processor worked: the middle one of its last runs."""
        return median([phases[3] for phases in self.last])

    @property
    def spread(self) -> float:
        """Seconds between its shortest and its longest run."""
        sums = [sum(phases[:3]) for phases in self.last]
        return max(sums) - min(sums)

    def firm_speed(self, seconds: float) -> str:
        """Return the speed for a time: the one that the test has, unless the time is clearly beyond its bounds."""
        slower, faster = speed_of(seconds / FIRMNESS), speed_of(seconds * FIRMNESS)
        order = list(SPEEDS)
        if order.index(slower) > order.index(self.speed):
            return slower
        return faster if order.index(faster) < order.index(self.speed) else self.speed


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
