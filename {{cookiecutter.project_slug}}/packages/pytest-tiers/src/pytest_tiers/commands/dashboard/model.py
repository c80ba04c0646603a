"""What the dashboard reckons with: runs, the processes that ran them, and their tests. Times are seconds, points in time since 1970."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

FAILED = "failed"
PASSED = "passed"


class Test(NamedTuple):
    """A test of the run that is shown."""

    nodeid: str
    worker: str
    """Which worker ran it, with its shard before it where there are several: "gw1", "2/gw1"."""
    start: float
    took: tuple[float, float, float]
    """Seconds of set-up, call and tear-down, with all that happened meanwhile."""
    own: tuple[float, float, float]
    """The same without fixtures of wider scopes, and without imports."""
    processor: float
    outcome: str = PASSED
    tries: int = 1
    line: int = 0
    """Where it begins in its file, from 1; 0 where that isn't recorded."""
    slept: float = 0.0
    statements: Mapping[str, tuple[int, float]] = {}
    """How often each shape of statement was executed, and how long that took."""

    @property
    def file(self) -> str:
        """The file that it lies in."""
        return self.nodeid.partition("::")[0]

    @property
    def whole(self) -> float:
        """Seconds from its start to its end."""
        return sum(self.took)

    @property
    def stop(self) -> float:
        """When it was over."""
        return self.start + self.whole

    @property
    def seconds(self) -> float:
        """What it took itself."""
        return sum(self.own)


class Brief(NamedTuple):
    """What is kept of a test of an earlier run."""

    seconds: float
    outcome: str
    tries: int


class Process(NamedTuple):
    """A process that ran tests."""

    worker: str
    began: float
    collecting: float
    collected: float
    ended: float


class Fixture(NamedTuple):
    """What a fixture took in a run, without those it depends on."""

    name: str
    scope: str
    place: str
    """The file or folder that it is for."""
    setups: int
    seconds: float
    longest: float
    places: int
    """How often it would have been set up with the scope of a module; 0 where that isn't recorded."""

    @property
    def label(self) -> str:
        """Its name, and where it is from."""
        return f"{self.name} ({self.place})" if self.place else self.name


@dataclass
class Session:
    """What one call of pytest recorded: a run, or a shard of it."""

    path: Path
    place: int = 0
    """How many other sessions stand before it in that file."""
    tests: list[Test] = field(default_factory=list)
    """Empty where only `briefs` were read."""
    briefs: dict[str, Brief] = field(default_factory=dict)
    known: bool = False
    """Whether there is anything of a session in the file at all."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The line of the type `Run`."""
    status: int | None = None
    """pytest's exit status."""
    errors: dict[str, str] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What no other session has."""
        return str(self.facts.get("id") or (self.facts.get("started"), self.facts.get("seconds")))

    @cached_property
    def started(self) -> float:
        """When it began."""
        try:
            return datetime.fromisoformat(str(self.facts["started"])).astimezone(UTC).timestamp()
        except (KeyError, ValueError):
            return 0.0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return float(self.facts.get("seconds", 0.0))

    @property
    def shard(self) -> int:
        """Which shard it was; 0 where the run had none."""
        shard = self.facts.get("shard")
        return int(shard["shard"]) if shard else 0

    @property
    def group(self) -> tuple[str, ...]:
        """What the shards of one run have in common."""
        shard = self.facts.get("shard")
        if not shard:
            return (self.identity,)
        of_run = self.facts.get("ci") or self.facts.get("commit") or str(self.path.parent)
        return (str(shard.get("digest")), str(shard.get("of")), str(of_run))

    @cached_property
    def processes(self) -> list[Process]:
        """The processes that ran tests, in the order of their names."""
        prefix = f"{self.shard}/" if self.shard else ""
        found = [
            Process(prefix + str(known["worker"]), *(float(known[name]) for name in Process._fields[1:]))
            for known in self.facts.get("processes", ())
        ]
        named = {process.worker for process in found}
        for worker in sorted({test.worker for test in self.tests} - named):  # recorded before format 2
            own = [test for test in self.tests if test.worker == worker]
            first = min(test.start for test in own)
            began = min(self.started or first, first)
            found.append(Process(worker, began, first, first, max(test.stop for test in own)))
        return sorted(found, key=lambda process: (len(process.worker), process.worker))


@dataclass
class Run:
    """A run of the tests: one session, or one for each shard."""

    sessions: list[Session]

    @property
    def record(self) -> str:
        """The file that its numbers come from; of shards, the first and how many more there are."""
        names = sorted({session.path.name for session in self.sessions})
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is the same for all its sessions."""
        return self.sessions[0].facts

    @property
    def started(self) -> float:
        """When it began."""
        return min(session.started for session in self.sessions)

    @property
    def wall(self) -> float:
        """Seconds from its start to its end; with shards, those of the longest."""
        return max(session.seconds for session in self.sessions)

    @property
    def status(self) -> int:
        """pytest's exit status, the worst of all shards."""
        return max(session.status if session.status is not None else 3 for session in self.sessions)

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""
        return self.status <= 1

    @property
    def sharded(self) -> bool:
        """Whether it is of several shards, or one of them."""
        return bool(self.sessions[0].shard)

    @property
    def workers(self) -> int:
        """How many processes ran tests at once, at most."""
        return sum(max(int(session.facts.get("workers", 0)), 1) for session in self.sessions)

    @property
    def branch(self) -> str:
        """The branch that it ran on; empty where that isn't recorded."""
        return str(self.facts.get("branch") or "")

    @cached_property
    def tests(self) -> list[Test]:
        """Its tests, in the order of their starts. Only of the run that is shown."""
        return sorted(
            (test for session in self.sessions for test in session.tests), key=lambda test: test.start
        )

    @cached_property
    def briefs(self) -> dict[str, Brief]:
        """What is kept of each of its tests."""
        return {nodeid: brief for session in self.sessions for nodeid, brief in session.briefs.items()}

    @cached_property
    def collection(self) -> float:
        """Seconds that the slowest process was collecting."""
        known = [process.collected - process.collecting for process in self.processes]
        return max(known, default=0.0)

    @property
    def processes(self) -> Iterator[Process]:
        """All processes that ran tests."""
        for session in self.sessions:
            yield from session.processes

    @cached_property
    def shapes(self) -> dict[str, str]:
        """The text of each shape of statement."""
        return {
            key: str(text)
            for session in self.sessions
            for key, text in session.facts.get("shapes", {}).items()
        }

    @cached_property
    def errors(self) -> dict[str, str]:
        """The first line of each failure."""
        return {nodeid: error for session in self.sessions for nodeid, error in session.errors.items()}

    def seconds_of(self, name: str) -> dict[str, float]:
        """Return `files` or `imports`: seconds by file, of the slowest process."""
        found: dict[str, float] = {}
        for session in self.sessions:
            for file, seconds in session.facts.get(name, {}).items():
                found[str(file)] = max(found.get(str(file), 0.0), float(seconds))
        return found

    @cached_property
    def fixtures(self) -> list[Fixture]:
        """What each fixture took, the costliest first."""
        added: dict[str, list[float]] = {}
        for session in self.sessions:
            for name, found in session.facts.get("fixtures", {}).items():
                if isinstance(found, dict):
                    new = [found["count"], found["seconds"], found["longest"], found["places"]]
                else:  # format 1: seconds of each set-up
                    new = [len(found), sum(found), max(found, default=0.0), 0]
                old = added.get(name, [0, 0.0, 0.0, 0])
                added[name] = [old[0] + new[0], old[1] + new[1], max(old[2], new[2]), old[3] + new[3]]
        found_all = []
        for key, (count, seconds, longest, places) in added.items():
            name, _, rest = str(key).partition(" (")
            scope, _, place = rest.partition(")")
            found_all.append(
                Fixture(name, scope, place.strip(), int(count), float(seconds), float(longest), int(places))
            )
        return sorted(found_all, key=lambda fixture: -fixture.seconds)


@dataclass
class History:
    """All runs that there are records of, the oldest first, and what is wrong with the others."""

    runs: list[Run] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def shown(self) -> Run | None:
        """The run that the page is about: the last one."""
        return self.runs[-1] if self.runs else None

    @property
    def earlier(self) -> list[Run]:
        """Those before it that reached their end."""
        return [run for run in self.runs[:-1] if run.complete]
