"""Known flaky tests: their failures don't count until a day, and a wrong entry is found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_tiers.config import read
from pytest_tiers.timing.plan import make
from pytest_tiers.timing.quarantine import Quarantined
from pytest_tiers.timing.store import open_store
from suites import Suite

TESTS = "def test_flaky():\n    raise ValueError('no')\n\n\ndef test_fine():\n    pass\n"
FLAKY = "tests/unit/test_a.py::test_flaky"
FINE = "tests/unit/test_a.py::test_fine"


def entry(nodeid: str = FLAKY, expires: str = "2999-12-31", more: str = "") -> str:
    """Return an entry of the file."""
    return f'["{nodeid}"]\nowner = "ada@example.com"\nexpires = {expires}\nreason = "a race"\n{more}'


@pytest.fixture
def two(suite: Suite) -> pytest.Pytester:
    """A suite of two tests, one of which fails."""
    return suite({"tests/unit/test_a.py": TESTS}, tiers="quarantine = 'tests/quarantine.toml'")


@pytest.fixture
def run(two: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Return a function that runs them with such a file, and returns what came of it."""

    def run(content: str, *arguments: str) -> pytest.RunResult:
        (two.path / "tests/quarantine.toml").write_text(content)
        start = two.runpytest_subprocess if "-n2" in arguments else two.runpytest
        return start(*(arguments or ("--ci",)))

    return run


def test_failures_in_quarantine_dont_count_until_a_day(run):
    run("").assert_outcomes(failed=1, passed=1)
    done = run(entry())
    done.assert_outcomes(passed=1, xfailed=1)
    assert done.ret == 0
    done.stdout.fnmatch_lines([f"quarantine of: {FLAKY} (until 2999-12-31, ada@example.com: a race)"])
    done = run(entry(expires="2020-01-01"))
    done.assert_outcomes(failed=1, passed=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines([f"quarantine is OVER, failures count again: {FLAKY} *"])


def test_the_last_day_counts():
    today = datetime.now(UTC).date()
    over = [Quarantined("ada", today + timedelta(days), "a race").over for days in (-1, 0, 1)]
    assert over[0]
    assert not over[2]
    assert not over[1] or datetime.now(UTC).date() > today, "unless midnight has just passed"


def test_one_that_passes_is_no_failure_even_where_that_is_strict(two):
    (two.path / "tests/quarantine.toml").write_text(entry(FINE) + entry())
    two.runpytest("--ci", "-o", "xfail_strict=true").assert_outcomes(xfailed=1, xpassed=1)


@pytest.mark.parametrize("nodeid", ["tests/unit/test_a.py::test_gone", "tests/unit/test_gone.py::test_a"])
def test_a_test_that_doesnt_exist_is_found(run, nodeid):
    said = f"tests/quarantine.toml: there is no test {nodeid}: take it out"
    for workers in ("-n0", "-n2"):
        done = run(entry() + entry(nodeid), "--ci", workers)
        assert done.ret == pytest.ExitCode.TESTS_FAILED
        done.stdout.fnmatch_lines([said])
    # Locally it is said.
    done = run(entry() + entry(nodeid), "tests")
    assert done.ret == 0
    done.stdout.fnmatch_lines([said])


@pytest.mark.parametrize(
    "arguments",
    [(FINE,), ("--lf",), ("--plan", "plan.json", "--shard", "1/1"), ("tests/unit/test_b.py",)],
    ids=str,
)
def test_where_only_a_part_is_run_nobody_can_know(run, two, arguments):
    (two.path / "tests/unit/test_b.py").write_text("def test_b():\n    assert False\n")
    settings = read(two.path)
    make(settings, open_store(settings)).write(two.path / "plan.json")
    gone = "tests/unit/test_a.py::test_gone"
    run("", "tests/unit/test_b.py")  # the last failure
    done = run(entry() + entry(gone), "--ci", *arguments)
    done.stdout.no_fnmatch_line("*there is no test*")


def test_what_is_left_out_by_name_or_marker_does_exist(run):
    done = run(entry() + entry(FINE), "--ci", "-k", "flaky", "-m", "unit")
    done.assert_outcomes(xfailed=1, deselected=1)
    assert done.ret == 0


def test_a_run_that_failed_anyhow_keeps_its_status(run):
    done = run(entry(expires="2020-01-01") + entry("tests/unit/test_a.py::test_gone"), "--ci", "--maxfail=1")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert run(entry("tests/gone.py::test"), "--ci", "-k", "none").ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[", "quarantine.toml: "),
        ("flaky = 1", 'quarantine.toml: "flaky" needs an owner'),
        (entry(expires="'2999-12-31'"), "needs an owner"),
        (entry(expires="2999-12-31T00:00:00Z"), "needs an owner"),
        (entry(more="issue = 7"), "and nothing else"),
        ('["x"]\nexpires = 2999-12-31\nreason = "a"', "needs an owner"),
        (entry().replace("a race", ""), "and a reason"),
    ],
)
def test_a_file_that_isnt_right_is_refused(run, content, says):
    done = run(content)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: *{says}*"])


def test_the_file_lies_where_the_settings_say(suite: Suite):
    pytester = suite(
        {"tests/unit/test_a.py": TESTS, "flaky.toml": entry()}, tiers="quarantine = 'flaky.toml'"
    )
    pytester.runpytest("--ci").assert_outcomes(passed=1, xfailed=1)
    (pytester.path / "flaky.toml").write_text(entry("tests/unit/test_a.py::test_gone"))
    pytester.runpytest("--ci").stdout.fnmatch_lines(["flaky.toml: there is no test *"])
    (pytester.path / "flaky.toml").unlink()
    pytester.runpytest("--ci").assert_outcomes(passed=1, failed=1)
    (pytester.path / "flaky.toml").mkdir()
    done = pytester.runpytest("--ci")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: flaky.toml: *"])
