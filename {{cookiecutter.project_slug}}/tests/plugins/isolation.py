# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What `nox -s isolation` loads with `-p tests.plugins.isolation`: the tests backwards, the outcome of one turned round."""

from collections.abc import Generator

import pytest

_turned_round: str | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `tools.isolation` passes."""
    parser.addoption("--backwards", action="store_true", help="run the last test first")
    parser.addoption(
        "--turn-round", metavar="NODEID", help="let this test fail where it would pass, and pass otherwise"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Know which test to turn round."""
    global _turned_round
    _turned_round = config.option.turn_round


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Turn the order round."""
    yield
    if config.option.backwards:
        items.reverse()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Turn an outcome round: detect-test-pollution then finds the test that lets this one pass."""
    if report.nodeid == _turned_round:
        if report.failed:
            report.when, report.outcome, report.longrepr = "call", "passed", None
        elif report.when == "call":
            report.outcome = "failed"
