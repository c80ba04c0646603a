"""What changed from run to run: tests that got slower or faster than noise explains, flaky ones, and what a run usually takes."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from pytest_tiers.commands.dashboard.model import FAILED, PASSED, History, Run

MAIN = ("main", "master", "trunk")
"""What the branch is called that others are compared with."""
KNOWN = 3
"""In how many runs a test, or a wall time, has to be known to be compared."""
ALIKE = 0.8
"""Which part of its tests a run has to share with another for their wall times to be compared."""
TELLING = 0.005
"""Seconds from which a test says something about how fast a run was as a whole."""
LEAST = 0.02
"""Seconds by which a test has to change, at least."""
WIDTH = 3.0
"""How many standard deviations the noise band reaches to either side."""
FLOOR = 0.1
"""The part of the median that the band has to either side, at least."""


class Band(NamedTuple):
    """What earlier runs took: the middle, and between which values noise moves it."""

    low: float
    middle: float
    high: float
    runs: int


class Change(NamedTuple):
    """A test that takes another time than before."""

    nodeid: str
    now: float
    band: Band

    @property
    def difference(self) -> float:
        """Seconds that it takes longer; below zero, less long."""
        return self.now - self.band.middle


@dataclass
class Flaky:
    """A test that failed and passed on the same tests."""

    nodeid: str
    here: str
    """How it went in the run that is shown."""
    outcomes: list[str]
    """One for each run, the oldest first; "" where it wasn't run."""
    failures: int
    runs: int
    failures_on_main: int
    runs_on_main: int


def band(values: Sequence[float]) -> Band:
    """Return the noise band of some values: the median, and three standard deviations, told by the median deviation."""
    middle = median(values)
    deviation = 1.4826 * median([abs(value - middle) for value in values])
    reach = max(WIDTH * deviation, FLOOR * middle)
    return Band(max(middle - reach, 0.0), middle, middle + reach, len(values))


def baseline(history: History) -> tuple[str, list[Run]]:
    """Return what the shown run is compared with, in words, and these runs: those of main, if there are enough."""
    of_main = [run for run in history.earlier if run.branch in MAIN]
    if len(of_main) >= KNOWN:
        return of_main[-1].branch, of_main
    return "earlier runs", history.earlier


def alike(shown: Run, runs: Iterable[Run]) -> list[Run]:
    """Return the runs of nearly the same tests."""
    mine = shown.briefs.keys()
    return [
        run
        for run in runs
        if len(mine & run.briefs.keys()) >= ALIKE * max(len(mine), len(run.briefs))
        and run.sharded == shown.sharded
    ]


def band_of(shown: Run, runs: Iterable[Run], value: Callable[[Run], float]) -> Band | None:
    """Return the band of a value over runs of nearly the same tests; None if there are too few."""
    values = [value(run) for run in alike(shown, runs)]
    return band(values) if len(values) >= KNOWN else None


def serial_wall(shown: Run, history: History) -> float | None:
    """Return what the last run of nearly the same tests without workers took, if there was one."""
    serial = [
        run for run in alike(shown, history.earlier) if run.workers == 1 and not run.facts.get("workers")
    ]
    return serial[-1].wall if serial and not shown.sharded else None


def paces(shown: Run, runs: Sequence[Run]) -> list[float]:
    """Return, of each run, how many times as long as in the shown one the tests took as a whole.

    A busy machine, coverage, another number of workers: what slows all tests says nothing of one.
    """
    found = []
    for run in runs:
        ratios = [
            run.briefs[nodeid].seconds / brief.seconds
            for nodeid, brief in shown.briefs.items()
            if brief.seconds > TELLING and nodeid in run.briefs and run.briefs[nodeid].seconds > 0
        ]
        found.append(median(ratios) if len(ratios) >= 20 else 1.0)
    return found


def changed(shown: Run, runs: Sequence[Run]) -> list[Change]:
    """Return the tests that took clearly longer, or less long, than in earlier runs; the largest difference first."""
    pace, found = paces(shown, runs), []
    for nodeid, now in shown.briefs.items():
        if now.outcome != PASSED:
            continue
        before = [
            run.briefs[nodeid].seconds / ratio
            for run, ratio in zip(runs, pace, strict=True)
            if nodeid in run.briefs and run.briefs[nodeid].outcome == PASSED
        ]
        if len(before) < KNOWN:
            continue
        if abs(now.seconds - median(before)) < LEAST:  # which most are, and a band costs more
            continue
        known = band(before)
        if not known.low <= now.seconds <= known.high:
            found.append(Change(nodeid, now.seconds, known))
    return sorted(found, key=lambda change: -abs(change.difference))


def flaky(history: History) -> list[Flaky]:
    """Return the tests that failed in some runs and not in others, or passed at a further try; most failures first."""
    suspects: Counter[str] = Counter()
    runs = [run for run in history.runs if run.complete]
    for run in runs:
        suspects.update(
            nodeid for nodeid, brief in run.briefs.items() if brief.outcome == FAILED or brief.tries > 1
        )
    found = []
    for nodeid in suspects:
        outcomes = [_outcome(run, nodeid) for run in runs]
        ran = [outcome for outcome in outcomes if outcome]
        # Failed ever since some run is broken, passed ever since is mended: neither is flaky.
        turns = sum(one != other for one, other in pairwise(ran))
        if turns < 2 and "flaky" not in ran:
            continue
        on_main = [
            outcome for run, outcome in zip(runs, outcomes, strict=True) if run.branch in MAIN and outcome
        ]
        found.append(
            Flaky(
                nodeid,
                _outcome(history.runs[-1], nodeid),
                outcomes,
                _failures(ran),
                len(ran),
                _failures(on_main),
                len(on_main),
            )
        )
    return sorted(found, key=lambda test: (-test.failures / test.runs, test.nodeid))


def _failures(outcomes: Iterable[str]) -> int:
    return sum(outcome in (FAILED, "flaky") for outcome in outcomes)


def _outcome(run: Run, nodeid: str) -> str:
    """Return how a test went, "flaky" where it failed and passed in one run."""
    brief = run.briefs.get(nodeid)
    if brief is None:
        return ""
    again = any(session.again.get(nodeid) == PASSED for session in run.sessions)
    if (brief.outcome == FAILED and again) or (brief.outcome == PASSED and brief.tries > 1):
        return "flaky"
    return brief.outcome
