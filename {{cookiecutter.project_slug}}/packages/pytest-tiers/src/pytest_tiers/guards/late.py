"""What work does that goes on after its test: it fails the test that began it, and never the one that runs by then.

Such a test has had its last report, so that it gets one more, which fails it. What work of a fixture of a wider scope does, or of
nobody who is known, fails the run.
"""

import time
from typing import Any

import pytest

from pytest_tiers.guards.runs import Run

LATE = "Work that the test began went on when the test was over.\n{}"
UNKNOWN = "Work of {} went on in the background, and no test is known to have begun it.\n{}"


class LateWork:
    """Reports it, to the controller if this is a worker of xdist."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        """Take the run."""
        self._config, self._run = config, run
        self._unknown: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Report behind a test: in a worker, each report has to be about the test that runs."""
        if self._run.late or self._run.unknown:
            self._settle()

    def _settle(self) -> None:
        late = [
            (node.nodeid, _location(node), LATE.format(error)) for node, error in self._taken(self._run.late)
        ]
        unknown = [UNKNOWN.format(who, error) for who, error in self._taken(self._run.unknown)]
        if hasattr(self._config, "workeroutput"):
            known = self._config.workeroutput.setdefault("tiers-late", [[], []])
            known[0] += late
            known[1] += unknown
        else:
            self._report(late, unknown)

    @staticmethod
    def _taken(found: list[Any]) -> list[Any]:
        taken = list(dict.fromkeys((who, str(error)) for who, error in found))
        found.clear()
        return taken

    def _report(self, late: list[Any], unknown: list[str]) -> None:
        self._unknown += [said for said in unknown if said not in self._unknown]
        for nodeid, location, message in late:
            now = time.time()
            report = pytest.TestReport(
                nodeid=nodeid,
                location=tuple(location),
                keywords={},
                outcome="failed",
                longrepr=message,
                when="teardown",
                start=now,
                stop=now,
            )
            self._config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear what a worker found."""
        self._report(*getattr(node, "workeroutput", {}).get("tiers-late", ([], [])))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Report what is still open; the run has failed."""
        self._settle()
        if session.exitstatus == pytest.ExitCode.OK and (self._unknown or session.testsfailed):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what no test is known to have begun."""
        if self._unknown:
            terminalreporter.section("work in the background", red=True, bold=True)
            for said in self._unknown:
                terminalreporter.line(said)


def _location(node: pytest.Item | pytest.Collector) -> tuple[str, int | None, str]:
    return node.location if isinstance(node, pytest.Item) else (node.nodeid, None, "")
