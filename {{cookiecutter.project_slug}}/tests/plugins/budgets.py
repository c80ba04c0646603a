# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Budgets of time, from `[tool.budgets]` in pyproject.toml: a run says where one is exceeded, and with `--ci` it fails."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from tests.plugins.durations import Stopwatch, stopwatch_of
from tests.plugins.guards import how_to_lift, lifted
from tests.plugins.tiers import tier_of
from tools import budgets

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

OVER_BUDGET = (
    "The test took {seconds:.2f} s, and a test in tests/{tier} may take {budget:g} s (`[tool.budgets]` in pyproject.toml).\n"
    "Let a fake answer for what it waits for, or make it do less{else_where}."
)
ELSEWHERE = {"unit": "; what needs the time belongs in tests/integration"}
_BUDGETS = pytest.StashKey[budgets.Budgets]()
_SECONDS = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    """Read the budgets. Raises UsageError for those that are none."""
    try:
        config.stash[_BUDGETS] = budgets.read(config.rootpath)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if not hasattr(config, "workerinput"):
        comparison = Comparison(stopwatch_of(config), config.stash[_BUDGETS], fails=config.option.ci)
        config.pluginmanager.register(comparison, "budgets-comparison")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that took longer than its tier's budget, with `--ci`; else say so."""
    report = yield
    seconds = item.stash[_SECONDS] = item.stash.get(_SECONDS, 0.0) + report.__dict__["own_seconds"]
    tier = tier_of(item.path, item.config)
    budget = item.config.stash[_BUDGETS].of_tier(tier)
    if report.when == "teardown" and report.passed and seconds > budget and not lifted(item, "budget"):
        if item.config.option.ci:
            report.outcome = "failed"
            elsewhere = ELSEWHERE.get(tier or "", "")
            said = OVER_BUDGET.format(seconds=seconds, tier=tier, budget=budget, else_where=elsewhere)
            report.longrepr = said + how_to_lift("budget")
        else:
            said = f"{item.nodeid} took {seconds:.2f} s; the budget `{tier}` is {budget:g} s"
            report.__dict__["over_budget"] = [said]
    return report


class Comparison:
    """What a run exceeded, where it is controlled."""

    def __init__(self, stopwatch: Stopwatch, limits: budgets.Budgets, *, fails: bool) -> None:
        """Take what measures, and whether anything exceeded fails the run."""
        self._stopwatch, self._limits, self._fails = stopwatch, limits, fails
        self._tests: list[str] = []
        self._whole: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test over its budget."""
        self._tests += getattr(report, "over_budget", ())

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare what was measured with the budgets, and with what it was before."""
        run, option = self._stopwatch.run, session.config.option
        if run is None or option.record:
            return
        self._whole = [
            str(found) for found in budgets.slower(run, self._stopwatch.before, self._limits.slower)
        ]
        if not option.shard:  # of which none has all tests: `nox -s report` looks at that
            self._whole += budgets.exceeded(self._limits, self._stopwatch.store.tests)
        if self._whole and self._fails and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "TerminalReporter") -> None:
        """Say what was exceeded."""
        if self._tests or self._whole:
            fails = self._fails and self._whole
            what = ", which fails the run" if fails else "; `nox -s ci` fails for it"
            terminalreporter.section(f"over budget{what}", red=bool(fails), yellow=not fails)
            for line in (*self._tests, *self._whole):
                terminalreporter.write_line(line)
