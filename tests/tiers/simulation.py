"""A run of tests on several workers, in simulated time, with xdist's own scheduler and the order of the plugin."""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count

from pytest_tiers.timing import order
from xdist.scheduler.worksteal import WorkStealingScheduling  # type: ignore[import-untyped]


class Config:
    """What the scheduler asks of pytest."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def getvalue(self, name: str) -> list[str] | None:
        return [f"{self.workers}*popen"] if name == "tx" else None


class Worker:
    """A worker of xdist, in simulated time: it begins a test only when it knows the next, or that there is none."""

    id = "worker"

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.queue: deque[int] = deque()
        self.shutting_down = False
        self.busy = False
        self.gateway = self

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.queue.extend(indices)
        self.begin()

    def shutdown(self) -> None:
        self.shutting_down = True
        self.begin()

    def send_steal(self, indices: Sequence[int]) -> None:
        self.simulation.at(0, lambda: self.steal(indices))

    def steal(self, indices: Sequence[int]) -> None:
        # The head is what the worker took already, to know what comes next.
        left = list(self.queue)[1:]
        stolen = [index for index in left if index in set(indices)]
        if len(stolen) == len(indices):
            self.queue = deque(index for index in self.queue if index not in set(stolen))
        else:
            stolen = []
        self.simulation.scheduler.remove_pending_tests_from_node(self, stolen)

    def begin(self) -> None:
        if not self.busy and self.queue and (len(self.queue) > 1 or self.shutting_down):
            self.busy = True
            index = self.queue.popleft()
            self.simulation.at(self.simulation.seconds[index], lambda: self.end(index))

    def end(self, index: int) -> None:
        self.busy = False
        self.simulation.ran.append(index)
        self.simulation.scheduler.mark_test_complete(self, index)
        self.begin()


class Simulation:
    """A run of tests on workers."""

    def __init__(self, seconds: Sequence[float], workers: int) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.ran: list[int] = []
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = count()
        self.scheduler = WorkStealingScheduling(Config(workers))
        nodes = [Worker(self) for _ in range(workers)]
        for node in nodes:
            self.scheduler.add_node(node)
        for node in nodes:
            self.scheduler.add_node_collection(node, [str(index) for index in range(len(seconds))])

    def at(self, delay: float, what: Callable[[], None]) -> None:
        """Do something after so many seconds."""
        heapq.heappush(self.events, (self.now + delay, next(self.number), what))

    def run(self) -> float:
        """Return the seconds that the run takes."""
        self.scheduler.schedule()
        while self.events:
            self.now, _, what = heapq.heappop(self.events)
            what()
        assert sorted(self.ran) == list(range(len(self.seconds)))
        return self.now


def wall(units: Sequence[Sequence[int]], seconds: Sequence[float], workers: int) -> float:
    """Return the simulated seconds of a run in the plugin's order."""
    numbers = order.arrange(units, seconds, workers)
    assert sorted(numbers) == list(range(len(seconds)))
    return Simulation([seconds[number] for number in numbers], workers).run()
