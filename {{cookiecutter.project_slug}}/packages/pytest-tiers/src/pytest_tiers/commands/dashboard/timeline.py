"""Where the wall time of a run went: what each worker did when, who idled, what the end waited for, and what it saved."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import median
from typing import NamedTuple

from pytest_tiers.commands.dashboard.model import Process, Run, Session, Test
from pytest_tiers.timing.workers import undo_sharing

SHORT = 0.02
"""Seconds below which a gap between two tests is no idling: pytest works between them."""


class Gap(NamedTuple):
    """A time in which a worker had nothing to do."""

    worker: str
    start: float
    stop: float
    last: bool
    """Whether no test followed."""

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.stop - self.start


@dataclass
class Lane:
    """What a worker did."""

    process: Process
    tests: list[Test] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def busy(self) -> float:
        """Seconds in tests."""
        return sum(test.whole for test in self.tests)

    @property
    def done(self) -> float:
        """When its last test was over."""
        return max((test.stop for test in self.tests), default=self.process.collected)


@dataclass
class Timeline:
    """A run, worker by worker."""

    lanes: list[Lane]
    """In the order of their names."""
    critical: Lane | None
    """The worker for which the run waited longest."""
    serial: float
    """Seconds that it would take one test after another: measured in a run without workers, else reckoned."""
    measured: bool
    """Whether `serial` was measured."""
    at_once: float
    """How many workers were in tests at once, in the mean."""

    @property
    def gaps(self) -> list[Gap]:
        """All times of idling."""
        return [gap for lane in self.lanes for gap in lane.gaps]

    @property
    def idle_at_end(self) -> float:
        """Seconds that a worker had nothing more to do while another had, in the mean."""
        if len(self.lanes) < 2:
            return 0.0
        ends = [lane.done for lane in self.lanes]
        return max(ends) - sum(ends) / len(ends)

    @property
    def longest(self) -> Test | None:
        """The test that took longest from start to stop."""
        tests = [test for lane in self.lanes for test in lane.tests]
        return max(tests, key=lambda test: test.whole, default=None)

    def path(self) -> dict[str, float]:
        """Return what the critical worker's time consisted of, in seconds."""
        if not self.critical:
            return {}
        lane, tests = self.critical, self.critical.tests
        parts = {
            "start": lane.process.collecting - lane.process.began,
            "collection": lane.process.collected - lane.process.collecting,
            "set-up": sum(test.took[0] for test in tests),
            "calls": sum(test.took[1] for test in tests),
            "tear-down": sum(test.took[2] for test in tests),
            "idle": sum(gap.seconds for gap in lane.gaps),
        }
        parts["pytest itself"] = max(lane.done - lane.process.began - sum(parts.values()), 0.0)
        return parts


def draw(run: Run, serial_wall: float | None = None) -> Timeline:
    """Return the timeline of a run; `serial_wall` is what the same tests took without workers, if that is known."""
    lanes = [lane for session in run.sessions for lane in _lanes(session)]
    filled = [lane for lane in lanes if lane.tests]
    critical = max(filled, key=lambda lane: lane.done - lane.process.began, default=None)
    began = min((test.start for test in run.tests), default=0.0)
    span = max((lane.done for lane in filled), default=0.0) - began
    if run.sharded and filled:  # shards needn't run at once
        span = max(_span(session) for session in run.sessions if session.tests)
    at_once = sum(lane.busy for lane in lanes) / span if span > 0 else 1.0
    alone = len(run.sessions) == 1 and not run.facts.get("workers")
    serial = run.wall if alone else serial_wall or sum(_serial(run))
    return Timeline(lanes, critical, serial, alone or serial_wall is not None, max(at_once, 1.0))


def _span(session: Session) -> float:
    return max(test.stop for test in session.tests) - min(test.start for test in session.tests)


def _lanes(session: Session) -> Iterator[Lane]:
    of_worker: dict[str, list[Test]] = defaultdict(list)
    for test in session.tests:
        of_worker[test.worker].append(test)
    lanes = [
        Lane(process, sorted(of_worker[process.worker], key=attrgetter("start")))
        for process in session.processes
    ]
    end = max((lane.done for lane in lanes), default=0.0)
    for lane in lanes:
        free = lane.process.collected
        for test in lane.tests:
            if test.start - free > SHORT:
                lane.gaps.append(Gap(lane.process.worker, free, test.start, last=False))
            free = max(free, test.stop)
        if end - free > SHORT:
            lane.gaps.append(Gap(lane.process.worker, free, end, last=True))
        yield lane


def _serial(run: Run) -> Iterator[float]:
    """Yield what one process would take: start and collection once, and each test as if it had been alone."""
    yield median([process.collected - process.began for process in run.processes] or [0.0])
    for session in run.sessions:
        machine = session.facts.get("machine", {})
        cores = int(machine.get("cores", 1))
        busy = int(session.facts.get("workers", 0)) + float(session.facts.get("control", 0.0))
        for test in session.tests:
            yield sum(undo_sharing((*test.own, test.processor), busy, cores)[:3])
        yield float(machine.get("relayed", machine.get("around", 0.0))) * len(session.tests)
    for fixture in run.fixtures:
        if fixture.scope != "function" and fixture.setups:
            times = 1 if fixture.scope == "session" else fixture.setups
            yield fixture.seconds / fixture.setups * times
