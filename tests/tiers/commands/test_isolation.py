"""`tiers isolation`: names the tests that depend on order, and on which test they depend."""

import os
import re
import shlex
import signal
import subprocess

import pytest
from pytest_tiers.commands import isolation
from pytest_tiers.timing.records import Result

DEPENDENT = """
SEEN = []
BOTH = set()


def test_adds():
    SEEN.append(1)
    BOTH.add(1)


def test_adds_too():
    BOTH.add(2)


def test_wants_none():
    assert SEEN == []


def test_wants_not_both():
    assert len(BOTH) < 2


def test_wants_one():
    assert SEEN


def test_wants_one_as_well():
    assert SEEN


def test_is_broken():
    raise ValueError("always")


def test_is_fine():
    assert True
"""
FILE = "tests/unit/test_dependent.py"


def entry(said, nodeid):
    """Return what is said of a test, by its first words."""
    lines = said.partition(f"\n{nodeid}\n")[2].partition("\n\n")[0].splitlines()
    return {key: value for key, _, value in (re.split(r"(  +)", line.strip(), maxsplit=1) for line in lines)}


def test_a_test_that_depends_on_another_is_named_and_so_is_the_other(suite, tiers):
    pytester = suite({FILE: DEPENDENT})
    done = tiers("isolation", "--seed", "7", "--orders", "1", status=1)
    said = done.out
    harmed, needy = entry(said, f"{FILE}::test_wants_none"), entry(said, f"{FILE}::test_wants_one")
    assert harmed["depends on"] == f"{FILE}::test_adds, which must not run before it"
    assert needy["depends on"] == f"{FILE}::test_adds, which has to run before it"
    assert harmed["fails"].startswith("as written")
    assert harmed["fails"].endswith(": assert [1] == []")
    assert needy["fails"].startswith("backwards")
    assert needy["passes"].startswith("as written")
    assert f"\n{FILE}::test_is_broken\n    fails in every order: ValueError: always\n" in said
    both, more = entry(said, f"{FILE}::test_wants_not_both"), entry(said, f"{FILE}::test_wants_one_as_well")
    assert both["depends on"] == "several tests together: none of them alone makes it fail"
    assert more["depends on"] == "not looked for: mend those above first", "three are enough"
    assert "test_is_fine" not in said
    assert "\n8 tests in 3 orders: 4 depend on the order, 1 fail in each.\n" in said
    assert done.err == "Mend them; the same orders again: tiers isolation --seed 7\n"
    # What it says to type shows the failure: of that test, and of no other.
    for found, nodeid in ((harmed, "test_wants_none"), (needy, "test_wants_one")):
        command = shlex.split(found["see it"].removeprefix("pytest "))
        again = pytester.runpytest_subprocess("-q", *command)
        assert re.findall(r"^FAILED (\S+)", again.stdout.str(), re.MULTILINE) == [f"{FILE}::{nodeid}"]


NUMBERS = "".join(f"def test_{number}():\n    pass\n" for number in range(20))
WRITTEN = [f"test_{number}" for number in range(20)]


def order_of(pytester, order):
    """Return the tests in the order that an order's options give."""
    said = pytester.runpytest_inprocess("--collect-only", "-q", *order.options).stdout.str()
    return re.findall(r"::(test_\d+)$", said, re.MULTILINE)


def test_the_same_seed_gives_the_same_orders_and_another_seed_gives_others(suite):
    pytester = suite({FILE: NUMBERS})
    written, backwards, *random = [order_of(pytester, order) for order in isolation.orders_of(range(1, 3))]
    assert written == backwards[::-1] == WRITTEN
    assert [order_of(pytester, order) for order in isolation.orders_of(range(1, 3))[2:]] == random
    random += [order_of(pytester, order) for order in isolation.orders_of(range(11, 12))[2:]]
    assert len({tuple(order) for order in (written, backwards, *random)}) == 5
    assert {frozenset(order) for order in random} == {frozenset(written)}


def test_the_orders_are_the_same_where_randomly_loads_by_itself(suite):
    pytester = suite(
        {FILE: NUMBERS}, loaded='[tool.pytest.ini_options]\naddopts = "-p no:testmon -p no:cov"\n'
    )
    written, backwards, random = isolation.orders_of(range(1, 2))
    assert order_of(pytester, written) == order_of(pytester, backwards)[::-1] == WRITTEN
    by_seed = order_of(pytester, random)
    assert by_seed != WRITTEN
    assert order_of(suite({FILE: NUMBERS}), random) == by_seed


DRAWS = """
import random


def test_first():
    random.seed(5)


def test_second():
    random.seed(7)


def test_draws():
    assert random.random() == 0.32383276483316237
"""


def test_what_tests_draw_is_nobodys(suite):
    # pytest-randomly would seed anew before each test, and so hide that one depends on another.
    pytester = suite({FILE: DRAWS})
    order = isolation.orders_of(range(1, 2))[0]
    pytester.runpytest_inprocess("-p", "randomly", *order.options, "-n0").assert_outcomes(passed=3)


def test_no_dependence_says_so_with_the_seeds(suite, tiers):
    suite({FILE: "import random\n\n\ndef test_alone():\n    assert True\n"})
    said = tiers("isolation", "--orders", "1", "--seed", "41").out
    assert said.startswith("The tests in 3 orders: as written, backwards, seed 41.\n")
    assert "  seed 41: 1 passed in " in said
    assert said.endswith("\n1 tests in 3 orders: 0 depend on the order, 0 fail in each.\n")


def test_arguments_go_to_pytest_and_a_seed_is_made_up(suite, tiers):
    suite({FILE: "def test_one():\n    pass\n\n\ndef test_other():\n    assert False\n"})
    said = tiers("isolation", "--orders", "2", "-k", "test_one").out
    seeds = re.match(r"The tests in 4 orders: as written, backwards, seed (\d+), seed (\d+)\.\n", said)
    assert int(seeds[2]) == int(seeds[1]) + 1
    assert "\n1 tests in 4 orders: " in said


def test_what_time_or_chance_causes_is_not_put_down_to_order(suite, tiers, tmp_path):
    suite(
        {
            FILE: "import os\n\n\n"
            "def test_first():\n    assert True\n\n\n"
            "def test_chance():\n"
            f"    try:\n        os.mkdir({str(tmp_path / 'chance')!r})\n"
            "    except FileExistsError:\n        return\n"
            "    raise ValueError('the first of all')\n"
        }
    )
    said = tiers("isolation", "--seed", "3", "--orders", "1", status=1).out
    found = entry(said, f"{FILE}::test_chance")
    assert found["depends on"].startswith("nothing that ran before it")


@pytest.mark.parametrize(
    ("source", "words"),
    [("import nowhere\n", "No module named 'nowhere'"), ("def test_x(:\n", "SyntaxError")],
)
def test_what_keeps_the_tests_from_running_is_shown_with_pytests_exit_code(suite, tiers, source, words):
    suite({FILE: source})
    done = tiers("isolation", "--orders", "1", status=2)
    assert words in done.err
    assert done.err.endswith(
        "Nothing was compared: pytest ended with status 2 (as written). Mend that first.\n"
    )


def test_wrong_options_are_refused_before_anything_runs(suite, tiers):
    suite({FILE: ""})
    done = tiers("isolation", "--orders", "0", status=2)
    assert done.err.endswith("--orders: at least one\n")
    assert done.out == ""


@pytest.mark.parametrize("missing", ["pytest_randomly", "detect_test_pollution"])
def test_what_isnt_installed_is_named(suite, tiers, monkeypatch, missing):
    suite({FILE: ""})
    monkeypatch.setattr(
        "pytest_tiers.commands.running.find_spec", lambda name: None if name == missing else object()
    )
    assert (
        tiers("isolation", status=2).err == f"{missing} can't be imported: install pytest-tiers[isolation]\n"
    )


def test_an_interruption_stops_the_tests_as_well(suite, start, pipe):
    suite(
        {
            FILE: f"import os, signal\n\n\ndef test_waits():\n    with open({str(pipe.path)!r}, 'w') as pipe:\n"
            "        print(os.getpid(), file=pipe)\n    signal.pause()\n"
        }
    )
    with start("isolation", "--orders", "1") as process:
        running = int(pipe.heard(process).split()[0])
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\ntiers isolation was interrupted.\n")
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)


@pytest.mark.parametrize(
    ("said", "needs", "cause"),
    [
        ("-> the polluting test is: a::b", False, "a::b, which must not run before it"),
        ("-> the polluting test is: a::b", True, "a::b, which has to run before it"),
        ("-> expected failure -- but it passed?", False, isolation.SAYS["expected failure"]),
        ("AssertionError: unreachable? unexpected pass?", True, isolation.SAYS["unexpected pass"]),
        ("-> test failed! (output printed above)", True, "unknown, the search failed:\n-> test failed! (output printed above)"),
        ("Traceback", False, "unknown, the search failed:\nTraceback"),
    ],
)  # fmt: skip
def test_what_the_search_says_is_understood(said, needs, cause):
    order = isolation.Order("as written", (), {"a::b": Result("passed"), "x": Result("failed", "no")})
    other = isolation.Order("backwards", (), {"x": Result("passed")})
    test = isolation.Dependent("x", [order, other], [])
    assert test.learn(said, needs=needs) is False
    assert test.cause == cause
    assert test.learn("-> test failed! (output printed above)") is True


def test_progress_is_what_was_printed_last(tmp_path):
    job = isolation.Job("as written", [], tmp_path / "out")
    (tmp_path / "out").write_text("[ 10%]\n[ 20%]")

    class Running:
        """A process that goes on."""

        def poll(self):
            return None

    job.process = Running()
    assert str(job) == "as written: [ 20%]"
    (tmp_path / "out").write_text("")
    assert str(job) == "as written: begins"
    job.process = subprocess.Popen(["true"])
    job.process.wait()
    assert str(job) == "as written: done"
    (tmp_path / "out").write_text("x\n2 failed, 1 passed in 0.11s\n")
    assert str(job) == "as written: 2 failed, 1 passed in 0.11s"


def test_as_many_jobs_run_at_once_as_there_are_cores(tmp_path, monkeypatch, capsys):
    running, most = [], []

    class Process:
        """Ends the second time that anybody asks."""

        def __init__(self):
            self.asked = 0
            running.append(self)
            most.append(len(running))

        def poll(self):
            self.asked += 1
            if self.asked < 3:
                return None
            if self in running:
                running.remove(self)
            return 0

        def wait(self, timeout=None):
            return 0

    class Job(isolation.Job):
        """One that starts nothing."""

        def start(self):
            self._output.touch()
            self.process = Process()

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    isolation.run([Job(f"job {number}", [], tmp_path / str(number)) for number in range(7)])
    assert max(most) == 3
    assert sorted(capsys.readouterr().out.splitlines()) == [f"  job {number}: done" for number in range(7)]
