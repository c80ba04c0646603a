"""The number of workers: what it is reckoned from."""

import os
import random

import pytest
from pytest_tiers.timing import workers
from pytest_tiers.timing.measures import Machine
from pytest_tiers.timing.workers import Work

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


def test_a_slower_machine_makes_starting_slower_as_well():
    assert workers.predict(0, light(200), TWO, slower=2.0) == pytest.approx(
        2 * (1.0 + 200 * 0.0012) + 200 * 0.005
    )


def test_workers_that_take_turns_dont_make_tests_slower():
    # Eight on two processors: a test that works takes four times as long, one that waits no longer.
    assert workers.undo_sharing((0.0, 0.4, 0.0, 0.1), 8, 2) == pytest.approx((0.0, 0.1, 0.0, 0.1))
    assert workers.undo_sharing((0.1, 0.1, 0.2, 0.0), 8, 2) == pytest.approx((0.1, 0.1, 0.2, 0.0))
    assert workers.undo_sharing((0.0, 0.4, 0.0, 0.1), 2, 2) == (0.0, 0.4, 0.0, 0.1)
    assert workers.undo_sharing((0.0, 0.0, 0.0, 0.0), 8, 2) == (0.0, 0.0, 0.0, 0.0)


def test_the_gain_of_processes_is_measured():
    assert 1.0 <= workers.measure_gain(2) <= 2.0


def test_what_was_measured_of_the_machine_counts_and_the_middle_one_of_it():
    known = Machine(cores=2, begin=[0.1, 0.2, 9.0], start=[0.0], collect=[0.01], around=[0.001])
    assert workers.predict(0, Work(5.0, 5.0, 1.0, 100, 200), known) == pytest.approx(
        0.2 + 0.01 * 200 + 5.0 + 0.1
    )
    usual = workers.USUAL
    expected = usual["begin"] + usual["start"] + usual["collect"] * 200 + 5.0 + usual["around"] * 100
    assert workers.predict(0, Work(5.0, 5.0, 1.0, 100, 200), Machine(cores=2)) == pytest.approx(expected)


def test_a_run_takes_the_longest_of_its_bounds():
    machine = Machine(
        cores=4, gain=[4.0], begin=[0.0], start=[0.0], collect=[0.0], relayed=[0.0], control=[0.0]
    )
    start = workers.END * 4 / 4
    assert workers.predict(4, Work(40.0, 0.0, 1.0, 10, 10), machine) == pytest.approx(start + 10.0), (
        "each waits"
    )
    assert workers.predict(4, Work(40.0, 40.0, 1.0, 10, 10), machine) == pytest.approx(start + 10.0), (
        "each works"
    )
    assert workers.predict(8, Work(40.0, 40.0, 1.0, 10, 10), machine) == pytest.approx(2 * start + 10.0), (
        "in turns"
    )
    assert workers.predict(4, Work(40.0, 0.0, 30.0, 10, 10), machine) == pytest.approx(start + 30.0), (
        "one is long"
    )


@pytest.mark.parametrize(("cores", "most"), [(1, 8), (2, 8), (3, 12), (8, 32), (16, 32), (64, 64)])
def test_more_workers_than_processors_come_into_question_but_not_any_number(cores, most):
    assert workers.most(cores) == most


def test_the_processors_that_this_process_may_use_are_counted():
    assert 1 <= workers.cores() <= (os.cpu_count() or 1)
