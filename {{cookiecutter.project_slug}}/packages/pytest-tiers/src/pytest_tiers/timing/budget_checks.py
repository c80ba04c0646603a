"""Budgets of time, from `[tool.tiers.budgets]`: a run says where one is exceeded, and with `--ci` it fails."""

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_tiers.config import TIERS, settings_of
from pytest_tiers.guards import how_to_lift, lifted
from pytest_tiers.tiers import tier_of
from pytest_tiers.timing import budgets
from pytest_tiers.timing.stopwatch import stopwatch_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

OVER_BUDGET = (
    "The test took {seconds:.2f} s, and a test of the {tier} tier may take {budget:g} s (`[tool.tiers.budgets]` in pyproject.toml).\n"
    "Let a fake answer for what it waits for, or make it do less{elsewhere}."
)


class BudgetChecks:
    """Begins the checks that this run needs."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run, whose settings have the budgets."""
        self._limits = settings_of(config).budgets

    def pytest_configure(self, config: pytest.Config) -> None:
        """Begin them."""
        register = config.pluginmanager.register
        if any(self._limits.of_tier(tier) < math.inf for tier in TIERS):
            register(TierBudgets(config), "tiers-tier-budgets")
        if not hasattr(config, "workerinput"):
            register(RunBudgets(config), "tiers-run-budgets")


class TierBudgets:
    """Holds each test to the budget of its tier, where it runs."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the budgets, and what measures."""
        self._settings, self._stopwatch = settings_of(config), stopwatch_of(config)
        self._limits = self._settings.budgets
        self._least = min(self._limits.of_tier(tier) for tier in TIERS)
        self._fails = config.option.tiers_ci

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test that took longer than its tier's budget, with `--ci`; else say so."""
        report = yield
        seconds = self._stopwatch.own
        if seconds <= self._least or report.when != "teardown" or not report.passed:
            return report
        tier = tier_of(item)
        budget = self._limits.of_tier(tier)
        if seconds > budget and not lifted(item, "budget"):
            if self._fails:
                report.outcome = "failed"
                said = OVER_BUDGET.format(
                    seconds=seconds, tier=tier, budget=budget, elsewhere=self._elsewhere(tier)
                )
                report.longrepr = said + how_to_lift("budget")
            else:
                said = f"{item.nodeid} took {seconds:.2f} s; the budget `{tier}` is {budget:g} s"
                vars(report)["over_budget"] = said
        return report

    def _elsewhere(self, tier: str | None) -> str:
        folders = self._settings.folders.get("integration")
        if tier != "unit" or not folders:
            return ""
        return (
            f"; what needs the time belongs in the integration tier ({self._settings.relative(folders[0])})"
        )


class RunBudgets:
    """Compares a run as a whole with the budgets, and with the runs before, where it is controlled."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the budgets, and what measures."""
        self._limits, self._stopwatch = settings_of(config).budgets, stopwatch_of(config)
        self._found: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare what was measured with the budgets, and with what it was before."""
        stopwatch, option = self._stopwatch, session.config.option
        if stopwatch.run is None or option.tiers_record:
            return
        self._found = [
            str(slower) for slower in budgets.slower(stopwatch.run, stopwatch.before, self._limits.slower)
        ]
        if not option.tiers_shard:  # of which none has all tests: `tiers report` looks at that
            self._found += budgets.exceeded(self._limits, stopwatch.store.tests)
        if self._found and option.tiers_ci and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "TerminalReporter", config: pytest.Config) -> None:
        """Say what was exceeded."""
        reports = [report for of_kind in terminalreporter.stats.values() for report in of_kind]
        tests = [said for report in reports if (said := getattr(report, "over_budget", None))]
        if tests or self._found:
            fails = config.option.tiers_ci and self._found
            what = ", which fails the run" if fails else "; `--ci` fails for it"
            terminalreporter.section(f"over budget{what}", red=bool(fails), yellow=not fails)
            for line in (*tests, *self._found):
                terminalreporter.write_line(line)
