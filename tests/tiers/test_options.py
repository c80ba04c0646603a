"""The options of the plugin beside those that a suite has itself."""

from pathlib import Path

import pytest
from suites import Suite

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--ci", action="store_true", help="the suite's own")
    parser.addoption("--shard", help="the suite's own")

def pytest_report_header(config):
    return [f"own: {config.getoption('--ci')} {config.getoption('--shard')}", f"tiers: {config.option.tiers_ci}"]
"""
TESTS = {"tests/conftest.py": CONFTEST, "tests/test_a.py": "def test_a():\n    pass\n"}
TESTPATHS = (
    '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload -p tiers"\ntestpaths = ["tests"]\n'
)


@pytest.mark.parametrize(
    ("arguments", "own", "tiers"),
    [
        ([], "False None", "False"),
        (["--ci"], "True None", "False"),
        (["--tiers-ci"], "False None", "True"),
        (["--ci", "--shard", "one", "--slowest", "2"], "True one", "False"),
    ],
)
def test_what_the_suite_has_stays_its_own(suite: Suite, arguments: list[str], own: str, tiers: str) -> None:
    result = suite(TESTS, loaded=TESTPATHS).runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines_random([f"own: {own}", f"tiers: {tiers}"])


@pytest.mark.parametrize("option", ["--record", "--tiers-record"])
def test_a_value_that_is_a_path_hides_no_conftest(suite: Suite, option: str, tmp_path: Path) -> None:
    record = tmp_path / "elsewhere" / "run.jsonl"
    record.parent.mkdir()
    result = suite(TESTS, loaded=TESTPATHS).runpytest_subprocess(option, str(record), "--ci")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["own: True None"])
    assert record.exists()


def test_a_value_from_addopts_hides_none_either(suite: Suite) -> None:
    loaded = TESTPATHS.replace("-p tiers", "-p tiers --slowest 1")
    result = suite(TESTS, loaded=loaded).runpytest_subprocess("--ci")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["own: True None", "*slowest*"])
