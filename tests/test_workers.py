"""The number of workers: what it is reckoned from, what is selected, and what a run says of it."""

import json
import random

import pytest
from tools_of_service import store, workers

Machine, Work = store.Machine, workers.Work
TWO = Machine(
    work=1.0, cores=2, gain=[1.6], collect=[0.0002], around=[0.001], control=[0.001], begin=[0.7], start=[0.3]
)
MANY = Machine(
    work=1.0,
    cores=16,
    gain=[14.0],
    collect=[0.0002],
    around=[0.001],
    control=[0.001],
    begin=[0.7],
    start=[0.3],
)


def light(tests, seconds=0.005):
    """Return tests for which the processor works all the time."""
    return Work(tests * seconds, tests * seconds, seconds, tests, tests)


def waiting(tests, seconds=0.1):
    """Return tests that wait nearly all the time."""
    return Work(tests * seconds, tests * seconds / 100, seconds, tests, tests)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("work", "machine", "expected"),
    [
        (light(20), TWO, {0}),
        (light(200), TWO, {0}),
        (light(2_000), TWO, {2}),
        (light(10_000), TWO, {2}),
        (light(200), MANY, {0}),
        (light(2_000), MANY, set(range(4, 17))),
        (light(100_000), MANY, set(range(12, 17))),
        (waiting(20), TWO, {0, 1}),
        (waiting(200), TWO, set(range(3, 9))),
        (waiting(2_000), TWO, set(range(6, 9))),
        (Work(60.0, 60.0, 58.0, 100, 100), TWO, {0}),  # one test takes nearly all of it
    ],
    ids=str,
)
def test_no_worker_is_started_that_doesnt_pay(work, machine, expected):
    assert workers.choose(work, machine) in expected


@pytest.mark.fast
@pytest.mark.parametrize("seed", range(50))
def test_none_of_the_possible_numbers_is_predicted_to_be_much_better(seed):
    generator = random.Random(seed)
    cores = generator.choice([1, 2, 4, 64])
    machine = Machine(work=1.0, cores=cores, gain=[1 + generator.random() * (cores - 1)])
    seconds = 10 ** generator.uniform(-1, 4)
    work = Work(seconds, seconds * generator.random(), seconds * generator.random() ** 3, 1000, 2000)
    chosen = workers.choose(work, machine)
    best = min(workers.predict(count, work, machine) for count in range(workers.most(cores) + 1))
    assert workers.predict(chosen, work, machine) <= best / workers.WORTH
    assert 0 <= chosen <= workers.most(cores)


@pytest.mark.fast
def test_a_slower_machine_makes_starting_slower_as_well():
    assert workers.predict(0, light(200), TWO, slower=2.0) == pytest.approx(
        2 * (1.0 + 200 * 0.0012) + 200 * 0.005
    )


@pytest.mark.fast
def test_workers_that_take_turns_dont_make_tests_slower():
    # Eight on two processors: a test that works takes four times as long, one that waits no longer.
    assert workers.undo_sharing((0.0, 0.4, 0.0, 0.1), 8, 2) == pytest.approx((0.0, 0.1, 0.0, 0.1))
    assert workers.undo_sharing((0.1, 0.1, 0.2, 0.0), 8, 2) == pytest.approx((0.1, 0.1, 0.2, 0.0))
    assert workers.undo_sharing((0.0, 0.4, 0.0, 0.1), 2, 2) == (0.0, 0.4, 0.0, 0.1)
    assert workers.undo_sharing((0.0, 0.0, 0.0, 0.0), 8, 2) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.fast
def test_the_gain_of_processes_is_measured():
    assert 1.0 <= workers.measure_gain(2) <= 2.0


TESTS = """
import pytest


@pytest.mark.parametrize("number", range(20))
def test_many(number):
    pass


def test_other():
    pass
"""


@pytest.mark.slow
def test_minus_n_auto_looks_at_what_is_selected_and_says_why(machinery):
    folder = machinery.service.folder
    (folder / "tests/integration/test_probe.py").unlink()
    for name in ("a", "b"):
        (folder / f"tests/unit/test_{name}.py").write_text(TESTS)
    machinery.pytest("tests")
    durations = folder / ".cache/tests/durations.json"
    content = json.loads(durations.read_text())
    assert len(content["tests"]) == 42
    for nodeid, entry in content["tests"].items():
        long = "test_b" in nodeid and "other" not in nodeid
        entry["last"] = [[0, 2.0 if long else 0.001, 0, 2.0 if long else 0.001]]
        entry["speed"] = "slow" if long else "fast"
    content["machine"]["gain"] = [2.0] * 5
    content["machine"]["cores"] = cores = workers.cores()
    durations.write_text(json.dumps(content))
    (folder / "plan.json").write_text(
        json.dumps(
            {
                "format": 1,
                "digest": "",
                "shards": [
                    {"seconds": 1, "files": [f"tests/unit/test_{name}.py"], "tests": [], "rest": []}
                    for name in "ab"
                ],
            }
        )
    )

    def said(*arguments: str) -> str:
        """Return the line of `-n auto`."""
        kept = durations.read_bytes()
        done = machinery.pytest("-n", "auto", "--collect-only", *arguments, status=None)
        durations.write_bytes(kept)
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("-n auto:"))
        return line

    few = "-n auto: no workers: {} tests of 0.0 s, for which none pays"
    many = f"-n auto: {max(cores, 2) if cores > 1 else 'no'} workers: " if cores <= 2 else "-n auto: "
    assert said("tests/unit/test_a.py") == few.format(21)
    assert said("tests/unit/test_b.py").startswith(f"{many}")
    assert "21 tests of 40.0 s, done in about" in said("tests/unit/test_b.py")
    assert "42 tests of 40.0 s, done in about" in said("tests")
    assert "1 tests of 0.0 s" in said("tests/unit/test_b.py::test_other")
    assert "20 tests of 40.0 s" in said("tests/unit/test_b.py::test_many")
    assert "2 tests of 0.0 s" in said("tests", "-k", "other")
    assert "40 tests of 40.0 s" in said("tests", "-k", "many and not other")
    assert "22 tests of 0.0 s" in said("tests", "-m", "fast")
    assert "20 tests of 40.0 s" in said("tests", "-m", "slow and unit")
    assert "0 tests of 0.0 s" in said("tests", "-m", "integration")
    assert "42 tests of 40.0 s" in said("tests", "-m", "a_marker_of_the_teams or not another_one")
    # The plan fits no checkout, which is said later.
    assert machinery.pytest("-n", "auto", "--plan", "plan.json", "--shard", "1/2", "tests", status=4)

    (folder / ".pytest_cache/v/cache").mkdir(parents=True, exist_ok=True)
    (folder / ".pytest_cache/v/cache/lastfailed").write_text('{"tests/unit/test_b.py::test_many[3]": true}')
    assert "1 tests of 2.0 s" in said("tests", "--lf")

    # What was never measured counts by its size.
    (folder / "tests/unit/test_new.py").write_text(TESTS + "#" * 20_000)
    (line,) = {said("tests/unit/test_new.py")}
    assert " tests of 1.0 s" in line


@pytest.mark.slow
def test_a_broken_store_or_unwritable_checkout_is_no_reason_for_minus_n_auto_to_fail(machinery):
    durations = machinery.service.folder / ".cache/tests/durations.json"
    durations.parent.mkdir(parents=True)
    durations.write_text("{")
    done = machinery.pytest("-n", "auto", "tests")
    assert "can't be read" in done.stdout
    assert "-n auto: " in done.stdout
