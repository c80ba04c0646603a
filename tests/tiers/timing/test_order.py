"""Long tests first: simulated with xdist's own scheduler on real times, and seen in runs of a suite."""

import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from inputs import real_times
from pytest_tiers.timing import order
from pytest_tiers.timing.store import Store
from simulation import Config, Simulation, Worker, wall
from suites import Suite
from xdist.scheduler.worksteal import WorkStealingScheduling  # type: ignore[import-untyped]

REAL = [seconds for of_file in real_times().values() for seconds in of_file.values()]


@pytest.mark.parametrize("workers", [2, 3, 4, 6, 8, 12, 16])
def test_on_real_times_the_run_takes_little_longer_than_the_ideal(workers):
    ideal = max(sum(REAL) / workers, max(REAL))
    assert wall([[number] for number in range(len(REAL))], REAL, workers) / ideal <= 1.05
    # The simulation can tell: as written it takes longer, and with 8 workers a fifth.
    written = Simulation(REAL, workers).run() / ideal
    assert written > (1.15 if workers >= 8 else 1.02)


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


def test_those_next_to_each_other_that_share_something_stay_together():
    assert order.grouped("aabbba", lambda letter: letter) == [[0, 1], [2, 3, 4], [5]]
    assert order.grouped([], lambda letter: letter) == []


def test_what_has_no_room_in_a_block_isnt_put_at_its_head():
    assert order.arrange([[0, 1, 2], [3]], [10.0, 10.0, 10.0, 1.0], 2) == [3, 0, 1, 2]
    assert order.arrange([[0], [1], [2, 3]], [0.001, 5.0, 5.0, 5.0], 2) == [2, 3, 1, 0]


SHARED = """
import pytest


@pytest.fixture(scope="module")
def of_module():
    pass


@pytest.fixture(scope="class")
def of_class():
    pass


@pytest.fixture
def of_test(of_session):
    pass


@pytest.fixture(scope="session")
def of_session():
    pass


class TestA:
    def test_class(self, of_class):
        pass

    def test_both(self, of_class, of_module):
        pass

    def test_none(self, of_test):
        pass


def test_module(of_module):
    pass


def test_package(of_package, of_module):
    pass


def test_class_without_one(of_class):
    pass
"""
PACKAGE = """
import pytest


@pytest.fixture(scope="package")
def of_package():
    pass
"""


def test_what_a_test_shares_is_what_its_widest_fixture_but_those_of_the_run_belongs_to(suite: Suite):
    files = {"__init__.py": "", "conftest.py": PACKAGE, "test_a.py": SHARED}
    pytester = suite({f"tests/unit/{name}": text for name, text in files.items()})
    items, _ = pytester.inline_genitems()
    shared = {item.name: order._shared(item) for item in items}
    kinds = {name: type(node).__name__ for name, node in shared.items()}
    assert kinds == {
        "test_class": "Class",
        "test_both": "Module",
        "test_none": "Function",
        "test_module": "Module",
        "test_package": "Package",
        "test_class_without_one": "Function",
    }
    assert shared["test_none"].name == "test_none"


@pytest.mark.parametrize(("seed", "told"), [(None, {}), (7, {"randomly_seed": 7}), (0, {"randomly_seed": 0})])
def test_workers_are_told_what_xdist_and_pytest_randomly_dont_tell_them(seed, told):
    option = SimpleNamespace(dist="worksteal", **({} if seed is None else {"randomly_seed": seed}))
    node = SimpleNamespace(workerinput={}, config=SimpleNamespace(option=option))
    order.Order().pytest_configure_node(node)
    assert node.workerinput == {"dist": "worksteal"} | told


MANY = """
import os

import pytest


def log(text):
    with open(os.environ["STARTED"], "a") as file:
        print(os.environ.get("PYTEST_XDIST_WORKER"), text, file=file)


@pytest.mark.parametrize("number", range(20))
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
SHARING = MANY.replace("def test_long_two():", "def test_long_two(shared):").replace(
    "def test_short(number)", "def test_short(number, shared)"
)


def times(pytester: pytest.Pytester, seconds: dict[str, float]) -> None:
    """Write what was measured: the seconds of tests by node id."""
    path = pytester.path / ".cache/tests/durations.json"
    path.unlink(missing_ok=True)
    Store(path, pytester.path).take_over(seconds)


def started(pytester: pytest.Pytester, *arguments: str) -> list[list[str]]:
    """Run the tests, and return which process began which, in their order."""
    log = Path(os.environ["STARTED"])
    log.unlink(missing_ok=True)
    run = pytester.runpytest_subprocess if arguments else pytester.runpytest
    run("-q", *arguments).assert_outcomes(passed=22)
    return [line.split() for line in log.read_text().splitlines()]


def test_each_worker_begins_with_a_long_test_and_module_fixtures_are_set_up_no_more_often(
    suite: Suite, monkeypatch, tmp_path_factory
):
    monkeypatch.setenv("STARTED", str(tmp_path_factory.mktemp("log") / "started"))
    file = "tests/unit/test_many.py"
    pytester = suite({file: MANY})
    known = {f"{file}::test_short[{number}]": 0.01 for number in range(20)}
    known |= {f"{file}::test_long_{number}": 30.0 for number in ("one", "two")}
    times(pytester, known)
    assert [text for _, text in started(pytester)] == [*(f"short-{n}" for n in range(20)), "long", "long"]
    times(pytester, known)
    first = started(pytester, "-n2")
    assert dict(reversed(first)) == {"gw0": "long", "gw1": "long"}
    assert len(first) == 22

    # Distributed otherwise, the order isn't touched.
    times(pytester, known)
    first = started(pytester, "-n2", "--dist=load")
    assert "short-0" in dict(reversed(first)).values()
    assert "long" not in dict(reversed(first)).values()

    # With a fixture of the module in most of them, the module stays in one piece.
    (pytester.path / file).write_text(SHARING)
    times(pytester, known)
    first = started(pytester, "-n2")
    assert sum(text == "set-up" for _, text in first) <= 2, "one for each worker, as without the order"
