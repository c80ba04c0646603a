"""A run of tests on several workers, in simulated time, with xdist's own scheduler and the order of the service's plugin."""

import heapq
from collections import deque
from itertools import count
from types import ModuleType

from tools_of_service import TEMPLATE
from xdist.scheduler.worksteal import WorkStealingScheduling  # type: ignore[import-untyped]

# The module imports its neighbours, of which only one function matters here.
source = (
    (TEMPLATE / "tests/plugins/order.py")
    .read_text()
    .replace("from tests.plugins.speed import expected_seconds\n", "expected_seconds = None\n")
)
order = ModuleType("order")
exec(source, vars(order))


class Config:
    """What the scheduler asks of pytest."""

    def __init__(self, workers):
        self.workers = workers

    def getvalue(self, name):
        return [f"{self.workers}*popen"] if name == "tx" else None


class Worker:
    """A worker of xdist, in simulated time: it begins a test only when it knows the next, or that there is none."""

    def __init__(self, simulation):
        self.simulation = simulation
        self.queue = deque()
        self.shutting_down = False
        self.busy = False
        self.gateway = self

    id = "worker"

    def send_runtest_some(self, indices):
        self.queue.extend(indices)
        self.begin()

    def shutdown(self):
        self.shutting_down = True
        self.begin()

    def send_steal(self, indices):
        self.simulation.at(0, lambda: self.steal(indices))

    def steal(self, indices):
        # The head is what the worker took already, to know what comes next.
        left = list(self.queue)[1:]
        stolen = [index for index in left if index in set(indices)]
        if len(stolen) == len(indices):
            self.queue = deque(index for index in self.queue if index not in set(stolen))
        else:
            stolen = []
        self.simulation.scheduler.remove_pending_tests_from_node(self, stolen)

    def begin(self):
        if not self.busy and self.queue and (len(self.queue) > 1 or self.shutting_down):
            self.busy = True
            index = self.queue.popleft()
            self.simulation.at(self.simulation.seconds[index], lambda: self.end(index))

    def end(self, index):
        self.busy = False
        self.simulation.ran.append(index)
        self.simulation.scheduler.mark_test_complete(self, index)
        self.begin()


class Simulation:
    """A run of tests on workers."""

    def __init__(self, seconds, workers):
        self.seconds = seconds
        self.now = 0.0
        self.ran = []
        self.events = []
        self.number = count()
        self.scheduler = WorkStealingScheduling(Config(workers))
        nodes = [Worker(self) for _ in range(workers)]
        for node in nodes:
            self.scheduler.add_node(node)
        for node in nodes:
            self.scheduler.add_node_collection(node, [str(index) for index in range(len(seconds))])

    def at(self, delay, what):
        heapq.heappush(self.events, (self.now + delay, next(self.number), what))

    def run(self):
        """Return the seconds that the run takes."""
        self.scheduler.schedule()
        while self.events:
            self.now, _, what = heapq.heappop(self.events)
            what()
        assert sorted(self.ran) == list(range(len(self.seconds)))
        return self.now


def wall(units, seconds, workers):
    """Return the simulated seconds of a run in the plugin's order."""
    numbers = order.arrange(units, seconds, workers)
    assert sorted(numbers) == list(range(len(seconds)))
    return Simulation([seconds[number] for number in numbers], workers).run()
