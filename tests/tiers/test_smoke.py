"""The plugin is loaded, and does what it should do at all."""

import pytest
from suites import Suite

TESTS = """
def test_one():
    pass

def test_two():
    assert False
"""


def test_a_suite_runs(suite: Suite) -> None:
    pytester = suite({"tests/unit/test_a.py": TESTS, "src/shop/__init__.py": ""})
    result = pytester.runpytest_subprocess("-v", "-m", "unit")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["tiers: unit (tests/unit)*packages: shop*"])


def test_workers_run_it(suite: Suite) -> None:
    pytester = suite({"tests/unit/test_a.py": TESTS})
    pytester.runpytest_subprocess("-n2").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("loaded", ["", '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload"'])
def test_without_being_asked_it_does_nothing(suite: Suite, loaded: str) -> None:
    pytester = suite({"tests/unit/test_a.py": TESTS}, tiers=None, loaded=loaded)
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*tiers: *")
    assert not (pytester.path / ".cache").exists()
