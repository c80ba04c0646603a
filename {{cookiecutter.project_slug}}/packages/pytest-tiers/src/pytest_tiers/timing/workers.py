"""How many workers a run of the tests is worth: what `-n auto` reckons with.

A run takes what starting it takes, and then the longest of three: what each worker has to do, how long each waits and what all
processes together want of the processors, and the longest test. A test that waits wants no processor, so many of them pay
for more workers than there are processors; one that waits for PostgreSQL does: the server works meanwhile.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from pytest_tiers.timing.measures import Machine, Phases

USUAL = {"begin": 0.8, "start": 0.6, "collect": 0.0005, "around": 0.0007, "relayed": 0.001, "control": 0.0008}
"""Seconds of the processor, until they are measured."""
END = 0.15
"""Seconds of the processor that it takes to end a worker."""
GAINED = 0.6
"""Which part of a processor each further one is worth, until it is measured."""
MOST = 32
"""Workers at most, where tests wait: each takes some 100 MB, and up to three connections to PostgreSQL."""
WORTH = 0.95
"""A worker more has to make the run shorter by as much: the prediction isn't better than that."""
MEASURING = """
import sys, time
while time.time() < float(sys.argv[1]):
    pass
done, end = 0, time.perf_counter() + 0.1
while time.perf_counter() < end:
    sum(range(1000))
    done += 1
print(done)
"""


@dataclass(frozen=True)
class Work:
    """What there is to do: seconds of all tests, of the processor, and of the longest one; how many are run, and collected."""

    seconds: float
    processor: float
    longest: float
    tests: int
    collected: int


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure_gain(count: int) -> float:
    """Return how many times as much `count` processes do at once as one does. Takes half a second."""

    def done(processes: int) -> int:
        at = str(time.time() + 0.06)  # when all of them run
        command = [sys.executable, "-I", "-S", "-c", MEASURING, at]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - Python itself
            for _ in range(processes)
        ]
        return sum(int(process.communicate()[0]) for process in running)

    alone = max(done(1), done(1))  # one of them may be disturbed
    return min(max(done(count) / alone, 1.0), count)


def undo_sharing(phases: Phases, busy: float, cores: int) -> Phases:
    """Return the times of a test as if there had been a processor for each of so many busy processes: else they take turns."""
    turns = busy / cores
    seconds, processor = sum(phases[:3]), phases[3]
    if turns <= 1 or not seconds:
        return phases
    rest = (processor + max(seconds - processor * turns, 0.0)) / seconds
    return phases[0] * rest, phases[1] * rest, phases[2] * rest, processor


def predict(workers: int, work: Work, machine: Machine, *, slower: float = 1.0) -> float:
    """Return the seconds that a run takes, on a machine that is so many times slower than where it was measured."""
    known: dict[str, float] = {
        name: median(getattr(machine, name) or [usual]) * slower for name, usual in USUAL.items()
    }
    start = known["begin"] + known["start"] + known["collect"] * work.collected
    if workers == 0:
        return start + work.seconds + known["around"] * work.tests
    around = known["relayed"] * work.tests
    gain: float = median(machine.gain) if machine.gain else 1 + GAINED * (machine.cores - 1)

    def at_once(processes: int) -> float:
        """Return how many times as much so many processes do as one."""
        busy = min(processes, machine.cores)
        return 1 + (gain - 1) * (busy - 1) / max(machine.cores - 1, 1)

    processor = work.processor + around + known["control"] * work.tests
    waiting = work.seconds - work.processor
    return (
        known["begin"]
        + workers * (start + END) / at_once(workers)
        + max(
            (work.seconds + around) / workers,
            waiting / workers + processor / at_once(workers + 1),
            work.longest,
        )
    )


def most(cores: int) -> int:
    """Return how many workers come into question: more than processors, where tests wait."""
    return max(cores, min(max(4 * cores, 8), MOST))


def choose(work: Work, machine: Machine, *, slower: float = 1.0) -> int:
    """Return the number of workers with which the run is over first, 0 for none; fewer, if more would gain little."""
    best, seconds = 0, predict(0, work, machine, slower=slower)
    for workers in range(1, most(machine.cores) + 1):
        predicted = predict(workers, work, machine, slower=slower)
        if predicted < seconds * WORTH:
            best, seconds = workers, predicted
    return best
