"""Times of pytest-split, and what it charges to the wrong tests."""

import json
from pathlib import Path

import pytest
from inputs import real_times
from pytest_tiers.timing import import_durations
from pytest_tiers.timing.store import Run, Store

TESTS = {nodeid: seconds for of_file in real_times().values() for nodeid, seconds in of_file.items()}


@pytest.fixture
def checkout(tmp_path):
    """A folder with two test files."""
    (tmp_path / "tests/unit").mkdir(parents=True)
    for name in "ab":
        (tmp_path / f"tests/unit/test_{name}.py").touch()
    return tmp_path


def stored(checkout: Path) -> Store:
    """Return the store of a checkout."""
    return Store(checkout / ".cache/tests/durations.json", checkout)


def test_set_up_that_was_charged_to_first_tests_is_recognised_in_real_times():
    charged = import_durations.charged_with_setup(TESTS)
    assert len(charged) == 12
    assert min(TESTS[nodeid] for nodeid in charged) > 28
    assert max(TESTS[nodeid] for nodeid in TESTS.keys() - set(charged)) < 1.1


@pytest.mark.parametrize(
    "seconds",
    [
        [],
        [5.0],
        [0.0] * 100,
        [0.1] * 100,
        [0.01 * number for number in range(500)],
        [60.0, *[0.01] * 100],  # one long test may well be one
        [60.0, 8.0, *[0.01] * 100],  # two that have nothing in common
        [*[60.0] * 50, *[0.01] * 50],  # half of all tests is no exception
        [*[0.5] * 3, *[0.001] * 100],  # half a second is no set-up
    ],
    ids=str,
)
def test_times_of_tests_themselves_are_not_taken_for_set_up(seconds):
    assert (
        import_durations.charged_with_setup(
            {f"tests/test_a.py::test_{n}": second for n, second in enumerate(seconds)}
        )
        == []
    )


def test_times_of_pytest_split_are_taken_over_where_nothing_was_measured(checkout):
    file = "tests/unit/test_a.py"
    times = {f"{file}::test_{number}": 0.01 * (number + 1) for number in range(99)}
    times |= {f"{file}::test_0": 30.0, "tests/unit/test_b.py::test_only": 40.0, "tests/gone.py::test_x": 1.0}
    (checkout / ".test_durations").write_text(json.dumps(times))
    known = stored(checkout)
    known.add(Run(1.0, tests={f"{file}::test_5": (0.0, 7.0, 0.0, 7.0)}))
    said = import_durations.import_durations(checkout / ".test_durations", known)
    assert said.startswith(f"101 tests in {checkout / '.test_durations'}, 99 of them taken over.\n")
    assert "\n1 are in files that don't exist here.\n" in said
    assert "2 tests of 30.0 to 40.0 s hold 58% of the time. That looks like the set-up of a run" in said
    kept = stored(checkout).tests
    assert kept[f"{file}::test_5"].seconds == 7.0, "what was measured here stays"
    assert kept[f"{file}::test_7"].seconds == 0.08
    assert kept[f"{file}::test_0"].seconds == pytest.approx(0.505), "the middle of its file"
    assert kept["tests/unit/test_b.py::test_only"].seconds == pytest.approx(0.51), "the middle of all"
    assert "tests/gone.py::test_x" not in kept


@pytest.mark.parametrize(
    "content", ["", "[]", "7", '{"a": "b"}', '{"a": null}', '{"a": -1}', '{"a": NaN}', '{"a": 1e999}']
)
def test_what_has_no_durations_is_refused_and_changes_nothing(checkout, content):
    (checkout / ".test_durations").write_text(content)
    known = stored(checkout)
    with pytest.raises(ValueError, match=r"\.test_durations has"):
        import_durations.import_durations(checkout / ".test_durations", known)
    assert not known.path.exists()


def test_without_what_was_charged_nothing_more_is_said(checkout):
    (checkout / ".test_durations").write_text(json.dumps({"tests/unit/test_a.py::test": 0.5}))
    said = import_durations.import_durations(checkout / ".test_durations", stored(checkout))
    assert said == f"1 tests in {checkout / '.test_durations'}, 1 of them taken over."
