"""Budgets: what is over one, what got slower, and that a noisy machine doesn't cry wolf."""

import json
import random
import re

import pytest
from tools_of_service import budgets, store

Measured, Run = store.Measured, store.Run


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


@pytest.mark.fast
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


@pytest.mark.fast
def test_what_makes_all_tests_slower_is_put_down_to_the_machine():
    names = [f"test_{number}" for number in range(50)]
    before = {name: known(0.2, 0.2, 0.2) for name in names}
    assert slower(run(**dict.fromkeys(names, 0.8)), **before) == []
    assert slower(run(**dict.fromkeys(names, 0.8) | {"test_7": 2.0}), **before) == ["test_7"]


@pytest.mark.fast
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


@pytest.mark.fast
def test_fast_tests_and_all_tests_have_budgets_together():
    tests = {"a": known(2.0)._replace(speed="slow"), "b": known(0.05), "c": known(0.06)}
    assert budgets.exceeded(budgets.Budgets(fast=0.11, all=2.12), tests) == []
    assert budgets.exceeded(budgets.Budgets(fast=0.1, all=2.0), tests) == [
        "The fast tests take 0.1 s, one after the other; the budget `fast` is 0.1 s",
        "All tests take 2.1 s, one after the other; the budget `all` is 2 s",
    ]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("units = 1", "units is none of unit, integration, committed, fast, all, slower"),
        ("unit = 0", "unit has to be a number above 0"),
        ("unit = -1.5", "unit has to be a number above 0"),
        ("unit = nan", "unit has to be a number above 0"),
        ("unit = '1'", "unit has to be a number above 0"),
        ("unit = true", "unit has to be a number above 0"),
    ],
)
def test_budgets_that_are_none_are_refused(tmp_path, text, says):
    (tmp_path / "pyproject.toml").write_text(f"[tool.budgets]\n{text}\n")
    with pytest.raises(ValueError, match=says):
        budgets.read(tmp_path)


@pytest.mark.fast
def test_no_budgets_bind_nobody(tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    assert budgets.exceeded(budgets.read(tmp_path), {"a": known(1e5)}) == []
    assert budgets.read(tmp_path).of_tier("unit") > 1e9
    assert budgets.read(tmp_path).of_tier(None) > 1e9


LONG = """
import time


def test_long():
    time.sleep(0.3)


def test_works():
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass


def test_short():
    pass
"""


@pytest.mark.slow
def test_what_is_exceeded_is_said_and_fails_under_ci(machinery):
    folder = machinery.service.folder
    (folder / "tests/integration/test_probe.py").unlink()
    (folder / "tests/unit/test_long.py").write_text(LONG)
    machinery.edit(
        "pyproject.toml",
        lambda text: text.replace("\nunit = 1.0", "\nunit = 0.2").replace("\nall = 600.0", "\nall = 0.4"),
    )
    whole = r"All tests take \d+\.\d s, one after the other; the budget `all` is 0\.4 s\n"
    for workers in ("0", "2"):
        done = machinery.pytest("-n", workers, "tests")
        assert "over budget; `nox -s ci` fails for it" in done.stdout
        over = r"tests/unit/test_long\.py::test_long took \d\.\d+ s; the budget `unit` is 0\.2 s\n"
        assert re.search(over, done.stdout), done
        assert re.search(whole, done.stdout), done
        done = machinery.pytest("-n", workers, "--ci", "tests", status=1)
        assert done.counts == [{"passed": 3, "errors": 2}]
        assert "a test in tests/unit may take 0.2 s" in done.stdout

    # All tests are within their own budgets, and yet the run fails.
    machinery.edit("pyproject.toml", lambda text: text.replace("\nunit = 0.2", "\nunit = 5.0"))
    done = machinery.pytest("--ci", "tests", status=1)
    assert done.counts == [{"passed": 3}]
    assert "over budget, which fails the run" in done.stdout
    assert re.search(whole, done.stdout), done

    # So it does when a test is slower than before.
    machinery.edit("pyproject.toml", lambda text: text.replace("\nall = 0.4", "\nall = 60"))
    assert machinery.pytest("--ci", "tests").counts == [{"passed": 3}]
    durations = folder / ".cache/tests/durations.json"
    content = json.loads(durations.read_text())
    content["tests"]["tests/unit/test_long.py::test_works"]["last"] = [[0, 0.1, 0, 0.1]] * 3
    durations.write_text(json.dumps(content))
    done = machinery.pytest("-n", "2", "--ci", "tests", status=1)
    assert re.search(r"tests/unit/test_long\.py::test_works took \d\.\d+ s, and 0\.10 s before", done.stdout)
    assert "test_long.py::test_long took" not in done.stdout

    machinery.edit("pyproject.toml", lambda text: text.replace("\nunit = 5.0", "\nunit = 'short'"))
    assert "unit has to be a number above 0" in machinery.pytest("tests", status=4).stderr
