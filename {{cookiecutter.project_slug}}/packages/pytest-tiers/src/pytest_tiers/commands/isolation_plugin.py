"""What `tiers isolation` loads: the order of the tests, and the outcome of one turned round."""

from collections.abc import Generator

import pytest

from pytest_tiers.commands.loading import load

ORDERS = ("written", "backwards", "random")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add what `tiers isolation` passes, and load pytest-randomly."""
    load(pluginmanager, "randomly")
    parser.addoption(
        "--tiers-order",
        choices=ORDERS,
        default="written",
        help="run the tests in this order; with --randomly-seed",
    )
    parser.addoption(
        "--tiers-turn-round",
        metavar="NODEID",
        help="let this test fail where it would pass, and pass otherwise",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take charge of the order."""
    # The orders differ in nothing else, so the numbers that tests draw have to be anybody's.
    config.option.randomly_reset_seed = False
    config.option.randomly_reorganize = config.option.tiers_order == "random"
    config.pluginmanager.register(Order(config), "tiers-isolation")


class Order:
    """Turns the order of all tests round, and the outcome of one."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the options."""
        self._backwards = config.option.tiers_order == "backwards"
        self._turned_round: str | None = config.option.tiers_turn_round

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Turn the order round."""
        yield
        if self._backwards:
            items.reverse()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Turn an outcome round: detect-test-pollution then finds the test that lets this one pass."""
        if report.nodeid == self._turned_round:
            if report.failed:
                report.when, report.outcome, report.longrepr = "call", "passed", None
            elif report.when == "call":
                report.outcome = "failed"
