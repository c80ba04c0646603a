"""What a test is charged for: what it does itself, by clocks that nothing stops."""

import pytest
from pytest_tiers.config import read
from pytest_tiers.timing import records
from pytest_tiers.timing.records import Record
from pytest_tiers.timing.store import Store, open_store
from suites import Suite

CLOCK = """
now = 0.0


def tick(seconds):
    global now
    now += seconds


def read():
    return now
"""
"""A clock that goes on when it is told to: waiting for the real one would take as long, and be no more exact."""
CONFTEST = """
import clock
import pytest

from pytest_tiers.timing.stopwatch import stopwatch_of


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    config, stopwatch = session.config, stopwatch_of(session.config)
    if config.option.tx and not hasattr(config, "workerinput"):
        return  # it runs no tests itself
    stopwatch._now = stopwatch._worked = stopwatch._imports._now = clock.read
"""


def ticking(suite: Suite, test: str, **files: str) -> pytest.Pytester:
    """Write a suite that is measured by that clock."""
    named = {f"{name}.py": text for name, text in files.items()}
    return suite(
        {"clock.py": CLOCK, "conftest.py": CONFTEST, "tests/unit/test_a.py": test} | named,
        pyproject="",
        loaded="""
[tool.pytest.ini_options]
addopts = "--disable-plugin-autoload -p xdist.plugin -p tiers --dist=worksteal"
pythonpath = "."
""",
    )


def last_record(pytester: pytest.Pytester) -> Record:
    """Read the record of the last run."""
    return records.read(records.newest(pytester.path / ".cache/tests/runs"))


def stored(pytester: pytest.Pytester) -> Store:
    """Read what is kept."""
    return open_store(read(pytester.path))


def took(pytester: pytest.Pytester) -> dict[str, list[float]]:
    """Return the seconds of set-up, call, tear-down and of the processor, by the name of the test."""
    times = last_record(pytester).times
    return {
        nodeid.partition("::")[2]: [round(second, 3) for second in seconds]
        for nodeid, seconds in times.items()
    }


CHARGED = """
import threading

import pytest
from clock import tick

from pytest_tiers.guards import unwatch


@pytest.fixture(scope="module")
def shared():
    tick(0.5)
    yield
    tick(0.25)


@pytest.fixture
def own(shared):
    tick(0.2)
    yield
    tick(0.3)


def test_shared(shared):
    pass


def test_own(own):
    tick(0.4)


def test_asks_for_it_later(request):
    request.getfixturevalue("own")
    tick(1)


def test_imports():
    import imported
    tick(0.1)


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_imports_in_a_thread():
    def work():
        import imported_in_a_thread

    in_a_thread(work)


def test_beside_the_machinery():
    def work():
        unwatch()
        import prepared

    in_a_thread(work)


def test_imports_what_imports():
    import outer
    tick(5)


def test_fails_to_import():
    with pytest.raises(ImportError):
        import broken
    tick(0.7)
"""
IMPORTED = "from clock import tick; tick(3)"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_is_charged_for_what_it_does_and_not_for_what_came_with_it(suite: Suite, workers):
    pytester = ticking(
        suite,
        CHARGED,
        imported=IMPORTED,
        imported_in_a_thread=IMPORTED,
        prepared=IMPORTED,
        inner=IMPORTED,
        outer=f"import inner; {IMPORTED}",
        broken=f"{IMPORTED}; import nowhere",
    )
    start = pytester.runpytest if workers == "0" else pytester.runpytest_subprocess
    start("-n", workers).assert_outcomes(passed=8)
    charged = took(pytester)
    assert charged.pop("test_beside_the_machinery") == [0.0, 3.0, 0.0, 3.0], (
        "what they import meanwhile, no test waits for"
    )
    assert charged == {
        "test_shared": [0.0, 0.0, 0.0, 0.0],
        "test_own": [0.2, 0.4, 0.3, 0.9],
        "test_asks_for_it_later": [0.0, 1.2, 0.3, 1.5],
        "test_imports": [0.0, 0.1, 0.0, 0.1],
        "test_imports_in_a_thread": [0.0, 0.0, 0.0, 0.0],
        "test_imports_what_imports": [0.0, 5.0, 0.0, 5.0],
        "test_fails_to_import": [0.0, 0.7, 0.0, 0.7],
    }
    assert stored(pytester).tests["tests/unit/test_a.py::test_own"].seconds == pytest.approx(0.9)
    fixtures = {name: series.seconds for name, series in stored(pytester).fixtures.items()}
    assert fixtures["shared (module) tests/unit/test_a.py"] == 0.5
    assert fixtures["own (function) tests/unit/test_a.py"] == pytest.approx(0.2)
    assert set(stored(pytester).files) == {"tests/unit/test_a.py"}


COLLECTED = """
import imported
from clock import tick

tick(0.5)


def test_a():
    pass
"""


def test_collecting_a_file_is_measured_without_what_it_imports(suite: Suite):
    pytester = ticking(suite, COLLECTED, imported=IMPORTED)
    pytester.runpytest().assert_outcomes(passed=1)
    assert stored(pytester).files["tests/unit/test_a.py"].seconds == 0.5
    assert stored(pytester).machine.collect == [3.5], "the processor worked for both"


def test_arguments_of_parametrize_are_no_fixtures(suite: Suite):
    test = "import pytest\n\n\n@pytest.mark.parametrize('number', [1, 2])\ndef test_a(number):\n    pass\n"
    pytester = suite({"tests/unit/test_a.py": test})
    pytester.runpytest().assert_outcomes(passed=2)
    assert [name for name in stored(pytester).fixtures if "number" in name] == []


SUBTESTS = """
import unittest

import pytest
from clock import tick


def test_parts(subtests):
    for number in range(3):
        with subtests.test(number=number):
            tick(1)
    with subtests.test("skipped"):
        pytest.skip("one part of it")


def test_fails_in_part(subtests):
    with subtests.test("fails"):
        tick(1)
        raise ValueError("no")


class TestOld(unittest.TestCase):
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number):
                tick(1)
"""


def test_subtests_are_parts_of_their_test(suite: Suite):
    pytest.importorskip("_pytest.subtests")
    pytester = ticking(suite, SUBTESTS)
    pytester.runpytest()
    charged = took(pytester)
    assert charged["test_parts"] == charged["TestOld::test_parts"] == [0.0, 3.0, 0.0, 3.0]
    kept = stored(pytester).tests
    assert set(kept) == {"tests/unit/test_a.py::test_parts", "tests/unit/test_a.py::TestOld::test_parts"}
    assert kept["tests/unit/test_a.py::test_parts"].seconds == 3.0


OUTCOMES = """
import pytest
from clock import tick


@pytest.fixture
def breaks_at_last():
    yield
    raise ValueError("no")


def test_passes():
    tick(1)


def test_fails():
    raise ValueError("no")


def test_breaks(breaks_at_last):
    pass


def test_skips():
    pytest.skip("not here")


@pytest.mark.xfail
def test_is_expected_to_fail():
    raise ValueError("no")
"""


def test_only_what_passed_from_set_up_to_tear_down_tells_how_long_it_takes(suite: Suite):
    pytester = ticking(suite, OUTCOMES)
    pytester.runpytest()
    assert list(stored(pytester).tests) == ["tests/unit/test_a.py::test_passes"]


def test_a_run_with_a_record_of_its_own_keeps_no_times(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"})
    pytester.runpytest("--record", "mine.jsonl").assert_outcomes(passed=1)
    assert not (pytester.path / ".cache/tests/durations.json").exists()
    assert records.read(pytester.path / "mine.jsonl").run.tests.keys() == {"tests/unit/test_a.py::test_a"}


TWO = "def test_a():\n    pass\n\n\ndef test_b():\n    pass\n"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_tests_that_their_file_doesnt_have_any_more_are_forgotten(suite: Suite, workers):
    pytester = suite({"tests/unit/test_a.py": TWO, "tests/unit/test_c.py": TWO, "tests/unit/test_d.py": TWO})
    pytester.runpytest("-q").assert_outcomes(passed=6)
    (pytester.path / "tests/unit/test_a.py").write_text(TWO.replace("test_a", "test_new"))
    (pytester.path / "tests/unit/test_d.py").unlink()
    run = pytester.runpytest_subprocess if workers == "1" else pytester.runpytest
    # As long as somebody asks for a part of a file, nobody can know.
    run("-n", workers, "tests/unit/test_a.py::test_b")
    assert "tests/unit/test_a.py::test_a" in stored(pytester).tests
    run("-n", workers, "-k", "test_new", "tests/unit/test_a.py")  # all of the file is collected
    assert sorted(stored(pytester).tests) == [
        *("tests/unit/test_a.py::test_b", "tests/unit/test_a.py::test_new"),
        *("tests/unit/test_c.py::test_a", "tests/unit/test_c.py::test_b"),
    ]


def test_under_the_last_failures_nothing_is_taken_for_gone(suite: Suite):
    failing = TWO + "\n\ndef test_fails():\n    assert False\n"
    pytester = suite({"tests/unit/test_a.py": failing})
    pytester.runpytest("-q").assert_outcomes(passed=2, failed=1)
    (pytester.path / "tests/unit/test_a.py").write_text(failing.replace("assert False", "assert True"))
    pytester.runpytest("-q", "--lf").assert_outcomes(passed=1)
    assert len(stored(pytester).tests) == 3


STOPPED = """
import time

import pytest


@pytest.fixture(autouse=True)
def stopped(monkeypatch):
    import sys

    # As freezegun does it: in every module that has taken a clock from `time`.
    real = {time.perf_counter, time.process_time, time.monotonic, time.time}
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if module else ():
            if any(value is clock for clock in real):
                monkeypatch.setattr(module, name, lambda: -1e9)


def test_one():
    sum(range(1000))


def test_two():
    sum(range(1000))
"""


def test_a_test_that_stops_all_clocks_is_measured_as_any_other(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": STOPPED})
    pytester.runpytest_subprocess("-p", "no:terminal")
    record = last_record(pytester)
    assert len(record.run.tests) == 2
    for phases in record.times.values():
        assert all(0 <= second < 60 for second in phases)
        assert phases[1] > 0
    assert 0 < record.facts["seconds"] < 60


NESTED = """
import builtins

import pytest

pytest_plugins = ["pytester"]
before = []


def test_run_inside(pytester):
    imports = builtins.__import__
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\\n[tool.tiers]\\n")
    pytester.makepyfile("def test_inner():\\n    import fractions\\n")
    done = pytester.inline_run("--disable-plugin-autoload", "-p", "tiers")
    done.assertoutcome(passed=1)
    assert builtins.__import__ == imports


def test_broken_run_inside(pytester):
    imports = builtins.__import__
    pytester.makeconftest(
        "import pytest\\n\\n\\n@pytest.hookimpl(trylast=True)\\ndef pytest_sessionstart():\\n    raise pytest.UsageError('no')"
    )
    pytester.inline_run("--disable-plugin-autoload", "-p", "tiers")
    assert builtins.__import__ == imports
"""


def test_a_run_inside_a_run_disturbs_neither(suite: Suite, tmp_path):
    pytester = suite({"tests/unit/test_a.py": NESTED, "conftest.py": "pytest_plugins = ['pytester']\n"})
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    pytester.runpytest_subprocess(f"--basetemp={outside}").assert_outcomes(passed=2)
    assert list(stored(pytester).tests) == [
        f"tests/unit/test_a.py::test_{name}run_inside" for name in ("broken_", "")
    ]


def test_who_patches_imports_meanwhile_is_left_alone():
    import builtins

    from pytest_tiers.timing.import_clock import ImportClock

    before = builtins.__import__
    clock = ImportClock()
    clock.start()
    try:
        timed = builtins.__import__

        def patched(*args: object, **kwargs: object) -> object:
            return timed(*args, **kwargs)

        builtins.__import__ = patched
        clock.stop()
        assert builtins.__import__ is patched
        counted = clock.seconds
        __import__("json")
        assert clock.seconds == counted, "it has stopped"
    finally:
        builtins.__import__ = before


def test_a_failed_import_shows_the_test_and_not_the_clock(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    import nowhere\n"})
    done = pytester.runpytest()
    done.assert_outcomes(failed=1)
    done.stdout.no_fnmatch_line("*import_clock*")


def test_a_checkout_that_cant_be_written_fails_no_run(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": TWO})
    (pytester.path / ".cache").write_text("in the way")
    done = pytester.runpytest()
    done.assert_outcomes(passed=2)
    assert done.ret == 0
    done.stderr.fnmatch_lines(
        ["There will be no record of this run: *", "*The times of this run are lost: *"]
    )


TESTS = """
import pytest
from clock import tick


@pytest.fixture
def sets_up():
    tick(2)


def test_a(sets_up):
    tick(5)


def test_refused(sets_up):
    tick(5)
"""
REFUSED = """
import pytest
from clock import tick


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    if item.name == "test_refused":
        raise ValueError("refused before anything is measured")
    return (yield)
"""


def test_a_phase_that_another_plugin_refuses_takes_no_time(suite: Suite):
    pytester = ticking(suite, TESTS)
    (pytester.path / "conftest.py").write_text(CONFTEST + REFUSED.replace("import pytest\n", ""))
    pytester.runpytest().assert_outcomes(passed=1, failed=1)
    charged = took(pytester)
    assert charged == {"test_a": [2.0, 5.0, 0.0, 7.0], "test_refused": [2.0, 0.0, 0.0, 2.0]}
