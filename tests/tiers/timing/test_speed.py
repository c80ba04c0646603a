"""The markers of measured time, and the lists of what takes longest."""

import re

import pytest
from pytest_tiers.config import read
from pytest_tiers.timing import speed
from pytest_tiers.timing.store import Run, open_store, work_seconds
from suites import Suite

NAMES = ("fast", "medium", "slow", "marked", "new")
TESTS = "import pytest\n\n" + "".join(
    f"{'@pytest.mark.slow' if name == 'marked' else ''}\ndef test_{name}():\n    pass\n" for name in NAMES
)
SECONDS = {"fast": 0.01, "medium": 0.5, "slow": 3.0, "marked": 0.01}


def measured(pytester: pytest.Pytester, tier: str = "unit", /, **seconds: float) -> pytest.Pytester:
    """Write what was measured."""
    tests = {
        f"tests/{tier}/test_a.py::test_{name}": (0.0, second, 0.0, second) for name, second in seconds.items()
    }
    open_store(read(pytester.path)).add(Run(work_seconds(), tests=tests))
    return pytester


def selected(pytester: pytest.Pytester, expression: str, *arguments: str) -> set[str]:
    """Return the names of the tests that `-m` selects."""
    done = pytester.runpytest("-q", "--collect-only", "-m", expression, *arguments)
    return set(re.findall(r"::test_(\w+)", done.stdout.str()))


def test_measured_time_is_a_marker_and_what_is_written_at_a_test_wins(suite: Suite):
    pytester = measured(suite({"tests/unit/test_a.py": TESTS}), **SECONDS)
    assert selected(pytester, "fast") == {"fast"}
    # What was never measured takes the middle time of its tier.
    assert selected(pytester, "medium") == {"medium", "new"}
    assert selected(pytester, "slow") == {"slow", "marked"}
    assert selected(pytester, "not slow and not medium and not fast") == set()


@pytest.mark.parametrize(
    ("tier", "expected"), [("unit", "fast"), ("integration", "fast"), ("committed", "medium")]
)
def test_a_tier_of_which_nothing_was_measured_has_a_usual_speed(suite: Suite, tier, expected):
    pytester = suite({f"tests/{tier}/test_a.py": TESTS})
    assert selected(pytester, expected) == {"fast", "medium", "slow", "new"}


def test_what_lies_in_no_tier_counts_as_fast_until_it_is_measured(suite: Suite):
    pytester = suite({"tests/test_a.py": TESTS}, tiers="folders = {}")
    assert selected(pytester, "fast") == {"fast", "medium", "slow", "new"}
    tests = {f"tests/test_a.py::test_{name}": (0.0, 3.0, 0.0, 3.0) for name in ("fast", "medium")}
    open_store(read(pytester.path)).add(Run(work_seconds(), tests=tests))
    assert selected(pytester, "slow") == {"fast", "medium", "slow", "marked", "new"}


def test_workers_mark_as_one_process_does(suite: Suite):
    pytester = measured(suite({"tests/unit/test_a.py": TESTS}), **SECONDS)
    pytester.runpytest_subprocess("-n2", "-m", "slow").assert_outcomes(passed=2)


CONFTEST = """
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: what the team calls slow")
"""


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize(
    "where",
    [{"conftest.py": CONFTEST}, {"pytest.ini": "[pytest]\nmarkers = slow: what the team calls slow\n"}],
)
def test_a_marker_of_the_suites_own_stays_its_own(suite: Suite, workers, where):
    if "pytest.ini" in where:
        where = {
            "pytest.ini": where["pytest.ini"]
            + "addopts = --disable-plugin-autoload -p xdist.plugin -p tiers\n"
        }
    pytester = measured(suite({"tests/unit/test_a.py": TESTS} | where), **SECONDS)
    run = pytester.runpytest if workers == "-n0" else pytester.runpytest_subprocess
    run(workers, "-m", "slow or medium").assert_outcomes(passed=3)
    lines = pytester.runpytest("--markers").outlines
    assert [line for line in lines if line.startswith("@pytest.mark.slow")] == [
        "@pytest.mark.slow: what the team calls slow"
    ]
    assert any(line.startswith("@pytest.mark.fast: measured time under 0.1 s;") for line in lines)


def test_what_is_wrong_with_the_measured_times_is_said(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": TESTS})
    path = pytester.path / ".cache/tests/durations.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    done = pytester.runpytest()
    done.assert_outcomes(passed=5)
    done.stdout.fnmatch_lines(
        ["*durations.json can't be read (*): all tests count as new, and it is written anew"]
    )
    pytester.runpytest().stdout.no_fnmatch_line("*can't be read*")


def test_a_test_whose_speed_changed_is_named(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": TESTS})
    measured(pytester, slow=3.0)
    done = pytester.runpytest()
    done.stdout.no_fnmatch_line("*was slow*")
    done = pytester.runpytest()
    done.stdout.re_match_lines(
        [r"tests/unit/test_a\.py::test_slow was slow and is (fast|medium): 1\.\d\d s, now 0\.\d\d s$"]
    )
    pytester.runpytest().stdout.no_fnmatch_line("*was slow*")


FIXTURES = """
import pytest


@pytest.fixture
def own():
    pass


@pytest.fixture(scope="module")
def wide():
    pass


@pytest.mark.parametrize("number", range(5))
def test_a(number, own, wide):
    pass
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_the_slowest_are_listed_when_they_are_asked_for(suite: Suite, workers):
    pytester = suite(
        {"tests/unit/test_a.py": FIXTURES, "tests/unit/test_b.py": "", "tests/unit/test_c.py": ""}
    )
    run = pytester.runpytest if workers == "-n0" else pytester.runpytest_subprocess
    done = run(workers, "--slowest", "2")
    said = done.stdout.str()
    assert len(re.findall(r"^ +\d+\.\d ms  fast    tests/unit/test_a\.py::test_a\[\d\]$", said, re.M)) == 2
    line = r"^ +\d+\.\d ms  {}: {} times \d+\.\d ms$"
    assert len(re.findall(r"^ +\d+\.\d ms  \S+ \(\w+\).*: \d+ times", said, re.M)) == 2
    assert len(re.findall(r"^ +\d+\.\d ms  tests/unit/test_.\.py$", said, re.M)) == 2
    done.stdout.fnmatch_lines(
        [
            "*= slowest 2 tests (own set-up, call and own tear-down) =*",
            "*= slowest 2 fixtures (set-up without what they depend on) =*",
            "*= slowest 2 files to collect (without what they import) =*",
        ]
    )
    done = run(workers, "--slowest", "50")
    said = done.stdout.str()
    for name, count in (
        ("own (function) tests/unit/test_a.py", 5),
        ("wide (module) tests/unit/test_a.py", 1),
    ):
        assert re.search(line.format(re.escape(name), count), said, re.M), name
    pytester.runpytest().stdout.no_fnmatch_line("*= slowest *")


def test_the_longest_come_first():
    assert speed._longest({"a": 1.0, "b": 3.0, "c": 2.0}, 2) == [("b", 3.0), ("c", 2.0)]


def test_what_a_test_will_take_is_guessed_by_its_file_and_then_by_its_tier(suite: Suite):
    files = dict.fromkeys(
        ("tests/unit/test_a.py", "tests/unit/test_b.py", "tests/committed/test_c.py"),
        "def test_x():\n    pass\n\n\ndef test_y():\n    pass\n",
    )
    pytester = suite(files)
    times = {"tests/unit/test_a.py::test_x": 2.0}
    open_store(read(pytester.path)).take_over(times)
    items, _ = pytester.inline_genitems()
    config = items[0].config
    assert dict(zip((item.nodeid for item in items), speed.expected_seconds(config, items), strict=True)) == {
        "tests/committed/test_c.py::test_x": 0.0,
        "tests/committed/test_c.py::test_y": 0.0,
        "tests/unit/test_a.py::test_x": 2.0,
        "tests/unit/test_a.py::test_y": 2.0,
        "tests/unit/test_b.py::test_x": 2.0,
        "tests/unit/test_b.py::test_y": 2.0,
    }
