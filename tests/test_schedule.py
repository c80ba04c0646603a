"""Long tests first: simulated with xdist's own scheduler on real times, and seen in runs of a service."""

import json
import random

import pytest
from inputs import real_times
from simulation import Config, Simulation, Worker, order, wall
from xdist.scheduler.worksteal import WorkStealingScheduling  # type: ignore[import-untyped]

REAL = [seconds for of_file in real_times().values() for seconds in of_file.values()]


@pytest.mark.fast
@pytest.mark.parametrize("workers", [2, 3, 4, 6, 8, 12, 16])
def test_on_real_times_the_run_takes_little_longer_than_the_ideal(workers):
    ideal = max(sum(REAL) / workers, max(REAL))
    assert wall([[number] for number in range(len(REAL))], REAL, workers) / ideal <= 1.05
    # The simulation can tell: as written it takes longer, and with 8 workers a fifth.
    written = Simulation(REAL, workers).run() / ideal
    assert written > (1.15 if workers >= 8 else 1.02)


@pytest.mark.fast
@pytest.mark.parametrize("seed", range(40))
def test_units_stay_together_others_keep_their_order_and_nothing_gets_lost(seed):
    generator = random.Random(seed)
    units, tests = [], 0
    for _ in range(generator.randrange(1, 60)):
        size = generator.choice([1, 1, 1, 5, 20])
        units.append(list(range(tests, tests + size)))
        tests += size
    seconds = [generator.choice([0.0, 0.001, 0.01, 1.0, 20.0]) * generator.random() for _ in range(tests)]
    for workers in (1, 2, 5, 8):
        numbers = order.arrange(units, seconds, workers)
        assert sorted(numbers) == list(range(tests))
        place = {number: index for index, number in enumerate(numbers)}
        long = sum(seconds) / workers * order.LONG
        short = [test for unit in units if sum(seconds[test] for test in unit) < long for test in unit]
        assert [place[test] for test in short] == sorted(place[test] for test in short)
        for unit in units:
            # As long as one of the blocks has room for it.
            if (
                sum(seconds[test] for test in unit) >= long
                and tests - len(short) + workers * len(unit) <= tests
            ):
                assert [place[test] for test in unit] == list(
                    range(place[unit[0]], place[unit[0]] + len(unit))
                )


@pytest.mark.fast
def test_what_each_worker_gets_first_is_what_xdist_sends():
    for tests in (1, 7, 8, 100, 1774):
        for workers in (1, 2, 3, 8):
            sent = []

            class Counting(Worker):
                def send_runtest_some(self, indices, sent=sent):
                    sent.append(len(indices))

            simulation = Simulation([1.0] * tests, 1)
            simulation.scheduler = WorkStealingScheduling(Config(workers))
            nodes = [Counting(simulation) for _ in range(workers)]
            for node in nodes:
                simulation.scheduler.add_node(node)
                simulation.scheduler.add_node_collection(node, [str(number) for number in range(tests)])
            simulation.scheduler.schedule()
            first = [size for size in order.block_sizes(tests, workers) if size]
            assert sent[: len(first)] == first


TESTS = """
import os

import pytest

LOG = os.environ["STARTED"]


def log(text):
    with open(LOG, "a") as file:
        print(os.environ.get("PYTEST_XDIST_WORKER"), text, file=file)


@pytest.mark.parametrize("number", range(60))
def test_short(number):
    log(f"short-{number}")


def test_long_one():
    log("long")


@pytest.fixture(scope="module")
def shared():
    log("set-up")


def test_long_two():
    log("long")
"""
SHARING = TESTS.replace("def test_long_two():", "def test_long_two(shared):").replace(
    "def test_short(number)", "def test_short(number, shared)"
)


@pytest.mark.slow
def test_each_worker_begins_with_a_long_test_and_module_fixtures_are_set_up_no_more_often(machinery):
    folder = machinery.service.folder
    log = machinery.cache / "started"
    (folder / "tests/unit/test_many.py").write_text(TESTS)

    def run(workers: str) -> list[list[str]]:
        log.unlink(missing_ok=True)
        machinery.pytest("-q", "-n", workers, "tests/unit", STARTED=str(log))
        return [line.split() for line in log.read_text().splitlines()]

    assert run("0")[0][1] == "short-0", "one process keeps the order"
    durations = folder / ".cache/tests/durations.json"
    content = json.loads(durations.read_text())
    for nodeid, entry in content["tests"].items():
        entry["last"] = [[0, 30 if "long" in nodeid else 0.01, 0, 0]]
    durations.write_text(json.dumps(content))
    started = run("2")
    assert dict(reversed(started)) == {"gw0": "long", "gw1": "long"}
    assert len(started) == 62

    # With a fixture of the module in most of them, the module stays in one piece.
    (folder / "tests/unit/test_many.py").write_text(SHARING)
    started = run("2")
    assert sum(text == "set-up" for _, text in started) <= 2, "one for each worker, as without the order"
