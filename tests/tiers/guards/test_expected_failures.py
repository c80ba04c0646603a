"""An expected failure hides nothing that a guard found; what passes, fails or is skipped as it should isn't touched."""

import pytest
from watched import Done, run

TESTS = """
import os, socket
from contextlib import suppress

import pytest


def reach():
    socket.create_connection(("127.0.0.1", 9), 1)


@pytest.mark.xfail(reason="known", strict=False)
def test_leaves_a_variable():
    os.environ["LEFT"] = "1"
    raise AssertionError


@pytest.mark.xfail(reason="known", strict=True)
def test_leaves_a_variable_strictly():
    os.environ["LEFT"] = "1"
    raise AssertionError


@pytest.mark.xfail(reason="known", strict=False)
def test_reaches_the_network():
    reach()


@pytest.mark.xfail(reason="known", raises=OSError)
def test_expects_just_that():
    reach()


@pytest.mark.xfail(reason="known")
def test_reaches_it_and_fails_of_something_else():
    with suppress(OSError):
        reach()
    raise AssertionError


@pytest.fixture
def reaching():
    with suppress(OSError):
        reach()


@pytest.mark.xfail(reason="known")
def test_has_a_fixture_reach_it(reaching):
    raise AssertionError


def test_expects_it_by_a_call():
    with suppress(OSError):
        reach()
    pytest.xfail("known")


def test_skips_behind_it():
    with suppress(OSError):
        reach()
    pytest.skip("enough")


def test_fails_of_something_else():
    with suppress(OSError):
        reach()
    raise AssertionError("something else")


@pytest.mark.xfail(reason="known")
def test_innocent_fails_as_expected():
    raise AssertionError


@pytest.mark.xfail(reason="known")
def test_innocent_passes_unexpectedly():
    pass


def test_innocent_is_skipped():
    pytest.skip("not now")


def test_innocent_fails():
    raise AssertionError("of its own")
"""
REACHING = [
    "test_reaches_the_network",
    "test_expects_just_that",
    "test_reaches_it_and_fails_of_something_else",
    "test_has_a_fixture_reach_it",
    "test_expects_it_by_a_call",
    "test_skips_behind_it",
    "test_fails_of_something_else",
]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them."""
    return run(tmp_path_factory.mktemp("suite"), {"tests/unit/test_expected.py": TESTS})


@pytest.mark.parametrize("name", REACHING)
def test_what_is_refused_is_said(done: Done, name: str) -> None:
    assert "The test opened a connection to 127.0.0.1:9, and tests/unit has no network." in done.of(name)


@pytest.mark.parametrize("name", ["test_leaves_a_variable", "test_leaves_a_variable_strictly"])
def test_what_is_left_is_said(done: Done, name: str) -> None:
    assert "The test left the environment changed: LEFT." in done.of(name)


def test_what_failed_of_something_else_says_both(done: Done) -> None:
    said = done.of("test_fails_of_something_else")
    assert "something else" in said
    assert "Refused before" in said


def test_the_others_are_what_they_were(done: Done) -> None:
    assert done.failed == {
        *REACHING,
        "test_leaves_a_variable",
        "test_leaves_a_variable_strictly",
        "test_innocent_fails",
    }
    assert "of its own" in done.of("test_innocent_fails")
    outcomes = {nodeid.rpartition("::")[2]: found for nodeid, found in done.outcomes.items()}
    assert outcomes["test_innocent_fails_as_expected"] == {"passed", "xfailed"}
    assert outcomes["test_innocent_passes_unexpectedly"] == {"passed"}
    assert outcomes["test_innocent_is_skipped"] == {"passed", "skipped"}
    assert done.status == 1
