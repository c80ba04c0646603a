"""`tiers flaky`: what failed runs again on its own, and what passes then is labelled; no more."""

import pytest
from pytest_tiers.commands import flaky
from pytest_tiers.timing import records

# The first one fails when it runs for the first time.
TESTS = """
import os
from pathlib import Path

MARKS = Path(os.environ["MARKS"])


def test_sometimes():
    if not (MARKS / "ran").exists():
        (MARKS / "ran").touch()
        assert False


def test_always():
    assert False


def test_never():
    with (MARKS / "never").open("a") as file:
        file.write("x")
"""


@pytest.fixture(autouse=True)
def marks(tmp_path, monkeypatch):
    """Where the tests note what they did: not among the sources, which a guard would see."""
    monkeypatch.setenv("MARKS", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(suite, tiers):
    """A suite that ran once, and a function that runs what failed again."""
    pytester = suite({"tests/unit/test_a.py": TESTS})
    pytester.runpytest_inprocess("-n0").assert_outcomes(failed=2, passed=1)
    return lambda: tiers("flaky").out


def newest(path):
    return records.read(records.newest(path / ".cache/tests/runs"))


def test_what_passes_now_is_flaky_and_the_record_knows(run, pytester, marks):
    said = run()
    assert said.splitlines()[:4] == [
        "",
        "Running the 2 tests that failed again, on their own ...",
        "  tests/unit/test_a.py::test_sometimes: FLAKY, it passes now",
        "  tests/unit/test_a.py::test_always: failed again",
    ]
    assert "`tiers isolation` tells" in said
    assert "tests/quarantine.toml can take it" in said or "quarantine.toml can take it" in said
    assert (marks / "never").read_text() == "x", "only what failed runs again"
    record = newest(pytester.path)
    assert record.again == {
        "tests/unit/test_a.py::test_sometimes": "passed",
        "tests/unit/test_a.py::test_always": "failed",
    }
    assert record.results["tests/unit/test_a.py::test_sometimes"].outcome == "failed", "it stays what it was"
    # The run again has left no record of its own.
    assert len(list((pytester.path / ".cache/tests/runs").iterdir())) == 1


def test_where_nothing_passes_nothing_is_advised(run, pytester):
    tests = "def test_sometimes():\n    assert 0\n\n\ndef test_always():\n    assert False\n"
    (pytester.path / "tests/unit/test_a.py").write_text(tests)
    said = run()
    assert said.count(": failed again\n") == 2
    assert "isolation" not in said


def test_tests_that_cant_run_again_are_said_not_to_have(run, pytester):
    (pytester.path / "tests/unit/test_a.py").unlink()
    said = run()
    assert said.count(": not run again\n") == 2
    assert "isolation" not in said


def test_too_many_arent_run_again(run, pytester, monkeypatch):
    monkeypatch.setattr(flaky, "MOST", 1)
    assert run() == "\n2 tests failed: too many to be flaky, so none is run again.\n"
    monkeypatch.setattr(flaky, "MOST", 2)
    assert "FLAKY" in run()


def test_where_all_passed_there_is_nothing_to_do(suite, tiers):
    suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"}).runpytest_inprocess("-n0")
    assert tiers("flaky").out == "No test failed in the last run.\n"


def test_without_a_record_it_says_so(suite, tiers):
    suite({})
    err = tiers("flaky", status=2).err
    assert err.startswith("there is no record of a run in ")
    assert err.endswith(": run the tests first.\n")


def test_the_quarantine_that_is_configured_is_named(suite, tiers):
    pytester = suite({"tests/unit/test_a.py": TESTS, "flaky.toml": ""}, tiers='quarantine = "flaky.toml"')
    pytester.runpytest_inprocess("-n0")
    assert "Until it is mended, flaky.toml can take it." in tiers("flaky").out
