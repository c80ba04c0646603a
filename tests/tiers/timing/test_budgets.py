"""Budgets: what is over one, what got slower, and that a noisy machine doesn't cry wolf."""

import math
import random
from collections.abc import Callable

import pytest
from pytest_tiers.config import Budgets, read
from pytest_tiers.timing import budgets
from pytest_tiers.timing.store import Measured, Run, open_store, store_path, work_seconds
from suites import Suite


def known(*seconds, processor=None):
    """Return a test that took so long in its last runs, and worked all the time unless told otherwise."""
    last = tuple((0.0, second, 0.0, second if processor is None else processor) for second in seconds)
    return Measured(last, len(last), "2026-11-23", "fast")


def run(**seconds):
    """Return a run in which tests took so long; a pair says for how much of that they worked."""
    pairs = {name: value if isinstance(value, tuple) else (value, value) for name, value in seconds.items()}
    return Run(1.0, tests={name: (0.0, second, 0.0, worked) for name, (second, worked) in pairs.items()})


def slower(this, **before):
    """Return the names of the tests that got slower."""
    return [found.nodeid for found in budgets.slower(this, before, 2.0)]


@pytest.mark.parametrize(
    ("now", "before", "found"),
    [
        (1.0, (0.2, 0.2, 0.2), True),
        (0.35, (0.2, 0.2, 0.2), False),  # less than twice
        (0.09, (0.01, 0.01, 0.01), False),  # less than a tenth of a second
        (1.0, (0.2, 0.2), False),  # hardly known
        (1.0, (0.2, 0.2, 0.9, 0.2), True),  # one exception
        (1.0, (0.2, 0.9, 0.2, 0.9, 0.2), False),  # it varies as much
        (1.0, (0.2, 0.2, 0.2, 0.2, 1.0), True),  # still
        (1.0, (0.2, 0.2, 0.2, 1.0, 1.0), True),  # and still
        (1.0, (0.2, 1.0, 1.0, 1.0, 1.0), False),  # said often enough
        ((1.0, 0.01), (0.2, 0.2, 0.2), False),  # waits longer, once
        ((1.0, 0.01), (0.2, 0.2, 0.2, 1.0), False),  # and again
        ((1.0, 0.01), (0.2, 0.2, 0.2, 1.0, 1.0), True),  # and a third time
    ],
)
def test_a_test_is_slower_than_before_beyond_noise(now, before, found):
    waits = isinstance(now, tuple)
    assert slower(run(a=now), a=known(*before, processor=0.01 if waits else None)) == (["a"] if found else [])


def test_what_makes_all_tests_slower_is_put_down_to_the_machine():
    names = [f"test_{number}" for number in range(50)]
    before = {name: known(0.2, 0.2, 0.2) for name in names}
    assert slower(run(**dict.fromkeys(names, 0.8)), **before) == []
    assert slower(run(**dict.fromkeys(names, 0.8) | {"test_7": 2.0}), **before) == ["test_7"]


def test_a_noisy_machine_cries_wolf_in_no_run():
    generator = random.Random(4)
    names = [f"test_{number}" for number in range(300)]
    usual = {name: generator.lognormvariate(-3, 1.5) for name in names}

    def seconds(name):
        """Vary by a fifth; in one of a hundred tests something else had the processor."""
        stolen = generator.choice([0.3, 1.0]) if generator.random() < 0.01 else 0.0
        worked = usual[name] * generator.lognormvariate(0, 0.2)
        return (worked + stolen, worked)

    history = {name: [] for name in names}
    alarms = []
    for number in range(30):
        this = run(**{name: seconds(name) for name in names})
        before = {
            name: Measured(tuple(last[-5:]), len(last), "", "fast") for name, last in history.items() if last
        }
        alarms += [(number, name) for name in slower(this, **before)]
        for name in names:
            history[name].append(this.tests[name])
    assert alarms == []


def test_fast_tests_and_all_tests_have_budgets_together():
    tests = {"a": known(2.0)._replace(speed="slow"), "b": known(0.05), "c": known(0.06)}
    assert budgets.exceeded(Budgets(fast=0.11, all=2.12), tests) == []
    assert budgets.exceeded(Budgets(fast=0.1, all=2.0), tests) == [
        "The fast tests take 0.1 s, one after the other; the budget `fast` is 0.1 s",
        "All tests take 2.1 s, one after the other; the budget `all` is 2 s",
    ]


def test_no_budgets_bind_nobody():
    assert budgets.exceeded(Budgets(), {"a": known(1e5)}) == []
    names = [f"test_{number}" for number in range(50)]
    before = {name: known(0.2, 0.2, 0.2) for name in names}
    assert budgets.slower(run(**dict.fromkeys(names, 1e4)), before, math.inf) == []


def test_the_pace_is_told_by_tests_that_tell_something():
    names = [f"test_{number}" for number in range(20)]
    before = {name: known(0.2, 0.2, 0.2) for name in names}
    assert budgets.pace_and_noise(run(**dict.fromkeys(names, 0.3)), before) == (
        pytest.approx(1.5),
        pytest.approx(1.0),
    )
    assert budgets.pace_and_noise(run(**dict.fromkeys(names, 0.1)), before)[0] == 1.0, "faster is no pace"
    assert budgets.pace_and_noise(run(**dict.fromkeys(names[:19], 0.3)), before) == (1.0, 1.0), "too few"
    fresh = before | {"test_7": known(0.2, 0.2)}
    assert budgets.pace_and_noise(run(**dict.fromkeys(names, 0.3)), fresh) == (1.0, 1.0), (
        "one isn't known well"
    )
    tiny = before | {"test_7": known(0.005, 0.005, 0.005)}
    assert budgets.pace_and_noise(run(**dict.fromkeys(names, 0.3)), tiny) == (1.0, 1.0), "one tells nothing"
    # One in ten took three times as long as the others.
    noisy = dict.fromkeys(names, 0.2) | {"test_1": 0.6, "test_2": 0.6, "test_3": 0.6}
    assert budgets.pace_and_noise(run(**noisy), before) == (1.0, pytest.approx(3.0))


def test_the_worst_comes_first_and_says_both_times():
    before = {"a": known(0.2, 0.2, 0.2), "b": known(0.2, 0.2, 0.2)}
    found = budgets.slower(run(a=1.0, b=2.0), before, 2.0)
    assert [str(slow) for slow in found] == [
        "b took 2.00 s, and 0.20 s before",
        "a took 1.00 s, and 0.20 s before",
    ]


CONFTEST = """
import pytest

from pytest_tiers.timing.stopwatch import stopwatch_of

now = 0.0


@pytest.fixture
def tick():
    def tick(seconds):
        global now
        now += seconds
    return tick


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    config, stopwatch = session.config, stopwatch_of(session.config)
    if not config.option.tx or hasattr(config, "workerinput"):
        stopwatch._now = stopwatch._worked = stopwatch._imports._now = lambda: now
"""
"""A clock that goes on when it is told to, in processes that run tests."""
TESTS = """
import pytest


@pytest.fixture
def sets_up(tick):
    tick(0.5)
    yield
    tick(0.25)


def test_long(tick):
    tick(1.5)


def test_in_phases(tick, sets_up):
    tick(0.5)


def test_just(tick):
    tick(1)


def test_short():
    pass
"""
OVER = [
    "*= over budget; `--ci` fails for it =*",
    "tests/unit/test_a.py::test_long took 1.50 s; the budget `unit` is 1 s",
    "tests/unit/test_a.py::test_in_phases took 1.25 s; the budget `unit` is 1 s",
]


def budgeted(
    suite: Suite, limits: str, tests: str = TESTS, tier: str = "unit", **files: str
) -> pytest.Pytester:
    """Write a suite with budgets."""
    named = {name.replace("__", "/") + ".py": text for name, text in files.items()}
    return suite(
        {"conftest.py": CONFTEST, f"tests/{tier}/test_a.py": tests} | named, tiers=f"budgets = {{ {limits} }}"
    )


def start(pytester: pytest.Pytester, workers: str) -> Callable[..., pytest.RunResult]:
    """Return what runs the tests: in a process of its own, if that starts workers."""
    return pytester.runpytest if workers == "0" else pytester.runpytest_subprocess


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_test_over_its_tiers_budget_is_named_and_fails_under_ci(suite: Suite, workers):
    pytester = budgeted(suite, "unit = 1.0", tests__integration__test_b="")
    done = start(pytester, workers)("-n", workers)
    done.assert_outcomes(passed=4)
    assert done.ret == 0
    done.stdout.fnmatch_lines([OVER[0]])
    done.stdout.fnmatch_lines_random(OVER[1:])
    done = start(pytester, workers)("-n", workers, "--ci")
    done.assert_outcomes(passed=4, errors=2)
    done.stdout.fnmatch_lines_random(
        [
            "The test took 1.50 s, and a test of the unit tier may take 1 s (`[[]tool.tiers.budgets]` in pyproject.toml).",
            "The test took 1.25 s, *",
            "*make it do less; what needs the time belongs in the integration tier (tests/integration).",
            'If it is meant: @pytest.mark.unguarded("budget", reason="…")',
        ]
    )
    done.stdout.no_fnmatch_line("*over budget*")


def test_where_there_is_no_integration_tier_none_is_recommended(suite: Suite):
    pytester = budgeted(suite, "unit = 1.0")
    done = pytester.runpytest("--ci", "-k", "long")
    done.stdout.fnmatch_lines(["Let a fake answer for what it waits for, or make it do less."])


def test_each_tier_has_a_budget_of_its_own(suite: Suite):
    pytester = budgeted(
        suite, "unit = 0.1, integration = 1.4, committed = 2", tier="integration", tests__test_b=TESTS
    )
    done = pytester.runpytest("--ci")
    done.stdout.fnmatch_lines(["The test took 1.50 s, and a test of the integration tier may take 1.4 s *"])
    done.stdout.no_fnmatch_line("*took 1.25 s*")
    done.stdout.no_fnmatch_line("*belongs in*")
    # Those in no tier have no budget.
    assert done.stdout.str().count("ERROR at teardown of") == 1


def test_a_budget_is_lifted_for_a_reason_and_what_breaks_says_why(suite: Suite):
    tests = """
import pytest


@pytest.mark.unguarded("budget", reason="the point of it")
def test_lifted(tick):
    tick(2)


def test_fails(tick):
    tick(2)
    raise ValueError("no")


@pytest.fixture
def breaks(tick):
    yield
    tick(2)
    raise ValueError("at last")


def test_breaks(breaks):
    pass
"""
    pytester = budgeted(suite, "unit = 1.0", tests)
    done = pytester.runpytest("--ci")
    done.assert_outcomes(passed=2, failed=1, errors=2)
    done.stdout.fnmatch_lines_random(["*ValueError: no", "*ValueError: at last"])
    assert done.stdout.str().count("may take 1 s") == 1, "of the one that failed: its tear-down did pass"


def test_all_tests_together_have_a_budget_that_fails_the_run(suite: Suite):
    pytester = budgeted(suite, "all = 3, fast = 1")
    whole = "All tests take 3.8 s, one after the other; the budget `all` is 3 s"
    done = pytester.runpytest()
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*= over budget; `--ci` fails for it =*", whole])
    done = pytester.runpytest("--ci")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["*= over budget, which fails the run =*", whole])
    # A run that keeps no times has nothing to say of all of them.
    done = pytester.runpytest("--ci", "--record", "mine.jsonl")
    assert done.ret == 0
    done.stdout.no_fnmatch_line("*over budget*")


def test_a_shard_leaves_budgets_of_all_tests_to_the_report(suite: Suite):
    from pytest_tiers.timing import plan

    pytester = budgeted(suite, "all = 1")
    plan.make(read(pytester.path), open_store(read(pytester.path))).write(pytester.path / "plan.json")
    done = pytester.runpytest("--ci", "--plan", "plan.json", "--shard", "1/1")
    done.assert_outcomes(passed=4)
    assert done.ret == 0


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_test_that_is_slower_than_before_fails_the_run(suite: Suite, workers):
    pytester = budgeted(suite, "slower = 2")
    settings = read(pytester.path)
    nodeid = "tests/unit/test_a.py::test_long"
    for _ in range(3):
        open_store(settings).add(Run(work_seconds(), tests={nodeid: (0.0, 0.1, 0.0, 0.1)}))
    before = store_path(settings).read_bytes()
    said = f"{nodeid} took 1.50 s, and 0.10 s before"
    done = start(pytester, workers)("-n", workers)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*= over budget; `--ci` fails for it =*", said])
    store_path(settings).write_bytes(before)
    done = start(pytester, workers)("-n", workers, "--ci")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["*= over budget, which fails the run =*", said])


def test_a_run_that_failed_stays_as_it_ended(suite: Suite):
    pytester = budgeted(suite, "all = 0.1", "def test_a(tick):\n    tick(1)\n")
    pytester.runpytest().assert_outcomes(passed=1)
    done = pytester.runpytest("--ci", "-k", "nothing")
    done.stdout.fnmatch_lines(["*= over budget, which fails the run =*"])
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_where_no_tiers_are_only_budgets_of_all_tests_apply(suite: Suite):
    pytester = suite(
        {"conftest.py": CONFTEST, "test_a.py": TESTS}, tiers="folders = {}\nbudgets = { unit = 0.1, all = 1 }"
    )
    done = pytester.runpytest("--ci")
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["*= over budget, which fails the run =*", "All tests take 3.8 s, *"])
